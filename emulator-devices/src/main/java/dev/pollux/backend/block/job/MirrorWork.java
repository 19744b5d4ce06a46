package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.WriteObserver;
import dev.pollux.backend.block.graph.BlockGraph;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies a disk and follows what is written to it, until it is told to end. A map has a mark for
 * each piece that is to be copied; a write marks its pieces when it is done, so that what was read
 * half-way is read again. Where the marks do not become fewer, or where that is wanted from the
 * beginning, each write waits until its pieces are copied.
 */
final class MirrorWork implements JobWork, WriteObserver {
  private static final Logger log = LoggerFactory.getLogger(MirrorWork.class);

  private static final int IDLE_MILLIS = 100;
  private static final int RETRY_MILLIS = 100;

  /** After so many passes over the map without coming to an end writes wait. */
  private static final int MOST_PASSES = 5;

  /**
   * What is copied.
   *
   * @param base images from here on down are not copied where {@code mode} is TOP; may be null
   * @param replace the copy takes the place of the original in the end, if a user wants that
   * @param writeBlocking writes wait for their copy
   * @param pieceBits bytes of a piece, as a power of two
   * @param copied run when all is copied, before the copy takes the place
   */
  record Plan(
      BlockNode source,
      BlockNode target,
      SyncMode mode,
      BlockNode base,
      boolean replace,
      boolean writeBlocking,
      int pieceBits,
      BlockGraph.Change copied) {}

  private final Jobs jobs;
  private final Plan plan;
  private final BlockBackend source;
  private final BlockBackend target;
  private final DirtyMap dirty;
  private final RangeLock lock;
  private volatile boolean blocking;

  // Of the job's thread.
  private boolean begun;
  private boolean ready;
  private int cursor;
  private int passes;
  private long copied;

  /** The job's thread is told of new marks. Null before it runs. */
  private volatile Job job;

  /** From now on writes to the source are noted. Event loop. */
  MirrorWork(Jobs jobs, Plan plan) throws IOException {
    this.jobs = jobs;
    this.plan = plan;
    this.dirty = new DirtyMap(plan.source.length(), plan.pieceBits);
    this.lock = new RangeLock(plan.pieceBits);
    this.blocking = plan.writeBlocking;
    this.source = jobs.graph().addBackend("", plan.source);
    this.target = jobs.graph().addBackend("", plan.target);
    jobs.graph().drained(() -> plan.source.addObserver(this));
  }

  // ---- the job's thread ----

  @Override
  public void run(Job running) throws IOException {
    job = running;
    if (!begun) {
      begun = true;
      markAll();
    } else {
      passDone();
    }
    try (Copying copying = new Copying(plan.source, plan.target)) {
      while (true) {
        running.pausePoint();
        running.progress(copied, copied + dirty.bytes());
        if (dirty.isEmpty()) {
          cursor = 0;
          passes = running.isToEnd() ? passes : 0;
          if (!ready || running.isToEnd()) {
            flush();
          }
          if (!ready) {
            ready = true;
            running.ready();
          }
          if (running.isToEnd()) {
            return;
          }
          running.idle(IDLE_MILLIS);
        } else {
          copyNext(copying);
        }
      }
    }
  }

  private void markAll() throws IOException {
    switch (plan.mode) {
      case FULL -> dirty.add(0, plan.source.length());
      case TOP -> {
        try {
          source.access(node -> Allocation.mark(dirty, node, plan.base, job::pausePoint));
        } catch (IOException e) {
          boolean _ = job.requestFailed(false, e);
          dirty.add(0, plan.source.length());
        }
      }
      case NONE -> {}
    }
  }

  private void flush() throws IOException {
    try {
      target.access(BlockNode::flush);
    } catch (IOException e) {
      boolean _ = job.requestFailed(true, e);
    }
  }

  private void copyNext(Copying copying) throws IOException {
    int piece = dirty.next(cursor);
    if (piece < 0) {
      cursor = 0;
      passDone();
      return;
    }
    long start = dirty.start(piece);
    long length = dirtyRun(piece) - start;
    long[] bytes = {0};
    try {
      source.access(_ -> target.access(_ -> bytes[0] = copy(copying, start, length)));
      cursor = (int) (start + bytes[0] + (1L << plan.pieceBits) - 1 >>> plan.pieceBits);
      copied += bytes[0];
      job.progress(copied, copied + dirty.bytes());
      job.throttle(bytes[0]);
    } catch (Copying.TargetException e) {
      boolean _ = job.requestFailed(true, e.reason());
      job.idle(RETRY_MILLIS);
    } catch (IOException e) {
      boolean _ = job.requestFailed(false, e);
      job.idle(RETRY_MILLIS);
    }
  }

  private void passDone() {
    if (++passes > MOST_PASSES && !blocking) {
      log.debug("job {} cannot follow; writes wait for it from now on", job.id());
      blocking = true;
    }
  }

  /** Where a run of marked pieces ends. */
  private long dirtyRun(int first) {
    int piece = first;
    while (piece < dirty.pieces()
        && dirty.contains(piece)
        && dirty.start(piece) - dirty.start(first) < Copying.MOST_ZEROES) {
      piece++;
    }
    return dirty.end(piece - 1);
  }

  /** Copies what a marked run begins with. */
  private long copy(Copying copying, long start, long length) throws IOException {
    lock.lock(start, length);
    try {
      unmark(start, length);
      long bytes = 0;
      try {
        bytes = copying.copy(start, length, 1L << plan.pieceBits);
      } finally {
        dirty.add(start + bytes, length - bytes);
      }
      return bytes;
    } finally {
      lock.unlock(start, length);
    }
  }

  private void unmark(long start, long length) {
    int last = (int) (start + length - 1 >>> plan.pieceBits);
    for (int piece = (int) (start >>> plan.pieceBits); piece <= last; piece++) {
      dirty.remove(piece);
    }
  }

  // ---- threads that write to the source ----

  @Override
  public void after(long offset, long length) {
    dirty.add(offset, length);
    if (blocking) {
      copyNow(offset, length);
    }
    Job running = job;
    if (running != null) {
      running.wake();
    }
  }

  private void copyNow(long offset, long length) {
    try (Copying copying = new Copying(plan.source, plan.target)) {
      int last = (int) (offset + length - 1 >>> plan.pieceBits);
      for (int piece = (int) (offset >>> plan.pieceBits); piece <= last; piece++) {
        long start = dirty.start(piece);
        if (dirty.contains(piece)) {
          long _ = copy(copying, start, dirty.end(piece) - start);
        }
      }
    } catch (IOException e) {
      log.debug("the mirror's own thread tries again", e);
    }
  }

  // ---- event loop ----

  @Override
  public boolean isDone() {
    return dirty.isEmpty();
  }

  @Override
  public void commit(Job done) throws IOException {
    if (!dirty.isEmpty()) {
      throw new IOException("the copy is not complete: a write could not be copied");
    }
    plan.copied.run();
    if (plan.replace && done.isToReplace()) {
      jobs.graph().replace(plan.source, plan.target);
    }
  }

  @Override
  public void clean() {
    plan.source.removeObserver(this);
    jobs.giveBack(plan.source);
    jobs.giveBack(plan.target);
    jobs.graph().removeBackend(source);
    jobs.graph().removeBackend(target);
  }
}
