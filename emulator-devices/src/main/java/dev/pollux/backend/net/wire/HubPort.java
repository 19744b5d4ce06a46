package dev.pollux.backend.net.wire;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;

/**
 * A port of a hub: {@code -netdev hubport}. What comes in at one port goes out at all others. At a
 * port is a card, or another network of the machine. A port holds some frames for a slow end and
 * drops more, as hubs do.
 */
public final class HubPort extends NetBackend {
  /** Frames that wait at a port. */
  private static final int MOST = 256;

  /** The hubs of a machine by number. */
  public static final class Hubs {
    private final Map<Long, List<HubPort>> ports = new ConcurrentHashMap<>();

    private List<HubPort> of(long hub) {
      return ports.computeIfAbsent(hub, _ -> new CopyOnWriteArrayList<>());
    }
  }

  private final long number;
  private final List<HubPort> hub;

  /** The network at this port, which takes the port for its card. */
  private final Optional<NetBackend> network;

  private final LongAdder tooMany = drops().counter("too many wait at this port");

  // Guarded by waiting.
  private final ArrayDeque<Frame> waiting = new ArrayDeque<>();
  private final Frame[] one = new Frame[1];

  /**
   * @param network what is at this port; empty for a card
   */
  @SuppressWarnings("this-escape") // the hub's other ports know it when it is whole
  HubPort(String id, Hubs hubs, long number, Optional<NetBackend> network) {
    super(id);
    this.number = number;
    this.network = network;
    network.ifPresent(backend -> backend.link().attachCard(new Inside()));
    hub = hubs.of(number);
    hub.add(this);
  }

  @Override
  public String type() {
    return "hubport";
  }

  @Override
  public String describe() {
    return "hub=" + number + network.map(backend -> ",netdev=" + backend.id()).orElse("");
  }

  @Override
  public Offloads offloads() {
    return Offloads.NONE;
  }

  @Override
  public int take(Frame[] frames, int count) {
    for (HubPort port : hub) {
      if (!port.equals(this)) {
        port.send(frames, count);
      }
    }
    return count;
  }

  /** The port as the network at it sees it. */
  private final class Inside implements NetEnd {
    @Override
    public int take(Frame[] frames, int count) {
      return HubPort.this.take(frames, count);
    }

    @Override
    public void resume() {
      HubPort.this.resume();
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  private void send(Frame[] frames, int count) {
    synchronized (waiting) {
      for (int i = 0; i < count; i++) {
        if (!waiting.isEmpty() || !offer(frames[i])) {
          if (waiting.size() < MOST) {
            waiting.add(frames[i].copy());
          } else {
            tooMany.increment();
          }
        }
      }
    }
  }

  private boolean offer(Frame frame) {
    one[0] = frame;
    NetLink to = network.map(NetBackend::link).orElse(link());
    return (network.isPresent() ? to.fromCard(one, 1) : to.fromBackend(one, 1)) == 1;
  }

  @Override
  public void resume() {
    synchronized (waiting) {
      while (!waiting.isEmpty() && offer(waiting.peek())) {
        waiting.remove();
      }
    }
  }

  @Override
  public void close() {
    hub.remove(this);
    unplug();
    network.ifPresent(backend -> backend.link().attachCard(null));
  }
}
