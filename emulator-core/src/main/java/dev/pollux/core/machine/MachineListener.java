package dev.pollux.core.machine;

/**
 * Hears of what happens to a machine as a whole; called on the event loop with the machine lock
 * held.
 */
public interface MachineListener {
  /** The vCPUs were stopped. */
  default void stopped() {}

  /** The vCPUs are about to run. */
  default void starting() {}

  /** The vCPUs run again. */
  default void resumed() {}

  default void reset(ShutdownCause cause) {}

  /** The guest is powered off or its host ends it; the process follows unless told otherwise. */
  default void shutdown(ShutdownCause cause) {}

  default void poweredDown() {}

  /**
   * The guest's kernel has panicked.
   *
   * @param ends whether the machine ends now; otherwise it stands
   */
  default void panicked(boolean ends) {}

  /** The guest's kernel has panicked and its crash kernel runs. */
  default void crashLoaded() {}

  /** The guest sleeps in RAM; its vCPUs stand until something wakes it. */
  default void suspended() {}

  /** The guest will sleep on disk; its power-off follows. */
  default void suspendedToDisk() {}

  /**
   * The guest wakes from its sleep in RAM: all parts but memory have just been reset, the vCPUs run
   * afterwards.
   */
  default void wokenUp(WakeupReason reason) {}
}
