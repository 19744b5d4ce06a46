package dev.pollux.devices.timer;

/**
 * When a periodic timer of the guest fires. The host may be late, or the guest may not have taken
 * the interrupt before; ticks that had to wait follow at a faster pace, so that a guest that counts
 * ticks keeps the time and never sees too few of them in a while of its own. What is late by more
 * than a second is given up. All times are guest nanoseconds.
 */
public final class TickPacer {
  /**
   * The shortest time between two ticks, so that a guest cannot keep the event loop from all else.
   */
  private static final long MIN_GAP = 20_000;

  private static final long MAX_GAP = 200_000;
  private static final long MAX_BACKLOG = 1_000_000_000;
  private static final int CATCH_UP = 8;

  private TickPacer() {}

  /**
   * How many periods after a tick that was due at {@code due} its successor is: 1, or more where
   * too much was missed.
   */
  public static long periodsToNext(long due, long period, long now) {
    long late = now - due;
    return late > MAX_BACKLOG && period > 0 ? Math.max(1, late / period) : 1;
  }

  /** When to fire the tick that is due at {@code due}, the one before having fired now. */
  public static long deadline(long due, long period, long now) {
    return Math.max(
        due, now + (due <= now ? Math.clamp(period / CATCH_UP, MIN_GAP, MAX_GAP) : MIN_GAP));
  }

  /** When to try again, the guest not having taken the last interrupt. */
  public static long retry(long now) {
    return now + MAX_GAP;
  }
}
