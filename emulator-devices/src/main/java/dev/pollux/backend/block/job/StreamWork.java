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
      Sweep.run(
          job,
          end,
          (sweep, from, length) -> backend.access(_ -> piece(copying, sweep, from, length)));
      backend.access(BlockNode::flush);
    }
  }

  private void piece(Copying copying, Sweep sweep, long from, long length) throws IOException {
    long locked = Math.min(length, Copying.MOST_DATA - (from & Copying.MOST_DATA - 1));
    sweep.setBytes(locked); // where that fails and is left out
    lock.lock(from, locked);
    try {
      Allocation own = Allocation.above(top, top.backing(), from, locked);
      sweep.setBytes(own.length());
      if (own.held()) {
        return;
      }
      Allocation below = Allocation.above(top.backing(), base, from, own.length());
      sweep.setBytes(below.length());
      if (below.held()) {
        sweep.setBytes(copying.copy(from, below.length(), 1));
        sweep.setCopied(true);
      }
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
