package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Checkpoints;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.filter.LinkFilter;

/** {@code filter-rewriter}: a {@link SequenceRewriter} on a secondary's link. */
final class RewriterFilter extends LinkFilter implements Checkpoints.Listener {
  private final Checkpoints checkpoints;
  private final boolean unfinished;

  /** Guarded by itself: both directions use it. */
  private final SequenceRewriter rewriter = new SequenceRewriter();

  /**
   * @param unfinished frames may lack their checksum
   */
  @SuppressWarnings("this-escape") // listeners are told later
  RewriterFilter(
      String id,
      NetLink link,
      Direction direction,
      boolean on,
      boolean unfinished,
      Checkpoints checkpoints) {
    super(id, link, direction, on);
    this.unfinished = unfinished;
    this.checkpoints = checkpoints;
    checkpoints.add(this);
  }

  @Override
  public boolean takesUnfinished() {
    return unfinished;
  }

  /** Changes the frame's bytes, which whoever sends it has copied for that. */
  @Override
  public boolean pass(Frame frame, Direction way) {
    synchronized (rewriter) {
      if (way == Direction.TX) {
        rewriter.towardsGuest(frame);
      } else {
        rewriter.fromGuest(frame);
      }
    }
    return true;
  }

  @Override
  public void restored(long number) {
    synchronized (rewriter) {
      rewriter.checkpoint();
    }
  }

  @Override
  public void failedOver() {
    synchronized (rewriter) {
      rewriter.failover();
    }
  }

  @Override
  public void close() {
    checkpoints.remove(this);
    super.close();
  }
}
