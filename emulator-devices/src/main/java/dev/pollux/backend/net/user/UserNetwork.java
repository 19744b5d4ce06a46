package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.Offloads;
import dev.pollux.backend.net.Packet;
import dev.pollux.backend.net.user.UserConfig.Network;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The network of {@code -netdev user}: a router that knows guests on one side and the host's
 * sockets on the other.
 */
public final class UserNetwork extends NetBackend {
  private static final Path RESOLVER = Path.of("/etc/resolv.conf");
  private static final long ROUTER_MAC = 0x5255_0000_0000L;
  private static final long TIMER_STEP = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long TIMER_LATEST = TimeUnit.MILLISECONDS.toNanos(100);

  private final UserConfig config;
  private final ReentrantLock lock = new ReentrantLock();
  private final Outbox outbox;
  private final IpOutput output;
  private final UdpOutput udpOutput;
  private final AddressMap addresses;
  private final Reactor reactor;
  private final Pings pings;
  private final Arp arp;
  private final Icmp icmp;
  private final Optional<Ipv6Control> control;
  private final Optional<DhcpServer> dhcp;
  private final Optional<Dhcpv6Server> dhcpv6;
  private final Optional<TftpServer> tftp;
  private final UdpRelay udp;
  private final TcpRelay tcp;
  private final Fragments fragments = new Fragments(drops().counter("fragments"));
  private final Packet packet = new Packet();
  private final LongAdder malformed = drops().counter("malformed");
  private final LongAdder unknown = drops().counter("other protocols");
  private final LongAdder unreachable = drops().counter("unreachable");
  private final LongAdder prohibited = drops().counter("not allowed");
  private long stoppedAt;
  private long timersRunAt = System.nanoTime();
  private long nextTimer;
  private boolean running = true;

  private UserNetwork(String id, UserConfig config) throws IOException {
    super(id);
    this.config = config;
    outbox = new Outbox(link(), drops().counter("too many wait for the guest"));
    output = new IpOutput(outbox, link(), mac(config));
    Fragmenter fragmenter = new Fragmenter(output);
    udpOutput = new UdpOutput(output, fragmenter);
    addresses = new AddressMap(config, new NameServers(RESOLVER));
    reactor = new Reactor(id + " network", lock, this::setTime, this::runTimers, this::drain);
    pings = new Pings(this::pong);
    arp = new Arp(output, addresses);
    icmp = new Icmp(output, fragmenter, addresses, pings);
    control =
        config.v6().map(n -> new Ipv6Control(output, fragmenter, addresses, config, n, pings));
    dhcp = config.v4().map(n -> new DhcpServer(udpOutput, config, n));
    dhcpv6 = config.v6().map(this::dhcpv6);
    tftp = config.tftpRoot().map(root -> new TftpServer(udpOutput, root));
    udp = new UdpRelay(reactor, udpOutput, addresses, drops());
    tcp = new TcpRelay(reactor, output, addresses, config, this::ask);
  }

  /**
   * Makes the network that options describe.
   *
   * @throws ConfigException where they are wrong, or the host does not give a port
   */
  public static UserNetwork of(String id, DeviceOptions options) {
    UserConfig config = UserConfig.of(options);
    try {
      UserNetwork network = new UserNetwork(id, config);
      try {
        config.hostForwards().forEach(network::forward);
      } catch (ConfigException e) {
        network.close();
        throw e;
      }
      network.reactor.start();
      return network;
    } catch (IOException e) {
      throw new ConfigException("netdev %s: no sockets: %s".formatted(id, e.getMessage()), e);
    }
  }

  private static long mac(UserConfig config) {
    return ROUTER_MAC | config.v4().map(n -> n.host().v4() & 0xffff_ffffL).orElse(0x0a00_0202L);
  }

  private Dhcpv6Server dhcpv6(Network network) {
    return new Dhcpv6Server(
        udpOutput, config, network, control.orElseThrow().linkLocal(), output.mac());
  }

  /** Reads a hardware address of a packet. */
  static long mac(ByteBuffer data, int at) {
    return (data.getShort(at) & 0xffffL) << 32 | data.getInt(at + 2) & 0xffff_ffffL;
  }

  @Override
  public String type() {
    return "user";
  }

  @Override
  public String describe() {
    String net = config.v4().map(n -> n.address().toString()).orElse("none");
    return "net=%s,restrict=%s".formatted(net, config.restricted() ? "on" : "off");
  }

  @Override
  public List<String> connections() {
    lock.lock();
    try {
      List<String> lines = new ArrayList<>(tcp.describe());
      lines.addAll(udp.describe());
      return lines;
    } finally {
      lock.unlock();
    }
  }

