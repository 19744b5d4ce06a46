package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/** ICMP of IPv4 (RFC 792): answers echo requests and reports what cannot be reached. */
final class Icmp {
  static final int UNREACHABLE_NET = 0;
  static final int UNREACHABLE_HOST = 1;
  static final int UNREACHABLE_PORT = 3;
  static final int PROHIBITED = 13;

  private static final int ECHO_REPLY = 0;
  private static final int UNREACHABLE = 3;
  private static final int REDIRECT = 5;
  private static final int ECHO = 8;
  private static final int TIME_EXCEEDED = 11;
  private static final int PARAMETER = 12;
  private static final int HEADER = 8;

  private final IpOutput output;
  private final Fragmenter fragmenter;
  private final AddressMap addresses;
  private final Pings pings;

  Icmp(IpOutput output, Fragmenter fragmenter, AddressMap addresses, Pings pings) {
    this.output = output;
    this.fragmenter = fragmenter;
    this.addresses = addresses;
    this.pings = pings;
  }

  /** Whether a message of this type is about a packet: unreachable, quench, redirect and so on. */
  static boolean isReport(int type) {
    return type >= UNREACHABLE && type <= REDIRECT || type == TIME_EXCEEDED || type == PARAMETER;
  }

  void receive(ByteBuffer data, Packet packet, Ip source, Ip target) {
    int at = packet.transport();
    int length = packet.end() - at;
    if (length < HEADER || data.get(at) != ECHO) {
      return;
    }
    if (addresses.isRouter(target)) {
      reply(data, at, length, /* source= */ target, /* target= */ source);
    } else if (addresses.toHost(target, 1).isEmpty()) {
      unreachable(PROHIBITED, data, packet, source, target);
    } else if (!pings.send(source, target, data, at, length)) {
      unreachable(UNREACHABLE_NET, data, packet, source, target);
    }
  }

  /** Sends an echo reply with the request's identifier, number and data. */
  void reply(ByteBuffer data, int at, int length, Ip source, Ip target) {
    if (length > Fragmenter.room(source)) {
      ByteBuffer whole = ByteBuffer.allocate(length).put(0, data, at, length);
      whole.putShort(0, (short) (ECHO_REPLY << 8)).putShort(2, (short) 0);
      whole.putShort(2, (short) Checksum.of(whole, 0, length));
      fragmenter.send(source, target, Packet.ICMP, whole, length);
      return;
    }
    Frame frame = output.packet(source, target, Packet.ICMP, length);
    frame.data().put(IpOutput.V4_HEADERS, data, at, length);
    frame.data().putShort(IpOutput.V4_HEADERS, (short) (ECHO_REPLY << 8));
    output.sendIcmp(frame);
  }

  /** Tells a guest that its packet went nowhere. */
  void unreachable(int code, ByteBuffer data, Packet packet, Ip source, Ip target) {
    report(UNREACHABLE, code, data, packet, source, target);
  }

  /** Tells a guest that its packet was allowed no further than to this router. */
  void expired(ByteBuffer data, Packet packet, Ip source, Ip target) {
    report(TIME_EXCEEDED, 0, data, packet, source, target);
  }

  /** Reports with the packet's beginning (RFC 1122, 3.2.2). */
  private void report(int type, int code, ByteBuffer data, Packet packet, Ip source, Ip target) {
    if (target.equals(Ip.BROADCAST4) || target.isMulticast()) {
      return;
    }
    int quoted = Math.min(packet.end() - packet.ip(), packet.transport() - packet.ip() + 8);
    Ip router = addresses.router(true).orElse(target);
    Frame frame = output.packet(router, source, Packet.ICMP, HEADER + quoted);
    ByteBuffer out = frame.data();
    int at = IpOutput.V4_HEADERS;
    out.put(at, (byte) type).put(at + 1, (byte) code).putInt(at + 4, 0);
    out.put(at + HEADER, data, packet.ip(), quoted);
    output.sendIcmp(frame);
  }
}
