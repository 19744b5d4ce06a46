package dev.pollux.qmp.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Lets at most one event of a kind pass a second, and of those in between the last when the second
 * is over. Any thread.
 */
final class EventLimiter {
  /** Runs a task after some time. */
  @FunctionalInterface
  interface Timer {
    void after(Runnable task, long nanos);
  }

  private static final long LIMIT_NANOS = 1_000_000_000;

  /** What is counted separately: an event, and the value of the member that its limit goes by. */
  private record Key(String event, JsonNode per) {}

  private final Consumer<ObjectNode> sink;
  private final Timer timer;

  /** The last event that waits for its second to end; null where none waits. Guarded by itself. */
  private final Map<Key, ObjectNode> waiting = new HashMap<>();

  EventLimiter(Consumer<ObjectNode> sink, Timer timer) {
    this.sink = sink;
    this.timer = timer;
  }

  /**
   * @param per counted separately for each value; null for none
   */
  void limit(String event, JsonNode per, ObjectNode message) {
    Key key = new Key(event, per);
    synchronized (waiting) {
      if (waiting.containsKey(key)) {
        waiting.put(key, message);
        return;
      }
      waiting.put(key, null);
    }
    timer.after(() -> secondOver(key), LIMIT_NANOS);
    sink.accept(message);
  }

  private void secondOver(Key key) {
    ObjectNode last;
    synchronized (waiting) {
      last = waiting.remove(key);
      if (last != null) {
        waiting.put(key, null);
      }
    }
    if (last != null) {
      timer.after(() -> secondOver(key), LIMIT_NANOS);
      sink.accept(last);
    }
  }
}
