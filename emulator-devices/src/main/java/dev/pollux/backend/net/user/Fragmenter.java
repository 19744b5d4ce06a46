package dev.pollux.backend.net.user;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/**
 * Sends packets to guests that are longer than a frame, in fragments (RFC 791; RFC 8200, 4.5).
 * Guarded by the network's lock.
 */
final class Fragmenter {
  private static final int MTU = 1500;

  /** What the length of a packet may say; that of IPv4 has its header in it. */
  private static final int MOST = 65535;

  private static final int V4_HEADER = 20;
  private static final int FRAGMENT = 44;
  private static final int FRAGMENT_HEADER = 8;

  private final IpOutput output;
  private int identification;

  Fragmenter(IpOutput output) {
    this.output = output;
  }

  /** Bytes of transport header and payload that one frame has room for. */
  static int room(Ip source) {
    return MTU - (IpOutput.headers(source) - Packet.ETHERNET);
  }

  /** The checksum of a transport header and its payload, in which it is still zero. */
  static int checksum(Ip source, Ip target, int protocol, ByteBuffer whole, int length) {
    ByteBuffer addresses = ByteBuffer.allocate(32);
    source.write(addresses, 0);
    target.write(addresses, source.bytes());
    long pseudo = Checksum.pseudo(addresses, 0, 2 * source.bytes(), protocol, length);
    return ~Checksum.fold(Checksum.add(pseudo, whole, 0, length)) & 0xffff;
  }

  /**
   * Sends a packet; what cannot be said in IP goes nowhere.
   *
   * @param whole transport header and payload, from its beginning on
   * @param length their bytes
   */
  void send(Ip source, Ip target, int protocol, ByteBuffer whole, int length) {
    boolean four = source.isIpv4();
    if (length > (four ? MOST - V4_HEADER : MOST)) {
      return;
    }
    int extension = four ? 0 : FRAGMENT_HEADER;
    int room = room(source) - extension & ~7;
    identification++;
    for (int at = 0; at < length; at += room) {
      int part = Math.min(room, length - at);
      boolean more = at + part < length;
      Frame frame = output.packet(source, target, four ? protocol : FRAGMENT, extension + part);
      mark(frame.data(), four, protocol, at, more);
      frame.data().put(IpOutput.headers(source) + extension, whole, at, part);
      output.send(frame);
    }
  }

  /** Makes the packet a fragment. */
  private void mark(ByteBuffer out, boolean four, int protocol, int offset, boolean more) {
    int ip = Packet.ETHERNET;
    if (four) {
      out.putShort(ip + 4, (short) identification);
      out.putShort(ip + 6, (short) (offset / 8 | (more ? 0x2000 : 0)));
      out.putShort(ip + 10, (short) 0);
      out.putShort(ip + 10, (short) Checksum.of(out, ip, 20));
    } else {
      out.put(ip + 40, (byte) protocol).put(ip + 41, (byte) 0);
      out.putShort(ip + 42, (short) (offset | (more ? 1 : 0))).putInt(ip + 44, identification);
    }
  }
}
