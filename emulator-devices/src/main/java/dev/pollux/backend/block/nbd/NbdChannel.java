package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.IoVector;
import dev.pollux.core.host.RawMemory;
import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/**
 * A connection. One thread reads, one at a time writes; data goes between the socket and memory
 * outside the heap without a copy. {@link #close} ends both, from any thread.
 */
final class NbdChannel implements AutoCloseable {
  private static final int BUFFER = 16 << 10;

  /** A message that is longer than this would not end. */
  private static final int PATIENT_SKIP = 64 << 10;

  private final SocketChannel socket;
  private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER).flip();

  NbdChannel(SocketChannel socket) {
    this.socket = socket;
  }

  // ---- reading ----

  /** Whether the peer has ended the connection between two messages. */
  boolean isAtEnd() throws IOException {
    if (in.hasRemaining()) {
      return false;
    }
    in.clear();
    int n = socket.read(in);
    in.flip();
    return n < 0;
  }

  /** Whether the next message has begun to arrive. */
  boolean hasBuffered() {
    return in.hasRemaining();
  }

  private ByteBuffer need(int bytes) throws IOException {
    if (in.remaining() < bytes) {
      in.compact();
      while (in.position() < bytes) {
        if (socket.read(in) < 0) {
          in.flip();
          throw new EOFException("the connection has ended");
        }
      }
      in.flip();
    }
    return in;
  }

  int u16() throws IOException {
    return need(2).getShort() & 0xffff;
  }

  int u32() throws IOException {
    return need(4).getInt();
  }

  long u64() throws IOException {
    return need(8).getLong();
  }

  /** Bytes that were found to be few. */
  byte[] bytes(int count) throws IOException {
    byte[] bytes = new byte[count];
    for (int done = 0; done < count; ) {
      int part = Math.min(count - done, BUFFER);
      need(part).get(bytes, done, part);
      done += part;
    }
    return bytes;
  }

  /**
   * Text of a length that stood before it.
   *
   * @param length unsigned
   * @param what it is, for messages
   */
  String text(int length, String what) throws IOException {
    if (length < 0 || length > Nbd.MOST_NAME) {
      throw new ProtocolException(
          "%s of %s bytes; at most %d are allowed"
              .formatted(what, Integer.toUnsignedString(length), Nbd.MOST_NAME));
    }
    return new String(bytes(length), StandardCharsets.UTF_8);
  }

  void skip(long bytes) throws IOException {
    for (long left = bytes; left > 0; ) {
      int part = (int) Math.min(left, BUFFER);
      need(part).position(in.position() + part);
      left -= part;
    }
  }

  /** Throws away what nobody wants, if that is not too much. */
  void skipMessage(int length) throws IOException {
    if (length < 0 || length > PATIENT_SKIP) {
      throw new ProtocolException(
          "a message of %s bytes".formatted(Integer.toUnsignedString(length)));
    }
    skip(length);
  }

  /** Fills memory. */
  void read(IoVector to) throws IOException {
    for (int i = 0; i < to.count(); i++) {
      ByteBuffer piece = buffer(to.address(i), to.length(i));
      int there = Math.min(piece.remaining(), in.remaining());
      piece.put(in.slice(in.position(), there));
      in.position(in.position() + there);
      while (piece.hasRemaining()) {
        if (socket.read(piece) < 0) {
          throw new EOFException("the connection has ended in the middle of data");
        }
      }
    }
  }

  private static ByteBuffer buffer(long address, long length) {
    return RawMemory.segment(address, length).asByteBuffer();
  }

  // ---- writing ----

  /** Writes a message, and data behind it. */
  void write(ByteBuffer message, IoVector data) throws IOException {
    ByteBuffer[] all = new ByteBuffer[1 + data.count()];
    all[0] = message;
    for (int i = 0; i < data.count(); i++) {
      all[i + 1] = buffer(data.address(i), data.length(i));
    }
    int first = 0;
    while (first < all.length) {
      if (all[first].hasRemaining()) {
        long _ = socket.write(all, first, all.length - first);
      } else {
        first++;
      }
    }
  }

  void write(ByteBuffer message) throws IOException {
    write(message, IoVector.EMPTY);
  }

  /** Cuts the connection. Any thread. */
  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      // It is of no use any more in any case.
    }
  }
}
