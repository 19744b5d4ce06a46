package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All TCP connections of a network, and the host's ports that lead into it. */
final class TcpRelay {
  private static final Logger log = LoggerFactory.getLogger(TcpRelay.class);
  private static final int MAX_CONNECTIONS = 16384;
  private static final int ACCEPTS_AT_ONCE = 64;
  private static final int BACKLOG = 1024;
  private static final long MEMORY = 256L << 20;
  private static final int CHECKSUM = 16;
  private static final int FIRST_PORT = 49152;

  /** After a late acknowledgement more are expected, and nobody has to be woken for them. */
  private static final long LATE_WATCH = TimeUnit.MILLISECONDS.toNanos(20);

  /** What a host's stream tells its connection; the network's lock is held. */
  interface Events {
    void connected(boolean success);

    void readable();

    void writable();
  }

  private final Reactor reactor;
  private final IpOutput output;
  private final AddressMap addresses;
  private final UserConfig config;
  private final Neighbours neighbours;
  private final SecureRandom random = new SecureRandom();
  private final MemoryBudget budget = new MemoryBudget(MEMORY);
  private final Map<TcpKey, TcpConnection> connections = new HashMap<>();
  private final Map<HostForward, ServerSocketChannel> forwards = new LinkedHashMap<>();
  private final Set<TcpConnection> touched = new LinkedHashSet<>();
  private final Set<TcpConnection> starved = new LinkedHashSet<>();
  private final TcpSegment segment = new TcpSegment();

  /** Connections whose guests are acknowledged a little later. */
  private final Set<TcpConnection> late = new LinkedHashSet<>();

  /** When one was entered last. */
  private long lateAt;

  /** The reactor looks at {@link #late} often. */
  private boolean watchesLate;

  private int nextPort = FIRST_PORT;
  private long now;

  /** Asks a guest for its hardware address. */
  interface Neighbours {
    void ask(Ip guest);
  }

  TcpRelay(
      Reactor reactor,
      IpOutput output,
      AddressMap addresses,
      UserConfig config,
      Neighbours neighbours) {
    this.reactor = reactor;
    this.output = output;
    this.addresses = addresses;
    this.config = config;
    this.neighbours = neighbours;
  }

  /** Tells the time that everything until the next call happens at. */
  void setTime(long nanos) {
    now = nanos;
  }

  MemoryBudget budget() {
    return budget;
  }

  int count() {
    return connections.size();
  }

  /** A guest's segment. */
  void receive(ByteBuffer data, Packet packet, Ip source, Ip target) {
    int at = packet.transport();
    TcpKey key =
        new TcpKey(source, data.getShort(at) & 0xffff, target, data.getShort(at + 2) & 0xffff);
    segment.parse(data, packet);
    TcpConnection connection = connections.get(key);
    boolean opening = segment.has(TcpSegment.SYN) && !segment.has(TcpSegment.ACK);
    if (connection != null && connection.state() == TcpConnection.State.TIME_WAIT && opening) {
      connection.close(false);
      connection = null;
    }
    if (connection != null) {
      connection.receive(segment, now);
      touched.add(connection);
    } else if (opening && !segment.has(TcpSegment.RST)) {
      open(key);
    } else {
      refuse(key);
    }
  }

  /** Answers a segment of a connection that is not known (RFC 9293, 3.10.7.1). */
  private void refuse(TcpKey key) {
    if (segment.has(TcpSegment.RST)) {
      return;
    }
    if (segment.has(TcpSegment.ACK)) {
      sendReset(key, segment.acknowledged, 0, false);
    } else {
      sendReset(key, 0, segment.sequence + segment.span(), true);
    }
  }

  private void open(TcpKey key) {
    Optional<GuestForward> program =
        config.guestForwards().stream()
            .filter(f -> f.server().equals(key.peer()) && f.port() == key.peerPort())
            .findFirst();
    Optional<InetSocketAddress> to =
        program.isPresent() ? Optional.empty() : addresses.toHost(key.peer(), key.peerPort());
    if (connections.size() >= MAX_CONNECTIONS || program.isEmpty() && to.isEmpty()) {
      refuse(key);
      return;
    }
    TcpConnection connection = new TcpConnection(this, key, random.nextInt());
    try {
      if (program.isPresent()) {
        Events events = new Wake(connection);
        connection.calledBy(segment, new ProgramStream(reactor, program.get().command(), events));
        connections.put(key, connection);
        connection.connected(true, now);
      } else {
        SocketStream stream = SocketStream.connect(reactor, to.get());
        stream.setEvents(new Wake(connection));
        connection.calledBy(segment, stream);
        connections.put(key, connection);
        if (stream.isConnected()) {
          connection.connected(true, now);
        }
      }
    } catch (IOException | RuntimeException e) {
      // RuntimeException: NIO's own for addresses that the host has no route or family for.
      log.debug("no connection for {}: {}", key, e.getMessage());
      connections.remove(key);
      refuse(key);
    }
  }

