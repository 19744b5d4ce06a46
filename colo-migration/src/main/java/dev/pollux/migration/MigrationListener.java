package dev.pollux.migration;

import java.io.IOException;

/**
 * Hears of what migrations and COLO do. Called by any thread, in order; must not block, but for
 * what makes a guest ready to leave.
 */
public interface MigrationListener {
  /** The status has changed, on either side. */
  default void statusChanged(MigrationStatus status) {}

  /** The source has begun another pass over the memory; the first is 1. */
  default void pass(long number) {}

  /**
   * The guest stands still here and is about to go on elsewhere. Event loop, machine lock held.
   *
   * @throws IOException what keeps it here: the migration fails
   */
  default void leaving() throws IOException {}

  /** The guest goes on here, or stands here, after all. Event loop, machine lock held. */
  default void stays() {}

  /** A guest has arrived and is about to go on here. Event loop, machine lock held. */
  default void arrived() {}

  /** COLO has ended on this side. */
  default void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {}
}
