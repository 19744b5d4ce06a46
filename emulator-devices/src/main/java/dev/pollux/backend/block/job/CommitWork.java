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
      Sweep.run(
          job,
          end,
          (sweep, from, length) ->
              source.access(
                  _ -> {
                    Allocation next = Allocation.above(top, base, from, length);
                    sweep.setBytes(next.length());
                    if (next.held()) {
                      long most = Math.min(next.length(), Copying.MOST_DATA);
                      sweep.setBytes(most);
                      sweep.setBytes(copying.copy(from, most, 1));
                      sweep.setCopied(true);
                    }
                  }));
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
