package dev.pollux.core.jit.store;

import dev.pollux.core.jit.cache.BlockTable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The file of a {@link TranslationStore}: a header, and behind it the memory that {@link
 * BlockTable#room} tells of, as it was. Little endian.
 *
 * <pre>
 *    0  u64  magic number                    16  u32  bytes of the code before, which is not here
 *    8  u64  what the translations are for   20  u32  number of execution keys
 *   24  8 u32  these, in the order of their jump tables
 *   56  4 u32  bytes of code, of records of blocks and of ways out, of the table
 *   72  u32  CRC-32C of all behind the header
 *   76  u32  CRC-32C of the header before
 * </pre>
 */
final class StoreFile {
  static final int MOST_KEYS = 8;

  static final int HEADER = 80;
  private static final long MAGIC = 0x3230_6372_7478_6c70L;
  private static final int PURPOSE = 8;
  private static final int BEFORE = 16;
  private static final int KEY_COUNT = 20;
  private static final int KEYS = 24;
  static final int LENGTHS = 56;
  private static final int PARTS = 4;
  private static final int CHECKSUM = 72;
  static final int HEADER_CHECKSUM = 76;

  private StoreFile() {}

  /**
   * Reads a file into a table's memory, which is of no use if that fails.
   *
   * @param before bytes of the code before
   * @return the execution keys
   * @throws IOException if it cannot be read, or is not whole, or was made for something else
   */
  static int[] read(Path path, long purpose, long before, BlockTable blocks) throws IOException {
    try (FileChannel in = FileChannel.open(path, StandardOpenOption.READ)) {
      ByteBuffer header = buffer(HEADER);
      readAll(in, header);
      int count = header.getInt(KEY_COUNT);
      if (header.getLong(0) != MAGIC
          || header.getLong(PURPOSE) != purpose
          || header.getInt(HEADER_CHECKSUM) != checksum(header)
          || header.getInt(BEFORE) != before
          || count < 0
          || count > MOST_KEYS) {
        throw new IOException("it is damaged");
      }
      long[] lengths = new long[PARTS];
      for (int i = 0; i < PARTS; i++) {
        lengths[i] = header.getInt(LENGTHS + 4 * i);
      }
      CRC32C sum = new CRC32C();
      for (MemorySegment part : blocks.room(lengths)) {
        readAll(in, part.asByteBuffer());
        sum.update(part.asByteBuffer());
      }
      if ((int) sum.getValue() != header.getInt(CHECKSUM) || in.position() != in.size()) {
        throw new IOException("it is damaged");
      }
      int[] keys = new int[count];
      for (int i = 0; i < count; i++) {
        keys[i] = header.getInt(KEYS + 4 * i);
      }
      return keys;
    }
  }

  /** Writes a whole file. */
  static void write(
      FileChannel out, long purpose, long before, int[] keys, List<MemorySegment> parts)
      throws IOException {
    ByteBuffer header = buffer(HEADER);
    header.putLong(0, MAGIC).putLong(PURPOSE, purpose).putInt(BEFORE, (int) before);
    header.putInt(KEY_COUNT, keys.length);
    for (int i = 0; i < keys.length; i++) {
      header.putInt(KEYS + 4 * i, keys[i]);
    }
    CRC32C sum = new CRC32C();
    List<ByteBuffer> buffers = new ArrayList<>(List.of(header));
    for (MemorySegment part : parts) {
      header.putInt(LENGTHS + 4 * (buffers.size() - 1), (int) part.byteSize());
      sum.update(part.asByteBuffer());
      buffers.add(part.asByteBuffer());
    }
    header.putInt(CHECKSUM, (int) sum.getValue());
    header.putInt(HEADER_CHECKSUM, checksum(header));
    for (ByteBuffer buffer : buffers) {
      while (buffer.hasRemaining()) {
        out.write(buffer);
      }
    }
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void readAll(FileChannel in, ByteBuffer to) throws IOException {
    while (to.hasRemaining()) {
      if (in.read(to) < 0) {
        throw new IOException("it ends in the middle");
      }
    }
  }

  static int checksum(ByteBuffer header) {
    CRC32C sum = new CRC32C();
    sum.update(header.slice(0, HEADER_CHECKSUM));
    return (int) sum.getValue();
  }
}
