package dev.pollux.backend.block.job;

import java.util.concurrent.locks.ReentrantLock;

/**
 * Keeps operations on ranges that overlap apart. Ranges share a fixed number of locks, so that now
 * and then those that do not overlap wait too.
 */
final class RangeLock {
  private static final int STRIPES = 64;

  private final ReentrantLock[] locks = new ReentrantLock[STRIPES];
  private final int pieceBits;

  /**
   * @param pieceBits bytes that are locked as one, as a power of two
   */
  RangeLock(int pieceBits) {
    this.pieceBits = pieceBits;
    for (int i = 0; i < STRIPES; i++) {
      locks[i] = new ReentrantLock();
    }
  }

  /** Bits of the stripes that a range uses. */
  private long stripes(long offset, long length) {
    long first = offset >>> pieceBits;
    long count = (offset + Math.max(length, 1) - 1 >>> pieceBits) - first + 1;
    if (count >= STRIPES) {
      return -1;
    }
    return Long.rotateLeft((1L << count) - 1, (int) (first & STRIPES - 1));
  }

  @SuppressWarnings("LockNotBeforeTry") // unlocked by the counterpart of this method
  void lock(long offset, long length) {
    for (long left = stripes(offset, length); left != 0; left &= left - 1) {
      locks[Long.numberOfTrailingZeros(left)].lock();
    }
  }

  void unlock(long offset, long length) {
    for (long left = stripes(offset, length); left != 0; left &= left - 1) {
      locks[Long.numberOfTrailingZeros(left)].unlock();
    }
  }
}
