package dev.pollux.backend.block.job;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;

/** Pieces of a disk that have to be copied. Any thread. */
final class DirtyMap {
  private final AtomicLongArray words;
  private final AtomicInteger count = new AtomicInteger();
  private final int pieceBits;
  private final long bytes;
  private final int pieces;

  /**
   * @param bytes of the disk
   * @param pieceBits bytes of a piece, as a power of two
   */
  DirtyMap(long bytes, int pieceBits) {
    this.bytes = bytes;
    this.pieceBits = pieceBits;
    this.pieces = Math.toIntExact(bytes + (1L << pieceBits) - 1 >>> pieceBits);
    this.words = new AtomicLongArray(pieces + 63 >>> 6);
  }

  /** Pieces small enough to be copied at once, large enough that the map stays small. */
  static int usualBits(long bytes) {
    int bits = 16;
    while (bytes >>> bits > 1 << 24) {
      bits++;
    }
    return bits;
  }

  int pieceBits() {
    return pieceBits;
  }

  /** Where a piece ends, or the disk. */
  long end(int piece) {
    return Math.min(bytes, (long) (piece + 1) << pieceBits);
  }

  long start(int piece) {
    return (long) piece << pieceBits;
  }

  /** Marks all pieces that a range touches. */
  void add(long offset, long length) {
    if (length <= 0) {
      return;
    }
    int last = (int) (offset + length - 1 >>> pieceBits);
    for (int piece = (int) (offset >>> pieceBits); piece <= last; piece++) {
      long bit = 1L << (piece & 63);
      if ((words.getAndUpdate(piece >>> 6, w -> w | bit) & bit) == 0) {
        count.incrementAndGet();
      }
    }
  }

  /** Takes a mark away; whether there was one. */
  boolean remove(int piece) {
    long bit = 1L << (piece & 63);
    boolean was = (words.getAndUpdate(piece >>> 6, w -> w & ~bit) & bit) != 0;
    if (was) {
      count.decrementAndGet();
    }
    return was;
  }

  boolean contains(int piece) {
    return (words.get(piece >>> 6) >>> (piece & 63) & 1) != 0;
  }

  /** The first marked piece at or behind one; -1 where there is none. */
  int next(int from) {
    for (int word = from >>> 6; word < words.length(); word++) {
      long bits = words.get(word);
      if (word == from >>> 6) {
        bits &= -1L << (from & 63);
      }
      if (bits != 0) {
        return (word << 6) + Long.numberOfTrailingZeros(bits);
      }
    }
    return -1;
  }

  /** Bytes that are marked, whole pieces. */
  long bytes() {
    return Math.min(bytes, (long) count.get() << pieceBits);
  }

  boolean isEmpty() {
    return count.get() == 0;
  }

  int pieces() {
    return pieces;
  }
}