  /** Connections and sockets at present. */
  public int flows() {
    lock.lock();
    try {
      return tcp.count() + udp.count();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Adds a forwarded port, as {@code hostfwd_add} does.
   *
   * @param text a rule like {@code tcp:127.0.0.1:8080-:80}
   * @throws ConfigException if it is none, or the host does not give the port
   */
  public void addForward(String text) {
    forward(HostForward.parse(DeviceOptions.parse("hostfwd_add", text, "rule"), text));
  }

  private void forward(HostForward forward) {
    Ip guest = forward.guest().or(this::firstGuest).orElse(Ip.ANY4);
    lock.lock();
    try {
      if (forward.udp()) {
        udp.listen(forward, guest);
      } else {
        tcp.listen(forward, guest);
      }
    } catch (IOException e) {
      throw new ConfigException(
          "Could not set up host forwarding rule '%s:%s:%d': %s"
              .formatted(
                  forward.udp() ? "udp" : "tcp",
                  forward.host().getAddress().getHostAddress(),
                  forward.host().getPort(),
                  e.getMessage()),
          e);
    } finally {
      lock.unlock();
    }
  }

  private Optional<Ip> firstGuest() {
    return config.v4().or(config::v6).map(Network::firstGuest);
  }

  /**
   * Removes a forwarded port, as {@code hostfwd_remove} does.
   *
   * @param text its host part, like {@code tcp:127.0.0.1:8080}
   * @return whether there was one
   */
  public boolean removeForward(String text) {
    HostForward forward =
        HostForward.parse(DeviceOptions.parse("hostfwd_remove", text, "rule"), text + "-:1");
    lock.lock();
    try {
      return forward.udp() ? udp.unlisten(forward) : tcp.unlisten(forward);
    } catch (IOException e) {
      return true;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public Offloads offloads() {
    return Offloads.ALL;
  }

  @Override
  public int take(Frame[] frames, int count) {
    lock.lock();
    try {
      tcp.setTime(System.nanoTime());
      for (int i = 0; i < count; i++) {
        receive(frames[i].data(), frames[i].lacksChecksum());
      }
      tcp.settle();
    } finally {
      lock.unlock();
    }
    drain();
    return count;
  }

  private void receive(ByteBuffer data, boolean unfinished) {
    if (!packet.parse(data)) {
      malformed.increment();
      return;
    }
    switch (packet.type()) {
      case Packet.TYPE_ARP -> {
        if (config.v4().isPresent()) {
          arp.receive(data, packet.ip(), packet.end());
        }
      }
      case Packet.TYPE_IPV4, Packet.TYPE_IPV6 -> receiveIp(data, unfinished);
      default -> unknown.increment(); // no other network is known here
    }
  }

  private void receiveIp(ByteBuffer data, boolean unfinished) {
    int bytes = packet.addressLength();
    Ip source = Ip.read(data, packet.addresses(), bytes);
    Ip target = Ip.read(data, packet.addresses() + bytes, bytes);
    if (source.isMulticast() || (packet.isIpv6() ? config.v6() : config.v4()).isEmpty()) {
      malformed.increment();
      return;
    }
    if (packet.isFragment()) {
      if (!packet.isIpv6()) {
        Optional<ByteBuffer> whole = fragments.add(data, packet, source, target);
        whole.ifPresent(frame -> receive(frame, false));
      } else {
        unknown.increment();
      }
      return;
    }
    boolean checked = packet.protocol() == Packet.TCP || packet.protocol() == Packet.UDP;
    if (checked && !unfinished && !isIntact(data)) {
      malformed.increment();
      return;
    }
    output.learn(source, mac(data, data.position() + 6));
    if (goesNoFurther(data, target)) {
      expired(data, source, target);
      return;
    }
    switch (packet.protocol()) {
      case Packet.ICMP -> icmp.receive(data, packet, source, target);
      case Packet.ICMPV6 -> control.ifPresent(c -> c.receive(data, packet, source, target));
      case Packet.TCP -> tcp.receive(data, packet, source, target);
      case Packet.UDP -> receiveUdp(data, source, target);
      default -> unknown.increment(); // there are no sockets that an ordinary user gets
    }
  }

  /** Whether a packet for the world has no hop left beyond this router. */
  private boolean goesNoFurther(ByteBuffer data, Ip target) {
    int hops = data.get(packet.ip() + (packet.isIpv6() ? 7 : 8)) & 0xff;
    return hops <= 1 && addresses.isBeyond(target);
  }

  private void expired(ByteBuffer data, Ip source, Ip target) {
    unreachable.increment();
    if (source.isUnspecified() || isReport(data)) {
      return; // RFC 1122, 3.2.2; RFC 4443, 2.4
    }
    if (packet.isIpv6()) {
      control.ifPresent(c -> c.expired(data, packet, source));
    } else {
      icmp.expired(data, packet, source, target);
    }
  }

  /** Whether a packet reports on another one: no report is made on that. */
  private boolean isReport(ByteBuffer data) {
    int type = packet.transport() < packet.end() ? data.get(packet.transport()) & 0xff : 0;
    return switch (packet.protocol()) {
      case Packet.ICMP -> Icmp.isReport(type);
      case Packet.ICMPV6 -> Ipv6Control.isReport(type);
      default -> false;
    };
  }

  /** A UDP checksum of zero says that there is none. */
  private boolean isIntact(ByteBuffer data) {
    return packet.protocol() == Packet.UDP && data.getShort(packet.transport() + 6) == 0
        || packet.transportSum(data) == 0xffff;
  }

  private void receiveUdp(ByteBuffer data, Ip source, Ip target) {
    int at = packet.payload();
    int sourcePort = data.getShort(packet.transport()) & 0xffff;
    int port = data.getShort(packet.transport() + 2) & 0xffff;
    boolean six = packet.isIpv6();
    if (!six && port == DhcpServer.SERVER_PORT) {
      dhcp.ifPresent(server -> server.receive(data, at, packet.end()));
    } else if (six && port == Dhcpv6Server.SERVER_PORT) {
      dhcpv6.ifPresent(server -> server.receive(data, at, packet.end(), source));
    } else if (port == TftpServer.PORT && addresses.isRouter(target) && tftp.isPresent()) {
      tftp.get().receive(data, at, packet.end(), source, sourcePort, target);
    } else if (!target.isMulticast() && !target.equals(Ip.BROADCAST4)) {
      UdpRelay.Outcome outcome = udp.send(data, packet, source, target);
      switch (outcome) {
        case MALFORMED -> malformed.increment();
        case PROHIBITED, UNREACHABLE -> unreachable(outcome, data, source, target);
        case SENT -> {}
      }
    }
  }

  private void unreachable(UdpRelay.Outcome outcome, ByteBuffer data, Ip source, Ip target) {
    boolean refused = outcome == UdpRelay.Outcome.PROHIBITED;
    (refused ? prohibited : unreachable).increment();
    if (packet.isIpv6()) {
      int code = refused ? Ipv6Control.PROHIBITED : Ipv6Control.UNREACHABLE_ADDRESS;
      control.ifPresent(c -> c.unreachable(code, data, packet, source));
    } else {
      int code = refused ? Icmp.PROHIBITED : Icmp.UNREACHABLE_HOST;
      icmp.unreachable(code, data, packet, source, target);
    }
  }

  private void ask(Ip guest) {
    if (guest.isIpv4()) {
      arp.ask(guest);
    } else {
      control.ifPresent(c -> c.ask(guest));
    }
  }

  /** An echo reply from the world, on the thread of its socket. */
  private void pong(Pings.Answer answer) {
    lock.lock();
    try {
      ByteBuffer message = answer.message();
      int length = message.remaining();
      if (answer.guest().isIpv4()) {
        icmp.reply(message, 0, length, answer.target(), answer.guest());
      } else {
        control.ifPresent(c -> c.reply(message, 0, length, answer.target(), answer.guest()));
      }
    } finally {
      lock.unlock();
    }
    drain();
  }

  @Override
  public void resume() {
    drain();
  }

  /** Gives the link what waits, and lets connections make more as long as it takes all. */
  private void drain() {
    boolean more;
    do {
      outbox.drain();
      lock.lock();
      try {
        more = tcp.resumeStarved();
      } finally {
        lock.unlock();
      }
    } while (more);
  }

  private void setTime() {
    tcp.setTime(System.nanoTime());
  }

  /**
   * Runs timers, all of them at once every few milliseconds: there are thousands, and most are set
   * anew before they end. What is set meanwhile is not announced, so the wait is a short one.
   */
  private long runTimers() {
    long now = System.nanoTime();
    tcp.setTime(now);
    if (!running || tcp.count() + udp.count() == 0) {
      return Long.MAX_VALUE;
    }
    if (now - timersRunAt >= TIMER_STEP) {
      timersRunAt = now;
      udp.expire(now);
      nextTimer = tcp.expire();
    }
    return Math.min(tcp.acknowledgeLate(), Math.clamp(nextTimer - now, TIMER_STEP, TIMER_LATEST));
  }

  @Override
  public void setRunning(boolean runs) {
    lock.lock();
    try {
      if (runs && !running) {
        tcp.postpone(System.nanoTime() - stoppedAt);
      } else if (!runs && running) {
        stoppedAt = System.nanoTime();
      }
      running = runs;
    } finally {
      lock.unlock();
    }
    super.setRunning(runs);
    reactor.wakeUp();
  }

  /** Frames of guests that made no sense. */
  public long malformed() {
    return malformed.sum();
  }

  @Override
  public void close() {
    unplug();
    lock.lock();
    try {
      tcp.close();
      udp.close();
      tftp.ifPresent(TftpServer::close);
    } finally {
      lock.unlock();
    }
    pings.close();
    reactor.close();
  }
}
