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

  @Override
  default void close() {}
}
