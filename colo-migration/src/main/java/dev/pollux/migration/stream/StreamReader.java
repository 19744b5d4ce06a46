package dev.pollux.migration.stream;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.migration.transport.MigrationChannel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads from a migration's connection through a big buffer. What comes is not trusted: its end in
 * the wrong place is a {@link StreamException}. One thread.
 */
public final class StreamReader {
  /** So much memory is taken for a promise of more. */
  private static final int FIRST_BYTES = 64 << 10;

  private final MigrationChannel channel;
  private final ByteBuffer buffer;
  private final long address;
  private long received;

  public StreamReader(MigrationChannel channel) {
    this(channel, 1);
  }

  /**
   * @param connections of the migration, which share the memory for buffers
   */
  public StreamReader(MigrationChannel channel, int connections) {
    this.channel = channel;
    this.buffer = ByteBuffer.allocateDirect(StreamFormat.bufferCapacity(connections));
    this.address = MemorySegment.ofBuffer(buffer).address();
    buffer.flip();
  }

  /** Reads bytes that are there already. */
  public StreamReader(byte[] bytes) {
    this.channel = null;
    this.buffer = ByteBuffer.wrap(bytes);
    this.address = 0; // nobody takes pages from here
    this.received = bytes.length;
  }

  public int u8() throws IOException {
    need(1);
    return buffer.get() & 0xff;
  }

  /** The next byte, or -1 where the stream ends. */
  public int u8OrEnd() throws IOException {
    return buffer.hasRemaining() || fetch(1) ? buffer.get() & 0xff : -1;
  }

  /** Whether something is here that was not read yet. */
  boolean hasMore() {
    return buffer.hasRemaining();
  }

  /** Whether the stream ends here; waits until that is known. */
  public boolean isAtEnd() throws IOException {
    return !buffer.hasRemaining() && !fetch(1);
  }

  public int u16() throws IOException {
    need(2);
    return buffer.getShort() & 0xffff;
  }

  public int u32() throws IOException {
    need(4);
    return buffer.getInt();
  }

  public long u64() throws IOException {
    need(8);
    return buffer.getLong();
  }

  /** Looks at the next byte, which is read again later. */
  public int peek8() throws IOException {
    need(1);
    return buffer.get(buffer.position()) & 0xff;
  }

  /** Looks at the next four bytes, which are read again later. */
  public int peek32() throws IOException {
    need(4);
    return buffer.getInt(buffer.position());
  }

  /**
   * Reads so many bytes; the caller has checked that the number makes sense. Memory is taken as
   * they come, not for what was promised.
   */
  public byte[] bytes(int count) throws IOException {
    byte[] bytes = new byte[Math.min(count, FIRST_BYTES)];
    bytes(bytes, 0, bytes.length);
    while (bytes.length < count) {
      int done = bytes.length;
      bytes = Arrays.copyOf(bytes, Math.min(count, 2 * done));
      bytes(bytes, done, bytes.length - done);
    }
    return bytes;
  }

  private void bytes(byte[] to, int at, int count) throws IOException {
    for (int done = 0; done < count; ) {
      need(1);
      int n = Math.min(buffer.remaining(), count - done);
      buffer.get(to, at + done, n);
      done += n;
    }
  }

  /** Reads and forgets so many bytes. */
  public void skip(int count) throws IOException {
    for (int left = count; left > 0; ) {
      need(1);
      int n = Math.min(buffer.remaining(), left);
      buffer.position(buffer.position() + n);
      left -= n;
    }
  }

  /** A length of one byte and that many bytes of text, made fit to be shown. */
  public String name() throws IOException {
    return text(u8());
  }

  /** So many bytes of text, made fit to be shown. */
  public String text(int bytes) throws IOException {
    return printable(new String(bytes(bytes), StandardCharsets.UTF_8));
  }

  static String printable(String text) {
    return text.replaceAll("[^ -~]", "?");
  }

  /**
   * The contents of a page.
   *
   * @return their host address, valid until the next call of any method
   */
  public long page() throws IOException {
    if (channel == null) {
      throw new StreamException("a page of memory came where none belongs");
    }
    need(RamBlock.PAGE_SIZE);
    int at = buffer.position();
    buffer.position(at + RamBlock.PAGE_SIZE);
    return address + at;
  }

  /** A device's state, of which nobody knows the length beforehand, read from here on. */
  public StateInput state() {
    return new StateInput(
        (to, at, count) -> {
          try {
            bytes(to, at, count);
          } catch (IOException e) {
            throw new StateException(e.getMessage());
          }
        });
  }

  /** Number of bytes read so far. */
  public long position() {
    return received - buffer.remaining();
  }

  private void need(int bytes) throws IOException {
    if (buffer.remaining() < bytes && !fetch(bytes)) {
      throw new StreamException("the stream ends after %d bytes".formatted(received));
    }
  }

  /** Has so many bytes in the buffer; false where the stream ends before. */
  private boolean fetch(int bytes) throws IOException {
    if (channel == null) {
      return false;
    }
    buffer.compact();
    try {
      while (buffer.position() < bytes) {
        int n = channel.read(buffer);
        if (n < 0) {
          return false;
        }
        received += n;
      }
    } finally {
      buffer.flip();
    }
    return true;
  }
}
