package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.WriteObserver;
import java.io.IOException;

/**
 * Keeps a disk as it was: before a piece of it is written for the first time, what is there is
 * copied to another node. A write waits for the copy, and fails where that fails. Any thread.
 */
public final class CopyBeforeWrite implements WriteObserver {
  private final BlockNode source;
  private final BlockNode target;
  private final DirtyMap left;
  private final RangeLock lock;
  private final Runnable barrier;

  /**
   * @param pieceBits bytes that are copied as one, as a power of two
   * @param barrier called between a copy and the write that follows
   */
  public CopyBeforeWrite(BlockNode source, BlockNode target, int pieceBits, Runnable barrier) {
    this.source = source;
    this.target = target;
    this.left = new DirtyMap(source.length(), pieceBits);
    this.lock = new RangeLock(pieceBits);
    this.barrier = barrier;
  }

  /** What is still to be copied before it is written. */
  DirtyMap left() {
    return left;
  }

  /** All is to be kept from now on; no request is under way. */
  public void begin() {
    left.add(0, source.length());
  }

  @Override
  public void before(long offset, long length) throws IOException {
    int bits = left.pieceBits();
    int last = (int) (offset + length - 1 >>> bits);
    boolean copied = false;
    for (int piece = (int) (offset >>> bits); piece <= last; piece++) {
      if (left.contains(piece)) {
        try (Copying copying = new Copying(source, target)) {
          copied |= copy(copying, piece);
        } catch (Copying.TargetException e) {
          throw e.reason();
        }
      }
    }
    if (copied) {
      barrier.run();
    }
  }

  /** Copies a piece, if nobody has done that before; whether it had to. */
  boolean copy(Copying copying, int piece) throws IOException {
    long start = left.start(piece);
    long length = left.end(piece) - start;
    lock.lock(start, length);
    try {
      if (!left.contains(piece)) {
        return false;
      }
      for (long at = 0; at < length; ) {
        at += copying.copy(start + at, length - at, 1);
      }
      return left.remove(piece);
    } finally {
      lock.unlock(start, length);
    }
  }
}
