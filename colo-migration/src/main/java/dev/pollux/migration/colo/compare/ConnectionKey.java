package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/**
 * Which conversation a packet belongs to. Protocols without ports are one conversation each.
 *
 * @param vlan the tags in front of the network header, packed; 0 where there is none
 * @param sourceHigh the upper half of an IPv6 address, as the one that follows; 0 for IPv4
 * @param ports source and destination port; 0 in fragments, whose ports are elsewhere
 */
record ConnectionKey(
    long vlan,
    int protocol,
    long sourceHigh,
    long sourceLow,
    long destinationHigh,
    long destinationLow,
    int ports) {
  private static final int DCCP = 33;
  private static final int ESP = 50;
  private static final int AH = 51;
  private static final int SCTP = 132;
  private static final int UDP_LITE = 136;

  /** AH keeps the number that stands for its ports behind lengths. */
  private static final int AH_OFFSET = 4;

  /** The key of a packet that {@link Packet#parse} has found whole. */
  static ConnectionKey of(ByteBuffer data, Packet packet) {
    int at = portsOffset(packet.protocol());
    if (at < 0 || packet.end() - packet.transport() < at + Integer.BYTES) {
      return new ConnectionKey(vlan(data, packet), packet.protocol(), 0, 0, 0, 0, 0);
    }
    int ports = packet.isFragment() ? 0 : data.getInt(packet.transport() + at);
    int source = packet.addresses();
    if (packet.isIpv6()) {
      return new ConnectionKey(
          vlan(data, packet),
          packet.protocol(),
          data.getLong(source),
          data.getLong(source + 8),
          data.getLong(source + 16),
          data.getLong(source + 24),
          ports);
    }
    return new ConnectionKey(
        vlan(data, packet),
        packet.protocol(),
        0,
        data.getInt(source),
        0,
        data.getInt(source + 4),
        ports);
  }

  private static int portsOffset(int protocol) {
    return switch (protocol) {
      case Packet.TCP, Packet.UDP, DCCP, ESP, SCTP, UDP_LITE -> 0;
      case AH -> AH_OFFSET;
      default -> -1;
    };
  }

  /** The tags, 16 bits each; the first bytes of a tag are its type. */
  private static long vlan(ByteBuffer data, Packet packet) {
    long tags = 0;
    for (int at = data.position() + Packet.ETHERNET; at < packet.ip(); at += 4) {
      tags = tags << 16 | 0x1_0000_0000_0000L | data.getShort(at) & 0xffff;
    }
    return tags;
  }

  /** The key of what is said in the other direction. */
  ConnectionKey reversed() {
    return new ConnectionKey(
        vlan,
        protocol,
        destinationHigh,
        destinationLow,
        sourceHigh,
        sourceLow,
        Integer.rotateLeft(ports, 16));
  }
}
