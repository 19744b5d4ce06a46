package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.image.Qcow2Image;
import java.io.IOException;

/** Writes what images that are not written any more hold into the one below them. */
final class CommitWork implements JobWork {
  private final Jobs jobs;
  private final Qcow2Image overlay;
  private final BlockNode top;
  private final BlockNode base;
  private final String backingFile;
  private final BlockBackend source;
  private final BlockBackend target;

  /**
   * @param overlay stands on {@code top}, and on {@code base} in the end
   * @param backingFile what the overlay's image then names
   */
  CommitWork(Jobs jobs, Qcow2Image overlay, BlockNode top, BlockNode base, String backingFile) {
    this.jobs = jobs;
    this.overlay = overlay;
    this.top = top;
    this.base = base;
    this.backingFile = backingFile;
    this.source = jobs.graph().addBackend("", top);
    this.target = jobs.graph().addBackend("", base);
  }

  @Override
  public void run(Job job) throws IOException {
    long end = Math.min(top.length(), base.length());
    try (Copying copying = new Copying(top, base)) {
      for (long at = 0; at < end; ) {
        job.pausePoint();
        long from = at;
        long[] bytes = {0};
        boolean[] copied = {false};
        try {
          source.access(
              _ -> {
                Allocation next = Allocation.above(top, base, from, end - from);
                bytes[0] = next.length();
                if (next.held()) {
                  bytes[0] = Math.min(next.length(), Copying.MOST_DATA);
                  bytes[0] = copying.copy(from, bytes[0], 1);
                  copied[0] = true;
                }
              });
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
      target.access(BlockNode::flush);
    }
  }

  @Override
  public void commit(Job job) throws IOException {
    String format = base.driver();
    overlay.changeBackingFile(backingFile, format);
    overlay.setBacking(base);
    jobs.graph().release(top);
  }

  @Override
  public void clean() {
    jobs.giveBack(top);
    jobs.giveBack(base);
    jobs.graph().removeBackend(source);
    jobs.graph().removeBackend(target);
    jobs.graph().release(top);
  }
}
