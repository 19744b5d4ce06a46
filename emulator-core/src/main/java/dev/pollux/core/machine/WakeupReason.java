package dev.pollux.core.machine;

/** What wakes a guest that sleeps in RAM. */
public enum WakeupReason {
  /** The alarm of the real-time clock. */
  RTC,
  /** A user. */
  OTHER
}
