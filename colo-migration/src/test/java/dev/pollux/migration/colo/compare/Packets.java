package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Frames of a guest at 10.0.0.2 that a client at 10.0.0.9 talks to, with right checksums. */
final class Packets {
  static final int FIN = 1;
  static final int SYN = 2;
  static final int RST = 4;
  static final int ACK = 16;

  static final int GUEST = 0x0a00_0002;
  static final int CLIENT = 0x0a00_0009;
  static final int SERVICE = 80;

  private static final int IPV4_HEADER = 20;
  private static final int TCP_HEADER = 20;
  private static final int UDP_HEADER = 8;

  private Packets() {}

  static byte[] text(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /** A segment of the guest's. */
  static Frame tcp(int sequence, int acknowledged, int flags, byte[] payload) {
    return tcp(GUEST, CLIENT, SERVICE << 16 | 5000, sequence, acknowledged, flags, payload);
  }

  static Frame tcp(int sequence, int acknowledged, int flags, String payload) {
    return tcp(sequence, acknowledged, flags, text(payload));
  }

  /** A segment of the client's. */
  static Frame fromClient(int sequence, int acknowledged, int flags, String payload) {
    return tcp(CLIENT, GUEST, 5000 << 16 | SERVICE, sequence, acknowledged, flags, text(payload));
  }

  static Frame tcp(
      int source,
      int destination,
      int ports,
      int sequence,
      int acknowledged,
      int flags,
      byte[] payload) {
    ByteBuffer data = ipv4(Packet.TCP, source, destination, TCP_HEADER + payload.length);
    int at = Packet.ETHERNET + IPV4_HEADER;
    data.putInt(at, ports).putInt(at + 4, sequence).putInt(at + 8, acknowledged);
    data.put(at + 12, (byte) (TCP_HEADER / 4 << 4)).put(at + 13, (byte) flags);
    data.put(at + TCP_HEADER, payload);
    int length = TCP_HEADER + payload.length;
    long pseudo = Checksum.pseudo(data, Packet.ETHERNET + 12, 8, Packet.TCP, length);
    data.putShort(at + 16, (short) ~Checksum.fold(Checksum.add(pseudo, data, at, length)));
    return new Frame(data);
  }

  /**
   * A segment with the option of timestamps.
   *
   * @param before bytes of other options in front of it, 2 to 5
   */
  static Frame stamped(Frame segment, int before, int value, int echo) {
    int at = Packet.ETHERNET + IPV4_HEADER;
    int options = before + 10 + 3 & -4;
    byte[] payload = payload(segment);
    ByteBuffer data = ByteBuffer.allocateDirect(segment.data().limit() + options);
    data.put(0, segment.data(), 0, at + TCP_HEADER);
    data.putShort(Packet.ETHERNET + 2, (short) (data.limit() - Packet.ETHERNET));
    data.put(at + 12, (byte) ((TCP_HEADER + options) / 4 << 4)).putShort(at + 16, (short) 0);
    int option = at + TCP_HEADER;
    data.put(option, (byte) 99).put(option + 1, (byte) before);
    option += before;
    data.put(option, (byte) 8).put(option + 1, (byte) 10);
    data.putInt(option + 2, value).putInt(option + 6, echo);
    data.put(at + TCP_HEADER + options, payload);
    int length = TCP_HEADER + options + payload.length;
    long pseudo = Checksum.pseudo(data, Packet.ETHERNET + 12, 8, Packet.TCP, length);
    data.putShort(at + 16, (short) ~Checksum.fold(Checksum.add(pseudo, data, at, length)));
    return new Frame(data);
  }

  /** Its timestamp. */
  static int stamp(Frame segment, int before) {
    return segment.data().getInt(Packet.ETHERNET + IPV4_HEADER + TCP_HEADER + before + 2);
  }

  /** The other end's timestamp in it. */
  static int echo(Frame segment, int before) {
    return segment.data().getInt(Packet.ETHERNET + IPV4_HEADER + TCP_HEADER + before + 6);
  }

  static Frame udp(int port, byte[] payload) {
    ByteBuffer data = ipv4(Packet.UDP, GUEST, CLIENT, UDP_HEADER + payload.length);
    int at = Packet.ETHERNET + IPV4_HEADER;
    data.putInt(at, 53 << 16 | port).putShort(at + 4, (short) (UDP_HEADER + payload.length));
    data.put(at + UDP_HEADER, payload);
    return new Frame(data);
  }

  static Frame other(int protocol, byte[] payload) {
    ByteBuffer data = ipv4(protocol, GUEST, CLIENT, payload.length);
    data.put(Packet.ETHERNET + IPV4_HEADER, payload);
    return new Frame(data);
  }

  static Frame ethernet(int type, byte[] payload) {
    ByteBuffer data = ByteBuffer.allocateDirect(Packet.ETHERNET + payload.length);
    return new Frame(data.putShort(12, (short) type).put(Packet.ETHERNET, payload));
  }

  private static ByteBuffer ipv4(int protocol, int source, int destination, int bytes) {
    ByteBuffer data = ByteBuffer.allocateDirect(Packet.ETHERNET + IPV4_HEADER + bytes);
    data.putShort(12, (short) Packet.TYPE_IPV4).put(Packet.ETHERNET, (byte) 0x45);
    data.putShort(Packet.ETHERNET + 2, (short) (IPV4_HEADER + bytes));
    data.put(Packet.ETHERNET + 8, (byte) 64).put(Packet.ETHERNET + 9, (byte) protocol);
    return data.putInt(Packet.ETHERNET + 12, source).putInt(Packet.ETHERNET + 16, destination);
  }

  /** As another host might have sent it: the network header says other things. */
  static Frame otherHeader(Frame frame) {
    Frame copy = frame.copy();
    copy.data().putShort(Packet.ETHERNET + 4, (short) 4711).put(Packet.ETHERNET + 8, (byte) 63);
    return copy;
  }

  /** A segment with another window. */
  static Frame withWindow(int window, Frame segment) {
    int at = Packet.ETHERNET + IPV4_HEADER;
    Checksum.replace(segment.data(), at + 16, window(segment), window);
    segment.data().putShort(at + 14, (short) window);
    return segment;
  }

  static int window(Frame frame) {
    return frame.data().getShort(Packet.ETHERNET + IPV4_HEADER + 14) & 0xffff;
  }

  static int sequence(Frame frame) {
    return frame.data().getInt(Packet.ETHERNET + IPV4_HEADER + 4);
  }

  static int acknowledged(Frame frame) {
    return frame.data().getInt(Packet.ETHERNET + IPV4_HEADER + 8);
  }

  static byte[] payload(Frame frame) {
    ByteBuffer data = frame.data();
    byte[] payload = new byte[data.limit() - Packet.ETHERNET - IPV4_HEADER - TCP_HEADER];
    data.get(Packet.ETHERNET + IPV4_HEADER + TCP_HEADER, payload);
    return payload;
  }

  static boolean hasRightChecksum(Frame frame) {
    Packet packet = new Packet();
    return packet.parse(frame.data()) && packet.transportSum(frame.data()) == 0xffff;
  }
}
