package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.Packet;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * UDP between guests and the host's network: a socket for each port that a guest sends from, and
 * one for each forwarded port. A socket takes only datagrams of addresses to which its guest has
 * sent. Guarded by the network's lock.
 */
final class UdpRelay {
  private static final Logger log = LoggerFactory.getLogger(UdpRelay.class);
  private static final int MAX_FLOWS = 4096;
  private static final int MAX_PEERS = 256;
  private static final int READS_AT_ONCE = 64;
  private static final long IDLE = TimeUnit.SECONDS.toNanos(240);
  private static final long IDLE_DNS = TimeUnit.SECONDS.toNanos(10);
  private static final int DNS_PORT = 53;

  private record Key(Ip guest, int port) {}

  private record Peer(Ip address, int port) {}

  private final Reactor reactor;
  private final UdpOutput output;
  private final AddressMap addresses;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(65536);

  /** Least recently used first. */
  private final Map<Key, Flow> flows = new LinkedHashMap<>(16, 0.75f, true);

  private final Map<HostForward, Flow> forwards = new LinkedHashMap<>();
  private final LongAdder fromStrangers;
  private final LongAdder noRoom;

  UdpRelay(Reactor reactor, UdpOutput output, AddressMap addresses, Drops drops) {
    this.reactor = reactor;
    this.output = output;
    this.addresses = addresses;
    fromStrangers = drops.counter("datagrams of strangers");
    noRoom = drops.counter("the host has no room");
  }

  /** Why a datagram did not leave. */
  enum Outcome {
    SENT,
    MALFORMED,
    PROHIBITED,
    UNREACHABLE
  }

  /** Sends a guest's datagram, whose packet has been looked at. */
  Outcome send(ByteBuffer data, Packet packet, Ip source, Ip target) {
    int at = packet.transport();
    int length = data.getShort(at + 4) & 0xffff;
    if (length < UdpOutput.HEADER || length > packet.end() - at) {
      return Outcome.MALFORMED;
    }
    int targetPort = data.getShort(at + 2) & 0xffff;
    Key key = new Key(source, data.getShort(at) & 0xffff);
    Flow flow = flows.get(key);
    Peer peer = new Peer(target, targetPort);
    InetSocketAddress to = flow == null ? null : flow.known(peer);
    if (to == null) {
      Optional<InetSocketAddress> allowed = addresses.toHost(target, targetPort);
      if (allowed.isEmpty()) {
        return Outcome.PROHIBITED;
      }
      to = allowed.get();
      if (flow == null || !flow.reaches(to)) {
        flow = open(key, to);
      }
      if (flow == null) {
        return Outcome.UNREACHABLE;
      }
      flow.learn(peer, to);
    }
    return flow.send(data, at + UdpOutput.HEADER, at + length, to);
  }

  private Flow open(Key key, InetSocketAddress to) {
    Flow old = flows.remove(key);
    if (old != null) {
      old.close();
    }
    if (flows.size() >= MAX_FLOWS) {
      dropEldest();
    }
    try {
      Flow flow = new Flow(key, Ip.of(to.getAddress()).isIpv4(), null);
      flows.put(key, flow);
      return flow;
    } catch (IOException e) {
      log.debug("no UDP socket for {}: {}", to, e.getMessage());
      return null;
    }
  }

  private void dropEldest() {
    Iterator<Flow> eldest = flows.values().iterator();
    while (eldest.hasNext()) {
      Flow flow = eldest.next();
      if (!flow.forwarded) {
        flow.close();
        eldest.remove();
        return;
      }
    }
  }

  /**
   * Forwards a port of the host.
   *
   * @throws IOException if the host does not give the port
   */
  void listen(HostForward forward, Ip guest) throws IOException {
    Key key = new Key(guest, forward.guestPort());
    boolean four = Ip.of(forward.host().getAddress()).isIpv4();
    Flow flow = new Flow(key, four, forward.host());
    Flow old = flows.put(key, flow);
    if (old != null) {
      old.close();
    }
    forwards.put(forward, flow);
  }

  /** Ends forwarding; false where that was none. */
  boolean unlisten(HostForward forward) {
    for (HostForward known : List.copyOf(forwards.keySet())) {
      if (known.sameHost(forward)) {
        Flow flow = forwards.remove(known);
        flows.remove(flow.key, flow);
        flow.close();
        return true;
      }
    }
    return false;
  }

