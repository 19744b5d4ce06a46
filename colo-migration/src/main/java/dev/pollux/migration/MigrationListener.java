package dev.pollux.migration;

/** Hears of what migrations and COLO do. Called by any thread, in order; must not block. */
public interface MigrationListener {
  /** The status has changed, on either side. */
  default void statusChanged(MigrationStatus status) {}

  /** The source has begun another pass over the memory; the first is 1. */
  default void pass(long number) {}

  /** A guest has arrived and is about to go on here. Event loop, machine lock held. */
  default void arrived() {}

  /** COLO has ended on this side. */
  default void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {}
}
