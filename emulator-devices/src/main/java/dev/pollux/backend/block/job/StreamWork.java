package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.WriteObserver;
import dev.pollux.backend.block.image.Qcow2Image;
import java.io.IOException;

/**
 * Copies what images below one hold into it, so that it stands on its own, or on one farther down.
 * A write to a piece waits while that piece is copied.
 */
final class StreamWork implements JobWork, WriteObserver {
  private static final int PIECE_BITS = 16;

  private final Jobs jobs;
  private final Qcow2Image top;
  private final BlockNode base;
  private final String backingFile;
  private final BlockBackend backend;
  private final RangeLock lock = new RangeLock(PIECE_BITS);

  /**
   * @param base what it stands on in the end; null for nothing
   * @param backingFile what its image then names; empty for nothing
   */
  StreamWork(Jobs jobs, Qcow2Image top, BlockNode base, String backingFile) throws IOException {
    this.jobs = jobs;
    this.top = top;
    this.base = base;
    this.backingFile = backingFile;
    this.backend = jobs.graph().addBackend("", top);
    jobs.graph().drained(() -> top.addObserver(this));
  }

  @Override
  public void before(long offset, long length) {
    lock.lock(offset, length);
  }

  @Override
  public void after(long offset, long length) {
    lock.unlock(offset, length);
  }

  @Override
  public void run(Job job) throws IOException {
    long end = top.length();
    try (Copying copying = new Copying(top, top)) {
      for (long at = 0; at < end; ) {
        job.pausePoint();
        long from = at;
        long[] bytes = {0};
        boolean[] copied = {false};
        try {
          backend.access(_ -> copied[0] = piece(copying, from, end - from, bytes));
        } catch (Copying.TargetException e) {
          if (!job.requestFailed(true, e.reason())) {
            continue;
          }
        } catch (IOException e) {
          if (!job.requestFailed(false, e)) {
            continue;
          }
        }
        at += bytes[0];
        job.progress(at, end);
        if (copied[0]) {
          job.throttle(bytes[0]);
        }
      }
      backend.access(BlockNode::flush);
    }
  }

  /** Deals with what a range begins with; whether it was copied. */
  private boolean piece(Copying copying, long from, long length, long... bytes) throws IOException {
    long locked = Math.min(length, Copying.MOST_DATA - (from & Copying.MOST_DATA - 1));
    bytes[0] = locked; // where that fails and is left out
    lock.lock(from, locked);
    try {
      Allocation own = Allocation.above(top, top.backing(), from, locked);
      bytes[0] = own.length();
      if (own.held()) {
        return false;
      }
      Allocation below = Allocation.above(top.backing(), base, from, own.length());
      bytes[0] = below.length();
      if (below.held()) {
        bytes[0] = copying.copy(from, below.length(), 1);
      }
      return below.held();
    } finally {
      lock.unlock(from, locked);
    }
  }

  @Override
  public void commit(Job job) throws IOException {
    BlockNode old = top.backing();
    top.changeBackingFile(backingFile, base == null ? "" : base.driver());
    top.setBacking(base);
    if (old != null) {
      jobs.graph().release(old);
    }
  }

  @Override
  public void clean() {
    top.removeObserver(this);
    jobs.giveBack(top);
    jobs.graph().removeBackend(backend);
  }
}