  /** Closes sockets that nobody has used for long. */
  void expire(long now) {
    Iterator<Flow> eldest = flows.values().iterator();
    while (eldest.hasNext()) {
      Flow flow = eldest.next();
      if (flow.isExpired(now)) {
        flow.close();
        eldest.remove();
      }
    }
  }

  void close() {
    flows.values().forEach(Flow::close);
    forwards.values().forEach(Flow::close);
    flows.clear();
    forwards.clear();
  }

  int count() {
    return flows.size();
  }

  /** A line for each socket, as {@code info usernet} shows it. */
  List<String> describe() {
    List<String> lines = new ArrayList<>();
    flows.forEach(
        (key, flow) ->
            lines.add(
                "  UDP[%s] %s port %d, %d peers"
                    .formatted(
                        flow.forwarded ? "HOST_FORWARD" : "", key.guest, key.port, flow.peers())));
    return lines;
  }

  /** One socket. */
  private final class Flow implements Reactor.Handler {
    private final Key key;
    private final boolean forwarded;
    private final boolean four;
    private final DatagramChannel channel;
    private long used = System.nanoTime();
    private boolean onlyDns = true;

    /** The host's address of each peer that the guest knows. */
    private final Map<Peer, InetSocketAddress> byGuest = limited();

    /** How the guest sees an address of the host's side. */
    private final Map<Ip, Ip> byHost = limited();

    Flow(Key key, boolean four, InetSocketAddress bind) throws IOException {
      this.key = key;
      this.four = four;
      this.forwarded = bind != null;
      channel =
          DatagramChannel.open(four ? StandardProtocolFamily.INET : StandardProtocolFamily.INET6);
      try {
        channel.configureBlocking(false);
        if (bind != null) {
          channel.bind(bind);
        }
        reactor.register(channel, SelectionKey.OP_READ, this);
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
    }

    private static <K, V> Map<K, V> limited() {
      return new LinkedHashMap<>(8, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
          return size() > MAX_PEERS;
        }
      };
    }

    boolean reaches(InetSocketAddress to) {
      return Ip.of(to.getAddress()).isIpv4() == four;
    }

    InetSocketAddress known(Peer peer) {
      return byGuest.get(peer);
    }

    void learn(Peer peer, InetSocketAddress to) {
      byGuest.put(peer, to);
      byHost.put(Ip.of(to.getAddress()), peer.address());
      onlyDns &= peer.port() == DNS_PORT;
    }

    int peers() {
      return byGuest.size();
    }

    Outcome send(ByteBuffer data, int from, int to, InetSocketAddress target) {
      used = System.nanoTime();
      int position = data.position();
      int limit = data.limit();
      try {
        if (channel.send(data.limit(to).position(from), target) == 0 && to > from) {
          noRoom.increment();
          return Outcome.SENT;
        }
        return Outcome.SENT;
      } catch (IOException e) {
        return Outcome.UNREACHABLE;
      } finally {
        data.limit(limit).position(position);
      }
    }

    @Override
    public void ready(SelectionKey selection) {
      for (int i = 0; i < READS_AT_ONCE; i++) {
        try {
          InetSocketAddress from = (InetSocketAddress) channel.receive(buffer.clear());
          if (from == null) {
            return;
          }
          deliver(from);
        } catch (IOException e) {
          return; // an ICMP error of an earlier datagram, which is nobody's reply
        }
      }
    }

    private void deliver(InetSocketAddress from) {
      Ip peer = Ip.of(from.getAddress());
      Ip seen = byHost.get(peer);
      if (seen == null && forwarded) {
        seen = addresses.toGuest(from.getAddress(), key.guest().isIpv4()).orElse(null);
        if (seen != null) {
          byHost.put(peer, seen);
        }
      }
      if (seen == null) {
        fromStrangers.increment();
        return;
      }
      if (forwarded) {
        byGuest.put(new Peer(seen, from.getPort()), from);
      }
      used = System.nanoTime();
      output.send(seen, from.getPort(), key.guest(), key.port(), buffer.flip());
    }

    boolean isExpired(long now) {
      return !forwarded && now - used > (onlyDns ? IDLE_DNS : IDLE);
    }

    void close() {
      try {
        channel.close();
        reactor.wakeUp();
      } catch (IOException e) {
        // It is gone all the same.
      }
    }
  }
}
