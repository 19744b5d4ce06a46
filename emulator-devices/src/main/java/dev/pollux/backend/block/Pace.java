package dev.pollux.backend.block;

import dev.pollux.core.host.HostThread;
import java.util.concurrent.TimeUnit;

/**
 * How long requests lately waited for the host's disk: not at all where the host does them in
 * memory, however much there is to copy. Written by several threads; any of the values will do.
 */
final class Pace {
  /** Who waits no longer than this need not change threads. */
  private static final long QUICK_NANOS = 50_000;

  /** One long wait counts no more than this, so that it takes two to change anything. */
  private static final long MOST_NANOS = 7 * QUICK_NANOS;

  private static final long LEAST_REST_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long MOST_REST_NANOS = TimeUnit.SECONDS.toNanos(1);

  private volatile long usualNanos;

  /** When it is worth another try, by System.nanoTime. */
  private volatile long tryAt = System.nanoTime();

  /**
   * A request was done.
   *
   * @param nanos how long it took
   * @param waited whether the thread had to wait meanwhile
   */
  private void note(long nanos, boolean waited) {
    long usual = usualNanos;
    usualNanos = usual + ((waited ? Math.min(nanos, MOST_NANOS) : 0) - usual) / 8;
    if (waited) {
      // Tries cost the thread a hundredth of its time.
      tryAt = System.nanoTime() + Math.clamp(100 * nanos, LEAST_REST_NANOS, MOST_REST_NANOS);
    }
  }

  /** Whether the next request need not change threads. */
  boolean isQuick() {
    return usualNanos < QUICK_NANOS || System.nanoTime() - tryAt >= 0;
  }

  /** Watches requests that one thread does, one after the other. */
  static final class Watch {
    private long switches = HostThread.voluntarySwitches();

    /** A request of some pace took so long. */
    void done(Pace pace, long nanos) {
      boolean waited = false;
      if (nanos >= QUICK_NANOS) {
        long now = HostThread.voluntarySwitches();
        waited = now != switches;
        switches = now;
      }
      pace.note(nanos, waited);
    }
  }
}
