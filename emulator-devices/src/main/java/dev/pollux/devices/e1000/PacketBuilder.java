package dev.pollux.devices.e1000;

import dev.pollux.backend.net.Checksum;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.Packet;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * Makes a frame of what descriptors lead to. Sums and cutting are left to the frame's receiver
 * where it can be said what is to be done. I/O thread's lock held.
 */
final class PacketBuilder {
  private static final int SHORTEST = 60;
  private static final int TAG = 4;

  private final Dma dma;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(Frame.MAX_LENGTH + TAG);
  private final long address = MemorySegment.ofBuffer(buffer).address();
  private final Frame frame = new Frame();
  private int length;
  private boolean broken;

  PacketBuilder(Dma dma) {
    this.dma = dma;
  }

  void begin() {
    buffer.clear();
    length = 0;
    broken = false;
  }

  /** Adds a piece of guest memory; what is too long or no RAM spoils the packet. */
  void add(long from, int bytes) {
    if (broken || length + bytes > Frame.MAX_LENGTH || !dma.read(from, address + length, bytes)) {
      broken = true;
      return;
    }
    length += bytes;
  }

  /** Fills a short packet up to the smallest size. */
  void pad() {
    while (!broken && length < SHORTEST) {
      buffer.put(length++, (byte) 0);
    }
  }

  int length() {
    return length;
  }

  /** The frame so far, or null where it is none. */
  Frame frame() {
    return broken || length < Frame.MIN_LENGTH ? null : frame.set(buffer.clear().limit(length));
  }

  /** Inserts a tag behind the addresses. The frame is finished otherwise. */
  void tag(Frame of, int type, int tag) {
    buffer.clear();
    buffer.put(16, buffer, 12, length - 12);
    buffer.putShort(12, (short) type).putShort(14, (short) tag);
    length += TAG;
    buffer.limit(length);
    if (of.lacksChecksum()) {
      of.needsChecksum(of.checksumStart() + TAG, of.checksumOffset());
    }
    if (of.segmentation() != Frame.GSO_NONE) {
      of.segmented(of.gsoType(), of.headerLength() + TAG, of.segmentSize());
    }
  }

  /**
   * Has a sum made from a byte to another, and put somewhere.
   *
   * @param end the last byte of it; 0 for the packet's
   */
  void sum(Frame of, int start, int field, int end) {
    int last = end == 0 || end >= length ? length : end + 1;
    if (start >= last || field + 2 > length) {
      return;
    }
    if (last == length && field >= start) {
      of.needsChecksum(start, field - start);
    } else {
      buffer.putShort(field, (short) Checksum.of(buffer, start, last - start));
    }
  }

  /** Fills in IP's own sum, which nobody else does. */
  void sumIp(SendContext context) {
    int end = Math.min(context.ipEnd() + 1, length);
    int start = context.ipStart();
    int field = context.ipSum();
    if (start < end && field + 2 <= length) {
      buffer.putShort(field, (short) 0);
      buffer.putShort(field, (short) Checksum.of(buffer, start, end - start));
    }
  }

  /**
   * Makes a long TCP segment of the frame (manual, 3.5): lengths and the pseudo header's sum, which
   * the driver has left out, are those of the whole.
   *
   * @return false where it cannot be one
   */
  boolean segment(Frame of, SendContext context) {
    int ip = context.ipStart();
    boolean four = context.isIpv4();
    int header = context.headerLength();
    int transport = context.transportStart();
    int shortest = ip + (four ? 20 : 40);
    if (!context.isTcp()
        || ip < Packet.ETHERNET
        || transport < shortest
        || header < transport + 20
        || context.transportSum() != transport + 16
        || length < header
        || length - ip > 0xffff) {
      return false;
    }
    int bytes = length - transport;
    if (four) {
      buffer.putShort(ip + 2, (short) (length - ip));
      sumIp(context);
    } else {
      buffer.putShort(ip + 4, (short) (length - ip - 40));
    }
    int addresses = four ? ip + 12 : ip + 8;
    long pseudo = Checksum.pseudo(buffer, addresses, four ? 8 : 32, Packet.TCP, bytes);
    buffer.putShort(transport + 16, (short) Checksum.fold(pseudo));
    of.needsChecksum(transport, 16);
    if (length - header > context.segmentSize()) {
      of.segmented(four ? Frame.GSO_TCP4 : Frame.GSO_TCP6, header, context.segmentSize());
    }
    return true;
  }
}
