package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Makes the router's packets: Ethernet and IP headers, checksums. Knows which guest has which
 * hardware address. Guarded by the network's lock.
 */
final class IpOutput {
  static final int V4_HEADERS = Packet.ETHERNET + 20;
  static final int V6_HEADERS = Packet.ETHERNET + 40;
  static final long BROADCAST_MAC = 0xffff_ffff_ffffL;

  private static final int HOP_LIMIT = 64;
  private static final int MAX_NEIGHBORS = 512;

  private final Outbox outbox;
  private final NetLink link;
  private final long mac;
  private int identification;

  private final Map<Ip, Long> neighbors =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Ip, Long> eldest) {
          return size() > MAX_NEIGHBORS;
        }
      };

  /**
   * @param mac the router's own hardware address
   */
  IpOutput(Outbox outbox, NetLink link, long mac) {
    this.outbox = outbox;
    this.link = link;
    this.mac = mac;
  }

  long mac() {
    return mac;
  }

  /** Remembers who has an address. */
  void learn(Ip address, long hardware) {
    if (!address.isUnspecified() && !address.isMulticast()) {
      neighbors.put(address, hardware);
    }
  }

  boolean knows(Ip address) {
    return neighbors.containsKey(address);
  }

  /** Bytes in front of the transport header. */
  static int headers(Ip address) {
    return address.isIpv4() ? V4_HEADERS : V6_HEADERS;
  }

  /**
   * Begins a packet to a guest: the transport header goes to {@link #headers} of the buffer.
   *
   * @param length bytes of transport header and payload
   */
  Frame packet(Ip source, Ip target, int protocol, int length) {
    Long hardware = neighbors.get(target);
    return packet(
        hardware == null ? multicastMac(target) : hardware, source, target, protocol, length);
  }

  /** Unknown neighbours get what everybody hears. */
  private static long multicastMac(Ip target) {
    return target.isIpv4() || !target.isMulticast()
        ? BROADCAST_MAC
        : 0x3333_0000_0000L | target.low() & 0xffff_ffffL;
  }

  /** Begins a packet to a hardware address. */
  Frame packet(long hardware, Ip source, Ip target, int protocol, int length) {
    boolean four = source.isIpv4();
    int headers = headers(source);
    Frame frame = outbox.take(headers + length);
    ByteBuffer data = frame.data();
    ethernet(data, hardware, four ? Packet.TYPE_IPV4 : Packet.TYPE_IPV6);
    int ip = Packet.ETHERNET;
    if (four) {
      data.put(ip, (byte) 0x45).put(ip + 1, (byte) 0);
      data.putShort(ip + 2, (short) (20 + length));
      data.putShort(ip + 4, (short) identification++).putShort(ip + 6, (short) 0);
      data.put(ip + 8, (byte) HOP_LIMIT).put(ip + 9, (byte) protocol);
      data.putShort(ip + 10, (short) 0);
      source.write(data, ip + 12);
      target.write(data, ip + 16);
      data.putShort(ip + 10, (short) Checksum.of(data, ip, 20));
    } else {
      data.putInt(ip, 6 << 28).putShort(ip + 4, (short) length);
      data.put(ip + 6, (byte) protocol).put(ip + 7, (byte) (protocol == Packet.ICMPV6 ? 255 : 64));
      source.write(data, ip + 8);
      target.write(data, ip + 24);
    }
    data.limit(headers + length);
    return frame;
  }

  /** Begins a frame of another kind. */
  Frame ethernet(long hardware, int type, int length) {
    Frame frame = outbox.take(Packet.ETHERNET + length);
    ethernet(frame.data(), hardware, type);
    frame.data().limit(Packet.ETHERNET + length);
    return frame;
  }

  private void ethernet(ByteBuffer data, long hardware, int type) {
    data.putShort(0, (short) (hardware >>> 32)).putInt(2, (int) hardware);
    data.putShort(6, (short) (mac >>> 32)).putInt(8, (int) mac).putShort(12, (short) type);
  }

  void send(Frame frame) {
    outbox.send(frame);
  }

  /**
   * Fills in the transport's checksum, or leaves it to the card where that can do it, and sends.
   *
   * @param field bytes from the transport header's start to its checksum
   */
  void send(Frame frame, Ip source, int protocol, int field) {
    ByteBuffer data = frame.data();
    int start = headers(source);
    int length = data.limit() - start;
    int addresses = source.isIpv4() ? Packet.ETHERNET + 12 : Packet.ETHERNET + 8;
    long pseudo = Checksum.pseudo(data, addresses, 2 * source.bytes(), protocol, length);
    if (link.cardOffloads().checksum()) {
      data.putShort(start + field, (short) Checksum.fold(pseudo));
      frame.needsChecksum(start, field);
    } else {
      data.putShort(start + field, (short) 0);
      int sum = ~Checksum.fold(Checksum.add(pseudo, data, start, length)) & 0xffff;
      data.putShort(start + field, (short) (sum == 0 ? 0xffff : sum));
      frame.verified();
    }
    outbox.send(frame);
  }

  /** Sends an ICMP packet of IPv4, whose sum has no pseudo header. */
  void sendIcmp(Frame frame) {
    ByteBuffer data = frame.data();
    data.putShort(V4_HEADERS + 2, (short) 0);
    data.putShort(V4_HEADERS + 2, (short) Checksum.of(data, V4_HEADERS, data.limit() - V4_HEADERS));
    outbox.send(frame);
  }

  /** Room for bulk data. */
  boolean hasRoom() {
    return outbox.hasRoom();
  }

  NetLink link() {
    return link;
  }
}
