package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Checkpoints;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;

/**
 * {@code filter-mirror}: a copy of each frame goes to a character device. On a primary that is what
 * its guest hears, and a mark tells where a checkpoint was taken: the secondary's guest, once it
 * has that state, is to hear what comes behind the mark and nothing from before.
 */
public final class MirrorFilter extends LinkFilter implements Checkpoints.Listener {
  private final Checkpoints checkpoints;
  private final FrameSender out;
  private final boolean header;

  /**
   * @param header frames go with virtio-net's header
   */
  @SuppressWarnings("this-escape") // listeners are told later
  public MirrorFilter(
      String id,
      NetLink link,
      Direction direction,
      boolean on,
      FrameSender out,
      boolean header,
      Checkpoints checkpoints) {
    super(id, link, direction, on);
    this.out = out;
    this.header = header;
    this.checkpoints = checkpoints;
    checkpoints.add(this);
  }

  @Override
  public boolean takesUnfinished() {
    return header;
  }

  @Override
  public boolean pass(Frame frame, Direction way) {
    if (out.isConnected()) {
      out.send(frame);
    }
    return true;
  }

  @Override
  public void flush() {
    out.flush();
  }

  @Override
  public void began(Checkpoints.Side side) {
    if (side == Checkpoints.Side.PRIMARY) {
      mark(0);
    }
  }

  @Override
  public void taken(long number) {
    mark(number);
  }

  /** What waits for the guest was mirrored, but is not in its state: it goes again. */
  private void mark(long number) {
    if (direction() == Direction.RX) {
      return;
    }
    link()
        .whileStill(
            Direction.TX,
            waiting -> {
              out.sendMark(number);
              waiting.stream()
                  .filter(frame -> isOn() && (header || frame.isFinished()))
                  .forEach(out::send);
            });
    out.flush();
  }

  @Override
  public void close() {
    checkpoints.remove(this);
    super.close();
    out.close();
  }
}
