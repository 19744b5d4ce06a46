package dev.pollux.backend.vnc;

import dev.pollux.devices.display.Screen;
import java.util.Arrays;

/**
 * The latest picture of the screen, for all viewers: it is taken when one asks, and not more often
 * than the eye sees. While nothing changes it is taken less often. Any thread.
 */
final class Frames {
  private static final long OFTEN_NANOS = 16_000_000;
  private static final long SELDOM_NANOS = 150_000_000;

  /**
   * A picture.
   *
   * @param number grows with each that differs from the one before
   */
  record Frame(long number, Screen screen) {}

  private final VncHost host;
  private Frame latest;
  private long taken;
  private long interval = OFTEN_NANOS;

  Frames(VncHost host) {
    this.host = host;
  }

  /** The latest picture, taken now if the last look is long enough ago. */
  synchronized Frame latest() {
    long now = System.nanoTime();
    if (latest == null || now - taken >= interval) {
      Screen screen = host.screen();
      if (latest == null || !isSame(latest.screen(), screen)) {
        latest = new Frame(latest == null ? 1 : latest.number() + 1, screen);
        interval = OFTEN_NANOS;
      } else {
        interval = Math.min(interval * 5 / 4, SELDOM_NANOS);
      }
      taken = now;
    }
    return latest;
  }

  /** Somebody has done something: the screen will change soon. */
  synchronized void expectChange() {
    interval = OFTEN_NANOS;
  }

  /** How long until it is worth asking again, in nanoseconds. */
  synchronized long patience() {
    return Math.max(1_000_000, taken + interval - System.nanoTime());
  }

  private static boolean isSame(Screen a, Screen b) {
    return a.width() == b.width()
        && a.height() == b.height()
        && Arrays.equals(a.pixels(), b.pixels());
  }
}
