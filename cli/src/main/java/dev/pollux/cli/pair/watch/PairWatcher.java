package dev.pollux.cli.pair.watch;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** Somebody who is told what a pair does. Any thread; a call must not wait for others. */
public interface PairWatcher extends AutoCloseable {
  /**
   * Something has happened.
   *
   * @param event as {@code --json} names it
   * @param sentence for people
   */
  void event(String event, String sentence, ObjectNode details);

  /** How it is, once a second. */
  void progress(PairView view);

  /**
   * A console has printed something.
   *
   * @param byPrimary by that of the side that runs the guest, as users see it
   * @param length of the bytes that count, which are the caller's
   */
  default void printed(boolean byPrimary, byte[] bytes, int length) {}

  /** The console that was the copy's is the primary's from now on. */
  default void switched() {}

  /** From now on this may be asked of the pair. */
  default void controls(PairControls pair) {}

  @Override
  default void close() {}
}
