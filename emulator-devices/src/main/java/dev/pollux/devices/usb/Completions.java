package dev.pollux.devices.usb;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/**
 * Ends of commands that other threads bring: done on the event loop, or earlier by who waits for
 * them. There are no more than commands under way. Any thread.
 */
final class Completions {
  private final ConcurrentLinkedQueue<Runnable> ends = new ConcurrentLinkedQueue<>();
  private final Consumer<Runnable> loop;

  /**
   * @param loop has something done soon with the machine lock held
   */
  Completions(Consumer<Runnable> loop) {
    this.loop = loop;
  }

  /** Has something done soon with the machine lock held. */
  void add(Runnable end) {
    ends.add(end);
    loop.accept(this::run);
  }

  /** Does what there is. Machine lock held. */
  void run() {
    for (Runnable end = ends.poll(); end != null; end = ends.poll()) {
      end.run();
    }
  }
}