  /** Lets a connection go on when its stream says so. */
  private final class Wake implements Events {
    private final TcpConnection connection;

    Wake(TcpConnection connection) {
      this.connection = connection;
    }

    @Override
    public void connected(boolean success) {
      connection.connected(success, now);
    }

    @Override
    public void readable() {
      connection.readable(now);
      connection.settle(now);
    }

    @Override
    public void writable() {
      connection.writable(now);
      connection.settle(now);
    }
  }

  /**
   * Forwards a port of the host.
   *
   * @throws IOException if the host does not give the port
   */
  void listen(HostForward forward, Ip guest) throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open();
    try {
      server.configureBlocking(false);
      server.bind(forward.host(), BACKLOG);
      reactor.register(
          server, SelectionKey.OP_ACCEPT, key -> accept(server, guest, forward.guestPort()));
      forwards.put(forward, server);
    } catch (IOException | RuntimeException e) {
      server.close();
      throw e;
    }
  }

  /** Ends forwarding; false where that was none. Connections that exist go on. */
  boolean unlisten(HostForward forward) throws IOException {
    for (HostForward known : List.copyOf(forwards.keySet())) {
      if (known.sameHost(forward)) {
        forwards.remove(known).close();
        reactor.wakeUp();
        return true;
      }
    }
    return false;
  }

  private void accept(ServerSocketChannel server, Ip guest, int port) {
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
      try {
        SocketChannel channel = server.accept();
        if (channel == null) {
          return;
        }
        call(channel, guest, port);
      } catch (IOException e) {
        log.debug("a forwarded connection failed: {}", e.getMessage());
        return;
      }
    }
  }

  private void call(SocketChannel channel, Ip guest, int port) throws IOException {
    InetSocketAddress from = (InetSocketAddress) channel.getRemoteAddress();
    Optional<Ip> peer = addresses.toGuest(from.getAddress(), guest.isIpv4());
    Optional<TcpKey> key = peer.flatMap(p -> freeKey(guest, port, p, from.getPort()));
    if (key.isEmpty() || connections.size() >= MAX_CONNECTIONS) {
      channel.close();
      return;
    }
    TcpConnection connection = new TcpConnection(this, key.get(), random.nextInt());
    SocketStream stream = new SocketStream(reactor, channel);
    stream.setEvents(new Wake(connection));
    connections.put(key.get(), connection);
    connection.call(stream, now);
    if (!output.knows(guest)) {
      neighbours.ask(guest);
    }
  }

  /** The connection's ends; the caller's own port where it is free. */
  private Optional<TcpKey> freeKey(Ip guest, int port, Ip peer, int preferred) {
    TcpKey key = new TcpKey(guest, port, peer, preferred);
    for (int i = 0; connections.containsKey(key); i++) {
      if (i > 0xffff - FIRST_PORT) {
        return Optional.empty();
      }
      nextPort = nextPort == 0xffff ? FIRST_PORT : nextPort + 1;
      key = new TcpKey(guest, port, peer, nextPort);
    }
    return Optional.of(key);
  }

  /** Sends again, and asks for the guest's hardware address where it is not known. */
  void unanswered(TcpConnection connection, Runnable again) {
    if (!output.knows(connection.key().guest())) {
      neighbours.ask(connection.key().guest());
    }
    again.run();
  }

  void forget(TcpConnection connection) {
    connections.remove(connection.key(), connection);
    starved.remove(connection);
    late.remove(connection);
  }

  /** Sends the acknowledgements that a batch of the guest's frames calls for. */
  void settle() {
    touched.forEach(connection -> connection.settle(now));
    touched.clear();
  }

  /** Calls {@link TcpConnection#acknowledgeLate} soon. */
  void acknowledgeLater(TcpConnection connection) {
    late.add(connection);
    lateAt = now;
    if (!watchesLate) {
      watchesLate = true;
      reactor.wakeUp();
    }
  }

  /**
   * Sends the acknowledgements that have waited long enough.
   *
   * @return nanoseconds until this wants to be called again
   */
  long acknowledgeLate() {
    late.removeIf(connection -> connection.acknowledgeLate(now));
    watchesLate = !late.isEmpty() || now - lateAt < LATE_WATCH;
    return watchesLate ? TcpConnection.ACK_DELAY : TcpConnection.NEVER;
  }

  /** Whether there is room for bulk data; if not, the connection is called when there is. */
  boolean hasRoom(TcpConnection connection) {
    if (output.hasRoom()) {
      return true;
    }
    starved.add(connection);
    return false;
  }

  /** There may be room again; returns whether anybody had waited for it. */
  boolean resumeStarved() {
    if (starved.isEmpty() || !output.hasRoom()) {
      return false;
    }
    List<TcpConnection> waiting = List.copyOf(starved);
    starved.clear();
    for (TcpConnection connection : waiting) {
      connection.roomToSend(now);
      connection.settle(now);
    }
    return true;
  }

  /** Bytes that one frame may carry: what fits a segment, or what the guest's card cuts itself. */
  int burst(TcpKey key, int segmentSize, int most) {
    boolean cuts =
        key.guest().isIpv4()
            ? output.link().cardOffloads().tcp4()
            : output.link().cardOffloads().tcp6();
    return cuts ? Math.max(most, segmentSize) : segmentSize;
  }

  /** Begins a segment; the payload goes behind a header of 20 bytes. */
  Frame begin(TcpKey key, int length) {
    return output.packet(key.peer(), key.guest(), Packet.TCP, TcpSegment.HEADER + length);
  }

  /**
   * The fields of a header that differ from segment to segment.
   *
   * @param window in the units of the window's scale
   * @param length bytes of the header, options and all
   */
  record Header(int flags, int sequence, int acknowledged, int window, int length) {
    void write(ByteBuffer out, int at, TcpKey key) {
      out.putShort(at, (short) key.peerPort()).putShort(at + 2, (short) key.guestPort());
      out.putInt(at + 4, sequence);
      out.putInt(at + 8, (flags & TcpSegment.ACK) != 0 ? acknowledged : 0);
      out.put(at + 12, (byte) (length / 4 << 4)).put(at + 13, (byte) flags);
      out.putShort(at + 14, (short) Math.min(window, 0xffff)).putInt(at + 16, 0);
    }
  }

  /** Writes the header and sends. */
  void finish(Frame frame, TcpKey key, Header header, int length, int segmentSize) {
    int at = IpOutput.headers(key.guest());
    header.write(frame.data(), at, key);
    if (length > segmentSize) {
      frame.segmented(
          key.guest().isIpv4() ? Frame.GSO_TCP4 : Frame.GSO_TCP6,
          at + header.length(),
          segmentSize);
    }
    output.send(frame, key.peer(), Packet.TCP, CHECKSUM);
  }

  /**
   * Sends a SYN with its options: the largest segment; unless it is -1, the window's scale; whether
   * selective acknowledgements are understood.
   */
  void sendSyn(
      TcpKey key,
      int flags,
      int sequence,
      int acknowledged,
      int window,
      int mss,
      int scale,
      boolean selective) {
    int length = TcpSegment.HEADER + 12;
    Frame frame = begin(key, length - TcpSegment.HEADER);
    ByteBuffer out = frame.data();
    int at = IpOutput.headers(key.guest());
    new Header(flags, sequence, acknowledged, window, length).write(out, at, key);
    out.putInt(at + 20, 0x0204_0000 | mss);
    out.putInt(at + 24, scale >= 0 ? 0x0103_0300 | scale : 0x0101_0101);
    out.putInt(at + 28, selective ? 0x0101_0402 : 0x0101_0101);
    output.send(frame, key.peer(), Packet.TCP, CHECKSUM);
  }

  void sendReset(TcpKey key, int sequence, int acknowledged, boolean withAck) {
    int flags = TcpSegment.RST | (withAck ? TcpSegment.ACK : 0);
    Header header = new Header(flags, sequence, acknowledged, 0, TcpSegment.HEADER);
    finish(begin(key, 0), key, header, 0, 1);
  }

  /** Does what is due; returns when the next thing is. */
  long expire() {
    List<TcpConnection> due = new ArrayList<>();
    long next = TcpConnection.NEVER;
    for (TcpConnection connection : connections.values()) {
      long deadline = connection.deadline();
      if (deadline <= now) {
        due.add(connection);
      } else {
        next = Math.min(next, deadline);
      }
    }
    for (TcpConnection connection : due) {
      connection.expire(now);
      connection.settle(now);
      next = Math.min(next, connection.deadline());
    }
    return next;
  }

  /** Timers stand still while the machine does. */
  void postpone(long nanos) {
    connections.values().forEach(connection -> connection.postpone(nanos));
  }

  /** A line for each connection and forwarded port, as {@code info usernet} shows them. */
  List<String> describe() {
    List<String> lines = new ArrayList<>();
    forwards
        .keySet()
        .forEach(f -> lines.add("  TCP[HOST_FORWARD] " + f.host() + " -> " + f.guestPort()));
    connections.values().forEach(c -> lines.add("  TCP[" + c.describe() + "]"));
    return lines;
  }

  void close() {
    for (TcpConnection connection : List.copyOf(connections.values())) {
      connection.close(true);
    }
    for (ServerSocketChannel server : forwards.values()) {
      try {
        server.close();
      } catch (IOException e) {
        // It is gone all the same.
      }
    }
    forwards.clear();
  }
}
