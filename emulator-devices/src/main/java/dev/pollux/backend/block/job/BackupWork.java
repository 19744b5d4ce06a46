package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import java.io.IOException;

/** Copies a disk as it is at the beginning, whatever is written to it meanwhile. */
final class BackupWork implements JobWork {
  private static final int IDLE_MILLIS = 1000;

  private final Jobs jobs;
  private final BlockNode from;
  private final BlockNode to;
  private final SyncMode mode;
  private final BlockBackend source;
  private final BlockBackend target;
  private final CopyBeforeWrite guard;

  /** The moment that is kept is now. Event loop. */
  BackupWork(Jobs jobs, BlockNode from, BlockNode to, SyncMode mode) throws IOException {
    this.jobs = jobs;
    this.from = from;
    this.to = to;
    this.mode = mode;
    this.guard = new CopyBeforeWrite(from, to, DirtyMap.usualBits(from.length()), () -> {});
    this.source = jobs.graph().addBackend("", from);
    this.target = jobs.graph().addBackend("", to);
    jobs.graph()
        .drained(
            () -> {
              if (mode == SyncMode.TOP) {
                Allocation.mark(guard.left(), from, from.backing(), () -> {});
              } else {
                guard.begin();
              }
              from.addObserver(guard);
            });
  }

  @Override
  public void run(Job job) throws IOException {
    job.progress(0, mode == SyncMode.NONE ? from.length() : guard.left().bytes());
    while (mode == SyncMode.NONE) { // until it is cancelled
      job.pausePoint();
      job.idle(IDLE_MILLIS);
    }
    DirtyMap left = guard.left();
    long copied = 0;
    try (Copying copying = new Copying(from, to)) {
      for (int piece = left.next(0); piece >= 0; ) {
        job.pausePoint();
        int now = piece;
        long bytes = left.end(piece) - left.start(piece);
        boolean over =
            job.request(
                () ->
                    source.access(
                        _ ->
                            target.access(
                                _ -> {
                                  boolean _ = guard.copy(copying, now);
                                })));
        if (!over) {
          continue;
        }
        copied += bytes;
        piece = left.next(piece + 1);
        job.progress(copied, copied + left.bytes());
        job.throttle(bytes);
      }
      target.access(BlockNode::flush);
      job.progress(from.length(), from.length());
    }
  }

  @Override
  public void clean() {
    from.removeObserver(guard);
    jobs.giveBack(from);
    jobs.giveBack(to);
    jobs.graph().removeBackend(source);
    jobs.graph().removeBackend(target);
  }
}
