package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import dev.pollux.backend.net.user.UserConfig.Network;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861): the router advertises its prefix and name
 * server, answers for its addresses and to echo requests.
 */
final class Ipv6Control {
  private static final int UNREACHABLE = 1;
  private static final int TIME_EXCEEDED = 3;
  private static final int ECHO = 128;
  private static final int ECHO_REPLY = 129;
  private static final int ROUTER_SOLICITATION = 133;
  private static final int ROUTER_ADVERTISEMENT = 134;
  private static final int NEIGHBOR_SOLICITATION = 135;
  private static final int NEIGHBOR_ADVERTISEMENT = 136;
  private static final int REDIRECT = 137;

  private static final int OPTION_SOURCE = 1;
  private static final int OPTION_TARGET = 2;
  private static final int OPTION_PREFIX = 3;
  private static final int OPTION_DNS = 25;
  private static final int OPTION_SEARCH = 31;
  private static final int LIFETIME_SECONDS = 1800;
  private static final int CHECKSUM = 2;
  private static final Ip ALL_NODES = new Ip(0xff02L << 48, 1);

  static final int NO_ROUTE = 0;
  static final int PROHIBITED = 1;
  static final int UNREACHABLE_ADDRESS = 3;
  static final int UNREACHABLE_PORT = 4;

  private final IpOutput output;
  private final Fragmenter fragmenter;
  private final AddressMap addresses;
  private final UserConfig config;
  private final Network network;
  private final Pings pings;
  private final Ip linkLocal;

  Ipv6Control(
      IpOutput output,
      Fragmenter fragmenter,
      AddressMap addresses,
      UserConfig config,
      Network network,
      Pings pings) {
    this.output = output;
    this.fragmenter = fragmenter;
    this.addresses = addresses;
    this.config = config;
    this.network = network;
    this.pings = pings;
    this.linkLocal = new Ip(0xfe80L << 48, network.host().low());
  }

  /** The router's address on the link itself. */
  Ip linkLocal() {
    return linkLocal;
  }

  void receive(ByteBuffer data, Packet packet, Ip source, Ip target) {
    int at = packet.transport();
    int length = packet.end() - at;
    if (length < 8) {
      return;
    }
    switch (data.get(at) & 0xff) {
      case ECHO -> echo(data, packet, source, target);
      case ROUTER_SOLICITATION -> advertise();
      case NEIGHBOR_SOLICITATION -> solicited(data, at, length, source);
      default -> {
        // Nothing that a router without state would act upon.
      }
    }
  }

  private void echo(ByteBuffer data, Packet packet, Ip source, Ip target) {
    int at = packet.transport();
    int length = packet.end() - at;
    if (addresses.isRouter(target) || target.equals(linkLocal) || target.equals(ALL_NODES)) {
      reply(data, at, length, target.isMulticast() ? linkLocal : target, source);
    } else if (addresses.toHost(target, 1).isEmpty()) {
      unreachable(PROHIBITED, data, packet, source);
    } else if (!pings.send(source, target, data, at, length)) {
      unreachable(NO_ROUTE, data, packet, source);
    }
  }

  /** Sends an echo reply with the request's identifier, number and data. */
  void reply(ByteBuffer data, int at, int length, Ip source, Ip target) {
    if (length > Fragmenter.room(source)) {
      ByteBuffer whole = ByteBuffer.allocate(length).put(0, data, at, length);
      whole.putShort(0, (short) (ECHO_REPLY << 8)).putShort(CHECKSUM, (short) 0);
      int sum = Fragmenter.checksum(source, target, Packet.ICMPV6, whole, length);
      fragmenter.send(source, target, Packet.ICMPV6, whole.putShort(CHECKSUM, (short) sum), length);
      return;
    }
    Frame frame = output.packet(source, target, Packet.ICMPV6, length);
    frame.data().put(IpOutput.V6_HEADERS, data, at, length);
    frame.data().putShort(IpOutput.V6_HEADERS, (short) (ECHO_REPLY << 8));
    output.send(frame, source, Packet.ICMPV6, CHECKSUM);
  }

