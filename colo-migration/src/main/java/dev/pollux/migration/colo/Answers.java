package dev.pollux.migration.colo;

import dev.pollux.migration.stream.StreamException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.TimeUnit;

/**
 * What a primary has asked its secondary, and what of that was answered. An answer that nobody has
 * asked for is an error, so what is kept here is never more than was asked. Any thread.
 */
final class Answers {
  // Guarded by this.
  private final Queue<ColoMessage> wanted = new ArrayDeque<>();
  private int arrived;
  private boolean ended;

  /** These are to come from now on, in this order; said before what calls for them is sent. */
  synchronized void ask(ColoMessage... answers) {
    wanted.addAll(List.of(answers));
  }

  /** An answer has come. */
  synchronized void arrive(ColoMessage answer) throws StreamException {
    ColoMessage next = wanted.poll();
    if (next == null) {
      throw new StreamException("%s came, which nobody has asked for".formatted(answer));
    }
    if (next != answer) {
      throw new StreamException("%s came in place of %s".formatted(answer, next));
    }
    arrived++;
    notifyAll();
  }

  /** Nothing comes any more. */
  synchronized void end() {
    ended = true;
    notifyAll();
  }

  /**
   * Waits for the first answer that was not waited for yet; whether it has come. It returns early
   * when nothing comes any more.
   */
  synchronized boolean await(long millis) throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    long left = millis;
    while (arrived == 0 && !ended && left > 0) {
      wait(left);
      left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
    }
    if (arrived == 0) {
      return false;
    }
    arrived--;
    return true;
  }
}
