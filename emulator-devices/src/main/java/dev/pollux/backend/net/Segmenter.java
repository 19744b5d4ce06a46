package dev.pollux.backend.net;

import java.nio.ByteBuffer;

/**
 * Finishes frames for ends that cannot: fills in checksums and cuts long TCP segments, as a network
 * card would. What a guest says in a frame's header is checked against the frame here. Not
 * thread-safe.
 */
final class Segmenter {
  /** Segments of one frame at the most: a guest that asks for tiny ones gets no more. */
  static final int MAX_SEGMENTS = 1024;

  private static final int TCP_FIN = 1;
  private static final int TCP_PUSH = 8;
  private static final int TCP_CONGESTION = 0x80;

  /** Where finished frames go. */
  interface Sink {
    void frame(Frame frame);
  }

  private final Packet packet = new Packet();
  private final Frame out = new Frame();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(Frame.MAX_LENGTH);

  /**
   * Gives {@code sink} the frame in finished form, which is valid during its call.
   *
   * @return false where the header does not fit the frame, which is dropped
   */
  boolean finish(Frame frame, Sink sink) {
    return switch (frame.segmentation()) {
      case Frame.GSO_NONE -> fillChecksum(frame, sink);
      case Frame.GSO_TCP4, Frame.GSO_TCP6 -> cut(frame, sink);
      default -> false;
    };
  }

  private boolean fillChecksum(Frame frame, Sink sink) {
    ByteBuffer data = frame.data();
    int length = frame.length();
    int start = frame.checksumStart();
    int field = start + frame.checksumOffset();
    if (length > Frame.MAX_LENGTH || start > length || field + 2 > length) {
      return false;
    }
    buffer.clear().put(0, data, data.position(), length).limit(length);
    int sum = Checksum.of(buffer, start, length - start);
    // UDP sends a sum of zero as its other form: zero means that there is none.
    buffer.putShort(field, (short) (sum == 0 ? 0xffff : sum));
    sink.frame(out.set(buffer).verified());
    return true;
  }

  private boolean cut(Frame frame, Sink sink) {
    ByteBuffer data = frame.data();
    boolean six = frame.segmentation() == Frame.GSO_TCP6;
    if (!packet.parse(data)
        || packet.isFragment()
        || packet.protocol() != Packet.TCP
        || packet.isIpv6() != six) {
      return false;
    }
    int start = data.position();
    int headers = packet.payload() - start;
    int payload = packet.end() - packet.payload();
    int size = frame.segmentSize();
    if (size == 0 || (payload + size - 1) / size > MAX_SEGMENTS) {
      return false;
    }
    int sent = 0;
    int number = 0;
    do {
      int part = Math.min(size, payload - sent);
      buffer.clear().put(0, data, start, headers);
      buffer.put(headers, data, packet.payload() + sent, part).limit(headers + part);
      adapt(start, sent, part, number++, sent + part == payload);
      sink.frame(out.set(buffer).verified());
      sent += part;
    } while (sent < payload);
    return true;
  }

  /** Makes the headers in {@link #buffer} those of one segment. */
  private void adapt(int start, int sent, int part, int number, boolean last) {
    int ip = packet.ip() - start;
    int tcp = packet.transport() - start;
    int headers = packet.payload() - start;
    if (packet.isIpv6()) {
      buffer.putShort(ip + 4, (short) (headers + part - ip - 40));
    } else {
      buffer.putShort(ip + 2, (short) (headers + part - ip));
      buffer.putShort(ip + 4, (short) (buffer.getShort(ip + 4) + number));
      buffer.putShort(ip + 10, (short) 0);
      buffer.putShort(ip + 10, (short) Checksum.of(buffer, ip, tcp - ip));
    }
    buffer.putInt(tcp + 4, buffer.getInt(tcp + 4) + sent);
    int flags = buffer.get(tcp + 13) & 0xff;
    if (!last) {
      flags &= ~(TCP_FIN | TCP_PUSH);
    }
    if (number > 0) {
      flags &= ~TCP_CONGESTION;
    }
    buffer.put(tcp + 13, (byte) flags);
    buffer.putShort(tcp + 16, (short) 0);
    int length = headers + part - tcp;
    int addresses = packet.addresses() - start;
    long pseudo =
        Checksum.pseudo(buffer, addresses, 2 * packet.addressLength(), Packet.TCP, length);
    int sum = ~Checksum.fold(Checksum.add(pseudo, buffer, tcp, length)) & 0xffff;
    buffer.putShort(tcp + 16, (short) sum);
  }
}
