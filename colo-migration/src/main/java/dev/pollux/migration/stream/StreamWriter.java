package dev.pollux.migration.stream;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.transport.MigrationChannel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * Writes to a migration's connection through a big buffer; {@link #flush} sends what is in it. One
 * thread.
 */
public final class StreamWriter {
  private final MigrationChannel channel;
  private final ByteBuffer buffer;
  private final long address;
  private long sent;

  public StreamWriter(MigrationChannel channel) {
    this(channel, 1);
  }

  /**
   * @param connections of the migration, which share the memory for buffers
   */
  public StreamWriter(MigrationChannel channel, int connections) {
    this.channel = channel;
    this.buffer = ByteBuffer.allocateDirect(StreamFormat.bufferCapacity(connections));
    this.address = MemorySegment.ofBuffer(buffer).address();
  }

  public void u8(int value) throws IOException {
    room(1);
    buffer.put((byte) value);
  }

  public void u16(int value) throws IOException {
    room(2);
    buffer.putShort((short) value);
  }

  public void u32(int value) throws IOException {
    room(4);
    buffer.putInt(value);
  }

  public void u64(long value) throws IOException {
    room(8);
    buffer.putLong(value);
  }

  public void bytes(byte[] bytes) throws IOException {
    bytes(bytes, 0, bytes.length);
  }

  public void bytes(byte[] bytes, int offset, int length) throws IOException {
    for (int done = 0; done < length; ) {
      room(1);
      int n = Math.min(buffer.remaining(), length - done);
      buffer.put(bytes, offset + done, n);
      done += n;
    }
  }

  /** A length of one byte and that many bytes. */
  public void name(String name) throws IOException {
    byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
    if (utf8.length > 255) {
      throw new IllegalArgumentException("longer than 255 bytes: " + name);
    }
    u8(utf8.length);
    bytes(utf8);
  }

  /**
   * The contents of a page.
   *
   * @param from host address
   */
  public void page(long from) throws IOException {
    room(RamBlock.PAGE_SIZE);
    RawMemory.copy(from, address + buffer.position(), RamBlock.PAGE_SIZE);
    buffer.position(buffer.position() + RamBlock.PAGE_SIZE);
  }

  /** Sends what was written. */
  public void flush() throws IOException {
    buffer.flip();
    int length = buffer.remaining();
    if (length > 0) {
      channel.write(buffer);
      sent += length;
    }
    buffer.clear();
  }

  /** Number of bytes written so far. */
  public long position() {
    return sent + buffer.position();
  }

  private void room(int bytes) throws IOException {
    if (buffer.remaining() < bytes) {
      flush();
    }
  }
}
