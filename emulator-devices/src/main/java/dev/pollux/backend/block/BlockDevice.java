package dev.pollux.backend.block;

/**
 * The device that uses a {@link BlockBackend}, as the block layer sees it. Called on the event loop
 * with the machine lock held.
 */
public interface BlockDevice {
  /** The device's id; empty without one. */
  String id();

  /** Its place among the objects, for instance {@code /machine/peripheral/disk0}. */
  String qomPath();

  /** The disk has another length now. */
  default void resized() {}

  /** Whether media can be changed: a drive for discs or floppies. */
  default boolean removable() {
    return false;
  }

  /** Whether the tray is open. Only of removable media. */
  default boolean trayOpen() {
    return false;
  }

  /** Whether the guest holds the medium fast. */
  default boolean locked() {
    return false;
  }

  /**
   * The monitor asks for the medium.
   *
   * @param force do not mind that it is held fast
   */
  default void ejectRequested(boolean force) {}

  /** A medium was put in, or taken out; the tray moves, of which the backend is told. */
  default void mediumChanged(boolean present) {}

  /** The machine goes on after an error stopped it: requests that were kept are tried again. */
  default void retry() {}

  /** Whether it takes up nothing new while {@link BlockBackend#isEbbing}. Any thread. */
  default boolean ebbs() {
    return false;
  }

  /** What was left lying because of {@link BlockBackend#isEbbing} is taken up. Any thread. */
  default void ebbEnded() {}
}