  /** Tells every guest the prefix and the name server (RFC 4861, 4.2; RFC 8106). */
  void advertise() {
    byte[] search = searchList(config.searchDomains());
    int length = 16 + 32 + 8 + 24 + search.length;
    Frame frame = output.packet(linkLocal, ALL_NODES, Packet.ICMPV6, length);
    ByteBuffer out = frame.data();
    int at = IpOutput.V6_HEADERS;
    // Hop limit 64; the flag says that DHCPv6 knows more, but no addresses.
    out.putInt(at, ROUTER_ADVERTISEMENT << 24).putInt(at + 4, 64 << 24 | 0x40 << 16);
    out.putShort(at + 6, (short) LIFETIME_SECONDS).putLong(at + 8, 0);
    at += 16;
    out.put(at, (byte) OPTION_PREFIX).put(at + 1, (byte) 4);
    out.put(at + 2, (byte) network.prefix()).put(at + 3, (byte) 0xc0);
    out.putInt(at + 4, 86400).putInt(at + 8, 14400).putInt(at + 12, 0);
    network.address().write(out, at + 16);
    at += 32;
    at = hardware(out, at, OPTION_SOURCE);
    out.put(at, (byte) OPTION_DNS).put(at + 1, (byte) 3).putShort(at + 2, (short) 0);
    out.putInt(at + 4, LIFETIME_SECONDS);
    network.dns().write(out, at + 8);
    out.put(at + 24, search);
    output.send(frame, linkLocal, Packet.ICMPV6, CHECKSUM);
  }

  /** The option with the search domains, padded to 8 bytes (RFC 8106, 5.2). */
  private static byte[] searchList(List<String> domains) {
    if (domains.isEmpty()) {
      return new byte[0];
    }
    byte[] names = DnsNames.encode(domains, 200);
    int words = (8 + names.length + 7) / 8;
    ByteBuffer option = ByteBuffer.allocate(words * 8);
    option.put((byte) OPTION_SEARCH).put((byte) words).putShort((short) 0);
    option.putInt(LIFETIME_SECONDS).put(names);
    return option.array();
  }

  private int hardware(ByteBuffer out, int at, int option) {
    out.put(at, (byte) option).put(at + 1, (byte) 1);
    out.putShort(at + 2, (short) (output.mac() >>> 32)).putInt(at + 4, (int) output.mac());
    return at + 8;
  }

  private void solicited(ByteBuffer data, int at, int length, Ip source) {
    if (length < 24) {
      return;
    }
    Ip wanted = Ip.read(data, at + 8, 16);
    if (!addresses.isRouter(wanted) && !wanted.equals(linkLocal)) {
      return;
    }
    // A guest that looks whether its own address is free asks without one.
    Ip target = source.isUnspecified() ? ALL_NODES : source;
    Frame frame = output.packet(wanted, target, Packet.ICMPV6, 24 + 8);
    ByteBuffer out = frame.data();
    int start = IpOutput.V6_HEADERS;
    out.putInt(start, NEIGHBOR_ADVERTISEMENT << 24);
    out.putInt(start + 4, source.isUnspecified() ? 0xa000_0000 : 0xe000_0000);
    wanted.write(out, start + 8);
    hardware(out, start + 24, OPTION_TARGET);
    output.send(frame, wanted, Packet.ICMPV6, CHECKSUM);
  }

  /** Asks the guest with this address to tell its hardware address. */
  void ask(Ip guest) {
    Ip group = new Ip(0xff02L << 48, 0x1_ff00_0000L | guest.low() & 0xff_ffff);
    Frame frame = output.packet(linkLocal, group, Packet.ICMPV6, 24 + 8);
    ByteBuffer out = frame.data();
    int start = IpOutput.V6_HEADERS;
    out.putInt(start, NEIGHBOR_SOLICITATION << 24).putInt(start + 4, 0);
    guest.write(out, start + 8);
    hardware(out, start + 24, OPTION_SOURCE);
    output.send(frame, linkLocal, Packet.ICMPV6, CHECKSUM);
  }

  /** Whether a message of this type is about a packet (RFC 4443, 2.1 and 2.4). */
  static boolean isReport(int type) {
    return type < ECHO || type == REDIRECT;
  }

  /** Tells a guest that its packet went nowhere (RFC 4443, 3.1). */
  void unreachable(int code, ByteBuffer data, Packet packet, Ip source) {
    report(UNREACHABLE, code, data, packet, source);
  }

  /** Tells a guest that its packet was allowed no further than to this router (3.3). */
  void expired(ByteBuffer data, Packet packet, Ip source) {
    report(TIME_EXCEEDED, 0, data, packet, source);
  }

  private void report(int type, int code, ByteBuffer data, Packet packet, Ip source) {
    int quoted = Math.min(packet.end() - packet.ip(), 1232);
    Frame frame = output.packet(network.host(), source, Packet.ICMPV6, 8 + quoted);
    ByteBuffer out = frame.data();
    int at = IpOutput.V6_HEADERS;
    out.putInt(at, type << 24 | code << 16).putInt(at + 4, 0);
    out.put(at + 8, data, packet.ip(), quoted);
    output.send(frame, network.host(), Packet.ICMPV6, CHECKSUM);
  }
}
