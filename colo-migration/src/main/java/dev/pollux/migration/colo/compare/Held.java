package dev.pollux.migration.colo.compare;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.nio.ByteBuffer;

/** A packet that waits to be compared: a copy of its frame, and where its parts lie. */
final class Held {
  private static final int FIN = 1;
  private static final int SYN = 2;
  private static final int RST = 4;
  private static final int ACK = 16;

  private static final int WINDOW = 14;
  private static final int SUM = 16;

  final Frame frame;

  /** Place in the order in which packets came. */
  final long number;

  /** Nanoseconds. */
  final long arrived;

  /** It is held no more. */
  boolean isGone;

  private final ByteBuffer data;

  /** Start of what the network header carries. */
  private final int body;

  /** Start of the TCP header, TCP only. */
  private final int transport;

  private final int payload;
  private final int end;

  /** Sequence number of the first byte of payload, TCP only: a SYN takes one itself. */
  final int start;

  final int acknowledged;
  private final int flags;

  /** Which part of a larger packet it is; 0 where it is whole. */
  private final int fragment;

  /** Copies the frame, which {@link Packet#parse} has found whole. */
  Held(Frame original, Packet packet, long number, long arrived) {
    data = ByteBuffer.wrap(bytesOf(original.data()));
    frame =
        new Frame(data)
            .header(
                original.flags(),
                original.gsoType(),
                original.headerLength(),
                original.segmentSize(),
                original.checksumStart(),
                original.checksumOffset());
    this.number = number;
    this.arrived = arrived;
    int shift = original.data().position();
    body = bodyOf(original.data(), packet) - shift;
    end = packet.end() - shift;
    boolean tcp = packet.protocol() == Packet.TCP && !packet.isFragment();
    payload = tcp ? packet.payload() - shift : body;
    transport = packet.transport() - shift;
    flags = tcp ? data.get(transport + 13) : 0;
    start = tcp ? data.getInt(transport + 4) + (isSyn() ? 1 : 0) : 0;
    acknowledged = tcp ? data.getInt(transport + 8) : 0;
    fragment =
        packet.isFragment() && !packet.isIpv6()
            ? data.getShort(packet.ip() - shift + 6) & 0x3fff
            : 0;
  }

  private static byte[] bytesOf(ByteBuffer data) {
    byte[] bytes = new byte[data.remaining()];
    data.get(data.position(), bytes);
    return bytes;
  }

  /** Extension headers of IPv6 are part of what it carries. */
  private static int bodyOf(ByteBuffer data, Packet packet) {
    return packet.isIpv6() ? packet.ip() + 40 : packet.ip() + (data.get(packet.ip()) & 15) * 4;
  }

  boolean isSyn() {
    return (flags & SYN) != 0;
  }

  private boolean isFin() {
    return (flags & FIN) != 0;
  }

  boolean isReset() {
    return (flags & RST) != 0;
  }

  boolean acknowledges() {
    return (flags & ACK) != 0;
  }

  /** An acknowledgement and nothing else. */
  boolean isPureAcknowledgement() {
    return flags == ACK && length() == 0;
  }

  /** How much more the sender would take, in units that the connection's beginning has told. */
  int window() {
    return data.getShort(transport + WINDOW) & 0xffff;
  }

  /** Changes the {@linkplain #window window}, and keeps the checksum right. */
  void setWindow(int window) {
    int old = window();
    data.putShort(transport + WINDOW, (short) window);
    if (!frame.lacksChecksum()) {
      Checksum.replace(data, transport + SUM, old, window);
    }
  }

  int bytes() {
    return data.remaining();
  }

  /** Bytes of payload; the end of the stream, where it is told, counts as one more. */
  int length() {
    return bytesOfPayload() + (isFin() ? 1 : 0);
  }

  private int bytesOfPayload() {
    return end - payload;
  }

  /** The sequence number behind the last byte of payload. */
  int endSequence() {
    return start + length();
  }

  /** Whether both carry the same, whatever their network headers say. */
  boolean sameBody(Held other) {
    return fragment == other.fragment && same(body, end, other, other.body, other.end);
  }

  /** Whether the frames are the same, byte by byte. */
  boolean sameFrame(Held other) {
    return same(data.position(), end, other, other.data.position(), other.end);
  }

  /**
   * Whether the payloads are the same from a sequence number on, which both have; a stream that
   * ends is not the same as one that goes on.
   */
  boolean samePayload(int from, int count, Held other) {
    int here = payload + (from - start);
    int there = other.payload + (from - other.start);
    int bytes = Math.min(count, end - here);
    return bytes == Math.min(count, other.end - there)
        && same(here, here + bytes, other, there, there + bytes);
  }

  private boolean same(int from, int to, Held other, int otherFrom, int otherTo) {
    return to - from == otherTo - otherFrom
        && data.slice(from, to - from).equals(other.data.slice(otherFrom, otherTo - otherFrom));
  }
}
