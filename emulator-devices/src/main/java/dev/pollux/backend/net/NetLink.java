package dev.pollux.backend.net;

import dev.pollux.backend.net.NetFilter.Direction;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * The cable between a network card and a back end, with the filters on it.
 *
 * <p>Each way has a lock of its own, held while filters and the receiving end look at frames. So
 * that no two threads wait for each other, {@link NetEnd#take} never waits for the machine lock nor
 * for one that its own end holds while it sends, and back ends hold none of their own while they
 * send.
 *
 * <p>A frame that has passed the filters but finds no room waits here; until it is gone the way
 * takes no other. So filters see each frame once, and no way holds more than one frame's segments
 * and what its filters put back.
 */
public final class NetLink {
  /** Frames that filters may put back beyond what the receiver takes. */
  static final int MAX_INJECTED = 4096;

  /** What went one way. */
  public record Counters(long frames, long bytes, long dropped) {}

  private final Way fromGuest = new Way(Direction.RX);
  private final Way toGuest = new Way(Direction.TX);

  /** Replaced as a whole; head first. */
  private volatile List<NetFilter> filters = List.of();

  private volatile boolean up = true;
  private volatile boolean delivering = true;

  /** Only filters may send: neither end hears anything of the other. */
  private volatile boolean isolated;

  /** Whether anything may leave the guest now. */
  private volatile BooleanSupplier gate = () -> true;

  private volatile NetEnd card;
  private volatile NetEnd backend;

  /** Connects the network card; null disconnects it. What is sent to nobody is dropped. */
  public void attachCard(NetEnd end) {
    card = end;
    fromGuest.clear();
    toGuest.clear();
  }

  /** Connects the back end; null disconnects it. */
  public void attachBackend(NetEnd end) {
    backend = end;
    fromGuest.clear();
    toGuest.clear();
  }

  /** What the card sends. See {@link NetEnd#take} for the result. */
  public int fromCard(Frame[] frames, int count) {
    int taken = fromGuest.send(frames, count);
    flushFilters(Direction.RX);
    return taken;
  }

  /** What the back end sends. See {@link NetEnd#take} for the result. */
  public int fromBackend(Frame[] frames, int count) {
    int taken = toGuest.send(frames, count);
    flush(Direction.TX);
    return taken;
  }

  private void settle() {
    NetEnd end = card;
    if (end != null) {
      end.settle();
    }
  }

  /** What the card does with unfinished frames. */
  public Offloads cardOffloads() {
    NetEnd end = card;
    return end == null || !filters.isEmpty() ? Offloads.NONE : end.offloads();
  }

  /**
   * An end has room again, after it had taken fewer frames than it was offered.
   *
   * @param end the end that has room
   */
  public void ready(NetEnd end) {
    if (end.equals(card)) {
      toGuest.ready(backend);
      settle();
    } else if (end.equals(backend)) {
      fromGuest.ready(card);
    }
  }

  public boolean isUp() {
    return up;
  }

  /** Plugs the cable in or pulls it: while it is out all frames are dropped. */
  public void setUp(boolean plugged) {
    up = plugged;
    for (NetEnd end : ends()) {
      end.linkChanged(plugged);
    }
  }

  /** False while the machine stands still: the guest's side takes nothing, and nothing is lost. */
  public void setDelivering(boolean runs) {
    delivering = runs;
    if (runs) {
      toGuest.ready(backend);
      settle();
    }
  }

  /** The card uses this queue of several, or leaves it out. */
  public void setActive(boolean on) {
    NetEnd end = backend;
    if (end != null) {
      end.setActive(on);
    }
  }

  /**
   * True while the guest is a secondary: what the ends send each other is dropped behind the
   * filters or before them, so that nothing but what filters put in reaches the guest, and nothing
   * of the guest reaches the world.
   */
  public void setIsolated(boolean only) {
    isolated = only;
  }

  /**
   * Sets who is asked, for each frame or batch of frames out of the guest, whether it may leave;
   * any thread asks. What may not is dropped.
   */
  public void setGate(BooleanSupplier mayLeave) {
    gate = mayLeave;
  }

  /**
   * Does something while no frame moves that way, with those that have passed the filters and wait
   * for the receiver. Any thread that holds neither way.
   */
  public void whileStill(Direction way, Consumer<List<Frame>> action) {
    way(way).whileStill(action);
  }

  /** Forgets frames that have passed the filters and wait for the receiver. */
  public void forget(Direction way) {
    way(way).clearWaiting();
  }

  private Way way(Direction way) {
    return way == Direction.RX ? fromGuest : toGuest;
  }

  private List<NetEnd> ends() {
    List<NetEnd> ends = new ArrayList<>();
    for (NetEnd end : new NetEnd[] {card, backend}) {
      if (end != null) {
        ends.add(end);
      }
    }
    return ends;
  }

  /** Head first. */
  public List<NetFilter> filters() {
    return filters;
  }

  /**
   * Puts a filter on the link.
   *
   * @param index its place from the head on
   */
  public synchronized void addFilter(int index, NetFilter filter) {
    List<NetFilter> changed = new ArrayList<>(filters);
    changed.add(index, filter);
    filters = List.copyOf(changed);
  }

  /** Takes a filter off; what it keeps it has put back before. */
  public synchronized void removeFilter(NetFilter filter) {
    List<NetFilter> changed = new ArrayList<>(filters);
    changed.remove(filter);
    filters = List.copyOf(changed);
  }

  /**
   * Sends a frame on from a filter's place, as if it had let it pass. Any thread, not from within
   * {@link NetFilter#pass}.
   *
   * @param way {@link Direction#RX} out of the guest, {@link Direction#TX} towards it
   * @return false where too many wait already: the frame is dropped
   */
  public boolean inject(NetFilter filter, Frame frame, Direction way) {
    boolean done = injectMore(filter, frame, way);
    flush(way);
    return done;
  }

  /** The same for one of several frames; {@link #flush} follows the last. */
  public boolean injectMore(NetFilter filter, Frame frame, Direction way) {
    return way(way).inject(filter, frame);
  }

  /** No more frames follow at once. */
  public void flush(Direction way) {
    flushFilters(way);
    settle();
  }

  private void flushFilters(Direction way) {
    for (NetFilter filter : filters) {
      if (filter.direction().includes(way)) {
        filter.flush();
      }
    }
  }

  public Counters counters(Direction way) {
    return way(way).counters();
  }

  /** One direction. */
  private final class Way {
    private final Direction direction;
    private final ArrayDeque<Frame> waiting = new ArrayDeque<>();
    private final Segmenter segmenter = new Segmenter();
    private final Frame[] one = new Frame[1];
    private boolean refused;
    private long frames;
    private long bytes;
    private long dropped;

    Way(Direction direction) {
      this.direction = direction;
    }

    private NetEnd receiver() {
      return direction == Direction.RX ? backend : card;
    }

    private boolean isOpen() {
      return direction == Direction.RX || delivering;
    }

    private boolean isBarred() {
      return direction == Direction.RX && !gate.getAsBoolean();
    }

    synchronized void clear() {
      dropped += waiting.size();
      waiting.clear();
      refused = false;
    }

    synchronized void clearWaiting() {
      dropped += waiting.size();
      waiting.clear();
    }

    synchronized void whileStill(Consumer<List<Frame>> action) {
      action.accept(List.copyOf(waiting));
    }

    synchronized Counters counters() {
      return new Counters(frames, bytes, dropped);
    }

    synchronized int send(Frame[] batch, int count) {
      NetEnd end = receiver();
      if (end == null || !up || isolated && direction == Direction.TX || isBarred()) {
        dropped += count;
        return count;
      }
      if (!isOpen() || !flush(end)) {
        refused = true;
        return 0;
      }
      int done = 0;
      while (done < count && waiting.isEmpty()) {
        int direct = direct(end, batch, done, count);
        if (direct > 0) {
          int taken = takeDirect(end, batch, done, direct);
          done += taken;
          if (taken < direct) {
            break;
          }
        } else {
          filterAndDeliver(end, batch[done++]);
        }
      }
      refused |= done < count;
      return done;
    }

    /** How many of the frames from {@code from} on need neither a filter nor finishing. */
    private int direct(NetEnd end, Frame[] batch, int from, int count) {
      if (isolated || !filters.isEmpty()) {
        return 0;
      }
      Offloads can = end.offloads();
      int at = from;
      while (at < count && can.take(batch[at])) {
        at++;
      }
      return at - from;
    }

    private int takeDirect(NetEnd end, Frame[] batch, int from, int count) {
      Frame[] part = batch;
      if (from > 0) {
        part = new Frame[count];
        System.arraycopy(batch, from, part, 0, count);
      }
      int taken = end.take(part, count);
      for (int i = 0; i < taken; i++) {
        count(part[i]);
      }
      return taken;
    }

    private void count(Frame frame) {
      frames++;
      bytes += frame.length();
    }

    private void filterAndDeliver(NetEnd end, Frame frame) {
      List<NetFilter> list = filters;
      if (direction == Direction.TX) {
        pass(end, frame, list, 0);
      } else {
        pass(end, frame, list, list.size() - 1);
      }
    }

    /** Shows the frame to the filters from {@code at} on, in this way's order, then to the end. */
    private void pass(NetEnd end, Frame frame, List<NetFilter> list, int at) {
      int step = direction == Direction.TX ? 1 : -1;
      for (int i = at; i >= 0 && i < list.size(); i += step) {
        NetFilter filter = list.get(i);
        if (!filter.isOn() || !filter.direction().includes(direction)) {
          continue;
        }
        if (!frame.isFinished() && !filter.takesUnfinished()) {
          int here = i;
          if (!segmenter.finish(frame, part -> pass(end, part, list, here))) {
            dropped++;
          }
          return;
        }
        if (!filter.pass(frame, direction)) {
          return;
        }
      }
      deliver(end, frame);
    }

    private void deliver(NetEnd end, Frame frame) {
      if (isolated && direction == Direction.RX || isBarred()) {
        dropped++;
      } else if (!end.offloads().take(frame)) {
        if (!segmenter.finish(frame, part -> offer(end, part))) {
          dropped++;
        }
      } else {
        offer(end, frame);
      }
    }

    private void offer(NetEnd end, Frame frame) {
      one[0] = frame;
      if (isOpen() && waiting.isEmpty() && end.take(one, 1) == 1) {
        count(frame);
      } else {
        waiting.add(frame.copy());
      }
    }

    /** Gives the end what waits; false where it does not take all of it. */
    private boolean flush(NetEnd end) {
      if (isBarred()) {
        clearWaiting();
      }
      while (!waiting.isEmpty()) {
        one[0] = waiting.peek();
        if (end.take(one, 1) == 0) {
          return false;
        }
        count(waiting.poll());
      }
      return true;
    }

    synchronized boolean inject(NetFilter filter, Frame frame) {
      NetEnd end = receiver();
      List<NetFilter> list = filters;
      int place = list.indexOf(filter);
      if (end == null || !up || place < 0 || waiting.size() >= MAX_INJECTED) {
        dropped++;
        return false;
      }
      pass(end, frame, list, direction == Direction.TX ? place + 1 : place - 1);
      return true;
    }

    /** The receiver has room: what waits goes first, then the sender is asked for more. */
    void ready(NetEnd sender) {
      boolean more;
      synchronized (this) {
        NetEnd end = receiver();
        more = isOpen() && (end == null || flush(end)) && refused;
        refused &= !more;
      }
      if (more && sender != null) {
        sender.resume();
      }
    }
  }
}
