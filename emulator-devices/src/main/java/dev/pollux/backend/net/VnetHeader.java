package dev.pollux.backend.net;

import java.nio.ByteBuffer;

/** The first 10 bytes of virtio-net's header (virtio 1.2, 5.1.6), little-endian. */
public final class VnetHeader {
  public static final int LENGTH = 10;

  private VnetHeader() {}

  /** Writes a frame's header and moves the buffer's position behind it. */
  public static void write(Frame frame, ByteBuffer to) {
    int at = to.position();
    to.put(at, (byte) frame.flags()).put(at + 1, (byte) frame.gsoType());
    putShort(to, at + 2, frame.headerLength());
    putShort(to, at + 4, frame.segmentSize());
    putShort(to, at + 6, frame.checksumStart());
    putShort(to, at + 8, frame.checksumOffset());
    to.position(at + LENGTH);
  }

  /** Gives a frame the header that begins at the buffer's position, and leaves that as it was. */
  public static void read(ByteBuffer from, Frame frame) {
    int at = from.position();
    if (from.remaining() < LENGTH) {
      return;
    }
    frame.header(
        from.get(at) & 0xff,
        from.get(at + 1) & 0xff,
        getShort(from, at + 2),
        getShort(from, at + 4),
        getShort(from, at + 6),
        getShort(from, at + 8));
  }

  private static void putShort(ByteBuffer to, int at, int value) {
    to.put(at, (byte) value).put(at + 1, (byte) (value >> 8));
  }

  private static int getShort(ByteBuffer from, int at) {
    return from.get(at) & 0xff | (from.get(at + 1) & 0xff) << 8;
  }
}
