package dev.pollux.core.machine;

import dev.pollux.core.state.Migratable;

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

  /** Releases host resources; the machine is gone afterwards. */
  default void close() {}
}
