package dev.pollux.backend.block.job;

import java.io.IOException;

/** Goes through a disk from its start to an end, a piece after the other. A job's thread. */
final class Sweep {
  /** Deals with what a range begins with. */
  interface Step {
    /**
     * Sets how long the piece is, before anything can fail that may be left out.
     *
     * @param length bytes until the end
     */
    void piece(Sweep sweep, long from, long length) throws IOException;
  }

  private long bytes;
  private boolean copied;

  private Sweep() {}

  /** The length of this piece. */
  void setBytes(long length) {
    bytes = length;
  }

  /** This piece was copied, which counts for the job's speed. */
  void setCopied(boolean was) {
    copied = was;
  }

  /** Does every piece; what fails is done again or left out, as the job's user wants. */
  static void run(Job job, long end, Step step) throws IOException {
    Sweep sweep = new Sweep();
    for (long at = 0; at < end; ) {
      job.pausePoint();
      long from = at;
      sweep.bytes = 0;
      sweep.copied = false;
      if (job.request(() -> step.piece(sweep, from, end - from))) {
        at += sweep.bytes;
        job.progress(at, end);
        if (sweep.copied) {
          job.throttle(sweep.bytes);
        }
      }
    }
  }
}
