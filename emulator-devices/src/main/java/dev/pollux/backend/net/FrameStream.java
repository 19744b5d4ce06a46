package dev.pollux.backend.net;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Frames on a stream of bytes, as {@code -netdev stream} and filters exchange them: a 32-bit length
 * and the frame, or, where both ends have agreed on that, between the two the length of
 * virtio-net's header, which then comes in front of the frame and is counted in the first.
 * Big-endian.
 *
 * <p>A message that is too short for a frame is a mark: this side of a pair has come to a
 * checkpoint, and what follows belongs to the state after it. No frame can look like one, because
 * frames of that length are not sent.
 */
public final class FrameStream {
  /** The longest message: a frame of 64 KiB, its headers, and room. */
  public static final int MAX_LENGTH = 68 << 10;

  /** The same with the lengths in front of it. */
  public static final int MAX_MESSAGE = 2 * Integer.BYTES + MAX_LENGTH;

  private static final int MARK = 0x504d_4152;
  private static final int MARK_LENGTH = Integer.BYTES + Long.BYTES;

  /** Lengths of virtio-net's header: none, legacy, with merged buffers, with hashes. */
  private static final int MAX_HEADER = 20;

  /** Takes what a stream carries. */
  public interface Sink {
    /**
     * @param frame of direct bytes, valid during the call
     */
    void frame(Frame frame);

    /** The peer has come to a checkpoint. */
    default void mark(long number) {}

    /** All that has come so far was told. */
    default void idle() {}
  }

  private FrameStream() {}

  /**
   * A frame as a message.
   *
   * @param header the stream has headers; without them only finished frames go
   */
  public static byte[] encode(Frame frame, boolean header) {
    int extra = header ? VnetHeader.LENGTH : 0;
    ByteBuffer message =
        ByteBuffer.allocate(Integer.BYTES * (header ? 2 : 1) + extra + frame.length());
    encode(frame, header, message);
    return message.array();
  }

  /**
   * Puts a frame as a message behind those that are in a buffer already.
   *
   * @param to has room for {@link #MAX_MESSAGE} bytes, or for this frame
   */
  public static void encode(Frame frame, boolean header, ByteBuffer to) {
    int extra = header ? VnetHeader.LENGTH : 0;
    to.putInt(extra + frame.length());
    if (header) {
      to.putInt(extra);
      VnetHeader.write(frame, to);
    }
    ByteBuffer data = frame.data();
    to.put(to.position(), data, data.position(), frame.length());
    to.position(to.position() + frame.length());
  }

  /** The mark of a checkpoint as a message. */
  public static byte[] mark(long number, boolean header) {
    ByteBuffer message = ByteBuffer.allocate(Integer.BYTES * (header ? 2 : 1) + MARK_LENGTH);
    encodeMark(number, header, message);
    return message.array();
  }

  /** Puts the mark of a checkpoint there. */
  public static void encodeMark(long number, boolean header, ByteBuffer to) {
    to.putInt(MARK_LENGTH);
    if (header) {
      to.putInt(0);
    }
    to.putInt(MARK).putLong(number);
  }

  /** Puts messages together from bytes as they come. Not thread-safe. */
  public static final class Reader {
    private final boolean header;
    private final Sink sink;
    private final ByteBuffer lengths;
    private final ByteBuffer body = ByteBuffer.allocateDirect(MAX_LENGTH);
    private final Frame frame = new Frame();
    private int headerLength;

    /**
     * @param header the stream has headers
     */
    public Reader(boolean header, Sink sink) {
      this.header = header;
      this.sink = sink;
      lengths = ByteBuffer.allocate(header ? 2 * Integer.BYTES : Integer.BYTES);
      reset();
    }

    /** Another stream begins. */
    public void reset() {
      lengths.clear();
      body.clear().limit(0);
    }

    /**
     * Takes some bytes, and tells the sink what has come with them.
     *
     * @throws IOException for lengths that are none; the rest of the stream has no meaning
     */
    public void read(byte[] from, int offset, int count) throws IOException {
      try {
        readAll(from, offset, offset + count);
      } finally {
        sink.idle();
      }
    }

    private void readAll(byte[] from, int offset, int end) throws IOException {
      int at = offset;
      while (at < end) {
        if (lengths.hasRemaining()) {
          int part = Math.min(lengths.remaining(), end - at);
          lengths.put(from, at, part);
          at += part;
          if (!lengths.hasRemaining()) {
            begin();
          }
          continue;
        }
        int part = Math.min(body.remaining(), end - at);
        body.put(from, at, part);
        at += part;
        if (!body.hasRemaining()) {
          finish();
        }
      }
    }

    private void begin() throws IOException {
      int length = lengths.getInt(0);
      headerLength = header ? lengths.getInt(Integer.BYTES) : 0;
      if (length < 0 || length > MAX_LENGTH) {
        throw new IOException(
            "a frame of %d bytes; the longest has %d"
                .formatted(Integer.toUnsignedLong(length), MAX_LENGTH));
      }
      boolean known =
          headerLength == 0 || headerLength >= VnetHeader.LENGTH && headerLength <= MAX_HEADER;
      if (!known || headerLength > length) {
        throw new IOException(
            "a header of %d bytes for a frame of %d; is vnet_hdr_support the same on both sides?"
                .formatted(Integer.toUnsignedLong(headerLength), length));
      }
      body.clear().limit(length);
      if (length == 0) {
        finish();
      }
    }

    private void finish() {
      body.flip();
      int length = body.limit();
      if (length == MARK_LENGTH && headerLength == 0 && body.getInt(0) == MARK) {
        sink.mark(body.getLong(Integer.BYTES));
      } else if (length - headerLength >= Frame.MIN_LENGTH
          && length - headerLength <= Frame.MAX_LENGTH) {
        frame.set(body);
        if (headerLength > 0) {
          VnetHeader.read(body, frame);
          body.position(headerLength);
        }
        sink.frame(frame);
      }
      reset();
    }
  }
}
