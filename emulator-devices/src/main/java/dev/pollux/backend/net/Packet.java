package dev.pollux.backend.net;

import java.nio.ByteBuffer;

/**
 * Where the headers of an Ethernet frame lie, as far as they are whole. Offsets are the buffer's;
 * every one is checked against the frame's end before it is in here.
 */
public final class Packet {
  public static final int ETHERNET = 14;
  public static final int TYPE_IPV4 = 0x0800;
  public static final int TYPE_ARP = 0x0806;
  public static final int TYPE_VLAN = 0x8100;
  public static final int TYPE_IPV6 = 0x86dd;

  public static final int ICMP = 1;
  public static final int TCP = 6;
  public static final int UDP = 17;
  public static final int ICMPV6 = 58;

  private static final int IPV6_HEADER = 40;
  private static final int TCP_HEADER = 20;
  private static final int UDP_HEADER = 8;
  private static final int MAX_EXTENSIONS = 8;

  private int type;
  private int ip;
  private int transport;
  private int protocol;
  private int payload;
  private int end;
  private boolean fragment;

  /**
   * Looks at a frame.
   *
   * @return whether its network and transport headers are whole, as far as it has any that are
   *     known here
   */
  public boolean parse(ByteBuffer data) {
    int start = data.position();
    int limit = data.limit();
    protocol = -1;
    transport = -1;
    payload = -1;
    fragment = false;
    if (limit - start < ETHERNET) {
      return false;
    }
    int at = start + ETHERNET;
    type = data.getShort(start + 12) & 0xffff;
    while (type == TYPE_VLAN && limit - at >= 4) {
      type = data.getShort(at + 2) & 0xffff;
      at += 4;
    }
    ip = at;
    end = limit;
    return switch (type) {
      case TYPE_IPV4 -> parseIpv4(data, limit);
      case TYPE_IPV6 -> parseIpv6(data, limit);
      default -> true;
    };
  }

  private boolean parseIpv4(ByteBuffer data, int limit) {
    if (limit - ip < 20 || data.get(ip) >> 4 != 4) {
      return false;
    }
    int header = (data.get(ip) & 15) * 4;
    int total = data.getShort(ip + 2) & 0xffff;
    if (header < 20 || total < header || total > limit - ip) {
      return false;
    }
    end = ip + total;
    fragment = (data.getShort(ip + 6) & 0x3fff) != 0;
    protocol = data.get(ip + 9) & 0xff;
    transport = ip + header;
    return fragment || parseTransport(data);
  }

  private boolean parseIpv6(ByteBuffer data, int limit) {
    if (limit - ip < IPV6_HEADER || (data.get(ip) >> 4 & 15) != 6) {
      return false;
    }
    int length = data.getShort(ip + 4) & 0xffff;
    if (length > limit - ip - IPV6_HEADER) {
      return false;
    }
    end = ip + IPV6_HEADER + length;
    int next = data.get(ip + 6) & 0xff;
    int at = ip + IPV6_HEADER;
    for (int i = 0; isExtension(next); i++) {
      if (i == MAX_EXTENSIONS || end - at < 8) {
        return false;
      }
      boolean isFragment = next == 44;
      fragment |= isFragment;
      int bytes = isFragment ? 8 : ((data.get(at + 1) & 0xff) + 1) * 8;
      next = data.get(at) & 0xff;
      at += bytes;
      if (at > end) {
        return false;
      }
    }
    protocol = next;
    transport = at;
    return fragment || parseTransport(data);
  }

  /** Hop-by-hop, routing, fragment and destination options (RFC 8200, 4). */
  private static boolean isExtension(int next) {
    return next == 0 || next == 43 || next == 44 || next == 60;
  }

  private boolean parseTransport(ByteBuffer data) {
    int room = end - transport;
    int header =
        switch (protocol) {
          case TCP ->
              room < TCP_HEADER
                  ? TCP_HEADER
                  : Math.max(TCP_HEADER, (data.get(transport + 12) >> 4 & 15) * 4);
          case UDP -> UDP_HEADER;
          default -> 0;
        };
    payload = transport + header;
    return header <= room;
  }

  /** The Ethernet type behind VLAN tags. */
  public int type() {
    return type;
  }

  /** Start of the network header. */
  public int ip() {
    return ip;
  }

  /** Start of the transport header; -1 where there is none. */
  public int transport() {
    return transport;
  }

  /** The transport's protocol number; -1 where there is none. */
  public int protocol() {
    return protocol;
  }

  /** Start of what the transport carries. */
  public int payload() {
    return payload;
  }

  /** End of the network packet; padding may follow. */
  public int end() {
    return end;
  }

  /** Part of a larger packet: no transport header has been looked at. */
  public boolean isFragment() {
    return fragment;
  }

  public boolean isIpv6() {
    return type == TYPE_IPV6;
  }

  /** Where source and destination address begin. */
  public int addresses() {
    return isIpv6() ? ip + 8 : ip + 12;
  }

  /** Bytes of one address. */
  public int addressLength() {
    return isIpv6() ? 16 : 4;
  }

  /** The sum of the transport's bytes and the pseudo header, which is 0xffff when all is right. */
  public int transportSum(ByteBuffer data) {
    int length = end - transport;
    long pseudo = Checksum.pseudo(data, addresses(), 2 * addressLength(), protocol, length);
    return Checksum.fold(Checksum.add(pseudo, data, transport, length));
  }
}
