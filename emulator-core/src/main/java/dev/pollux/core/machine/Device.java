package dev.pollux.core.machine;

import dev.pollux.core.state.Migratable;
import java.util.Optional;

/**
 * A device of a machine. Everything here is called with the machine lock held. A device declares
 * its saved state ({@link #state()}) and is registered with {@link Machine#add}, which enters it
 * for reset and saving.
 */
public interface Device extends Migratable {
  /** The section name in saved state, for instance {@code i8254}. */
  String id();

  /** Returns to power-on state, interrupt lines included. */
  void reset();

  /**
   * Finishes what is under way at back ends so that {@link #state()} is whole; the machine is
   * stopped.
   */
  default void quiesce() {}

  /** Why the machine cannot go to another process just now; empty where it can. */
  default Optional<String> migrationObstacle() {
    return Optional.empty();
  }

  /** Releases host resources; the machine is gone afterwards. */
  default void close() {}
}
