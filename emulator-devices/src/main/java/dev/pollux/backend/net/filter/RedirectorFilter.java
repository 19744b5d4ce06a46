package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Checkpoints;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.FrameStream;
import dev.pollux.backend.net.NetLink;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;

/**
 * {@code filter-redirector}: frames of the link go to one character device, those that come from
 * another go on from here.
 *
 * <p>On a secondary, what comes behind the mark of a checkpoint waits until the guest has that
 * state; and a mark goes out where the guest has it, so that the primary knows what was said before
 * and what after. When it goes on alone, the world hears again what the guest has said since then.
 */
public final class RedirectorFilter extends LinkFilter
    implements Checkpoints.Listener, FrameStream.Sink {
  /** Bytes that wait for a checkpoint at the most; more are dropped, as networks do. */
  static final int MOST = 8 << 20;

  private static final List<Direction> BOTH = List.of(Direction.TX, Direction.RX);

  private final Checkpoints checkpoints;
  private final boolean header;

  /** Set once, before frames can pass. */
  private Optional<FrameSender> out = Optional.empty();

  private Optional<FrameReceiver> in = Optional.empty();

  private final Unheard unheard;

  // Guarded by this.
  private final ArrayDeque<Frame> early = new ArrayDeque<>();
  private int earlyBytes;

  /** The state that the guest has. */
  private long present;

  /** The one for which frames come; -1 where nobody has said. */
  private long marked = -1;

  /**
   * @param header frames go with virtio-net's header
   */
  @SuppressWarnings("this-escape") // listeners are told later
  public RedirectorFilter(
      String id,
      NetLink link,
      Direction direction,
      boolean on,
      boolean header,
      Checkpoints checkpoints) {
    super(id, link, direction, on);
    this.header = header;
    this.unheard = new Unheard(header);
    this.checkpoints = checkpoints;
    checkpoints.add(this);
  }

  /** Connects it, before it is put on the link. */
  public void connect(Optional<FrameSender> sender, Optional<FrameReceiver> receiver) {
    out = sender;
    in = receiver;
  }

  @Override
  public boolean takesUnfinished() {
    return header;
  }

  @Override
  public boolean pass(Frame frame, Direction way) {
    if (out.isEmpty()) {
      return true;
    }
    if (way == Direction.RX && checkpoints.side() == Checkpoints.Side.SECONDARY) {
      unheard.add(frame); // also where the primary is gone already
    }
    if (!out.get().isConnected()) {
      return checkpoints.side() == Checkpoints.Side.ALONE; // a pair's output has no other way
    }
    out.get().send(frame);
    return false;
  }

  @Override
  public void flush() {
    out.ifPresent(FrameSender::flush);
  }

  // ---- what comes from the character device; the filters' thread ----

  @Override
  public void frame(Frame frame) {
    if (!isOn()) {
      return;
    }
    synchronized (this) {
      boolean paired = marked >= 0 && checkpoints.side() == Checkpoints.Side.SECONDARY;
      if (!paired || marked == present) {
        send(frame); // with the lock held: what waits for a checkpoint comes before what follows
      } else if (marked > present && earlyBytes + frame.length() <= MOST) {
        early.add(frame.copy());
        earlyBytes += frame.length();
      }
    }
  }

  private void send(Frame frame) {
    for (Direction way : ways()) {
      boolean _ = link().injectMore(this, frame, way);
    }
  }

  private List<Direction> ways() {
    return direction() == Direction.ALL ? BOTH : List.of(direction());
  }

  @Override
  public void idle() {
    ways().forEach(link()::flush);
  }

  @Override
  public synchronized void mark(long number) {
    marked = number;
    early.clear(); // for a state that will never be there
    earlyBytes = 0;
  }

  // ---- checkpoints ----

  @Override
  public void began(Checkpoints.Side side) {
    if (side == Checkpoints.Side.SECONDARY) {
      restored(0);
    }
  }

  @Override
  public void restored(long number) {
    if (direction() != Direction.RX) {
      link().forget(Direction.TX);
      synchronized (this) {
        present = number;
        if (marked <= present) {
          release();
        }
      }
      idle();
    }
    if (direction() != Direction.TX) {
      unheard.forget();
      out.ifPresent(sender -> sender.sendMark(number));
      flush();
    }
  }

  @Override
  public void failedOver() {
    releaseEarly();
    unheard.sayAgain(
        frame -> {
          boolean _ = link().injectMore(this, frame, Direction.RX);
        });
    idle();
  }

  private synchronized void releaseEarly() {
    release();
  }

  private void release() {
    for (Frame frame = early.poll(); frame != null; frame = early.poll()) {
      send(frame);
    }
    earlyBytes = 0;
  }

  @Override
  public void close() {
    checkpoints.remove(this);
    releaseEarly();
    super.close();
    out.ifPresent(FrameSender::close);
    in.ifPresent(FrameReceiver::close);
  }
}
