package dev.pollux.core.clock;

/** The clocks of a machine, all in nanoseconds. */
public enum ClockType {
  /** The host's monotonic time; runs also while the machine is stopped. */
  REALTIME,
  /**
   * Guest time: starts at 0, stands still while the machine is stopped, is part of the saved state.
   */
  VIRTUAL,
  /** Wall-clock time since 1970, as the real-time clock shows it to the guest. */
  HOST
}
