package dev.pollux.backend.block;

/**
 * How long requests took lately: whether the host has to wait for a disk, or does them in memory.
 * Written by several threads; any of the values will do.
 */
final class Pace {
  /** What a request takes in memory at most, apart from copying. */
  private static final long QUICK_NANOS = 50_000;

  /** Bytes that a host copies in a nanosecond, at least. */
  private static final long COPIED_BYTES = 2;

  private volatile long usualNanos;

  /** A request took so long. */
  void note(long nanos, long bytes) {
    long usual = usualNanos;
    usualNanos = usual + (Math.max(0, nanos - bytes / COPIED_BYTES) - usual) / 8;
  }

  /** Whether the next one need not change threads. */
  boolean isQuick() {
    return usualNanos < QUICK_NANOS;
  }
}
