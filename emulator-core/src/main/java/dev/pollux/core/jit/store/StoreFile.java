package dev.pollux.core.jit.store;

import dev.pollux.core.jit.JitLayout;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32C;

/**
 * The file of a {@link TranslationStore}: a header, groups of blocks, see {@link
 * dev.pollux.core.jit.cache.BlockGroup}, and a directory of them, which is read when the file is
 * opened. Little endian.
 *
 * <pre>
 *    0  u64  magic number                   40  u32  number of this run
 *    8  u64  what the translations are for  44  u32  groups; the first one's number is 1
 *   16  u64  random                         48  u32  slots of the table
 *   24  u64  offset of the directory        52  u32  of these, taken ones
 *   32  u32  bytes of the code before       56  u32  CRC-32C of the directory
 *   36  u32  number of execution keys       60  12 u32  execution keys, by their jump tables
 *  108  u32  CRC-32C of the header before
 * the directory:
 *    u64 of each group: offset in the file
 *    u32 of each group: bytes
 *    u32 of each group: CRC-32C
 *    u32 of each group: number of the run that used it last
 *    the table, see {@link HashTable}
 * </pre>
 */
final class StoreFile {
  static final int HEADER = 112;
  static final int HEADER_CHECKSUM = 108;

  private static final long MAGIC = 0x3330_6372_7478_6c70L;
  private static final int PURPOSE = 8;
  private static final int BEFORE = 32;
  private static final int KEY_COUNT = 36;
  private static final int KEYS = 60;
  private static final int MOST_KEYS = JitLayout.JUMP_GROUPS;
  private static final int STAMP = 16;
  static final int DIRECTORY = 24;
  private static final int RUN = 40;
  static final int GROUPS = 44;
  private static final int SLOTS = 48;
  private static final int TAKEN = 52;
  private static final int CHECKSUM = 56;
  private static final int MOST_GROUPS = 1 << 22;

  private StoreFile() {}

  /**
   * What a header says besides where things are.
   *
   * @param before bytes of the code before that of blocks
   * @param keys execution keys by the number of their jump tables
   * @param stamp another one for each file
   */
  record Header(long purpose, long before, int[] keys, long stamp, int run) {}

  /** A file as far as it is read when it is opened. */
  record Contents(Header header, GroupDirectory directory, HashTable table) {}

  /**
   * Reads all but the groups.
   *
   * @param before bytes of the code before that of blocks
   * @throws IOException if it cannot be read, or is not whole, or was made for something else
   */
  static Contents read(FileChannel in, long purpose, long before) throws IOException {
    ByteBuffer header = buffer(HEADER);
    readAll(in, header, 0);
    int count = header.getInt(KEY_COUNT);
    long at = header.getLong(DIRECTORY);
    int groups = header.getInt(GROUPS);
    int slots = header.getInt(SLOTS);
    int taken = header.getInt(TAKEN);
    if (header.getLong(0) != MAGIC
        || header.getLong(PURPOSE) != purpose
        || header.getInt(HEADER_CHECKSUM) != checksum(header.slice(0, HEADER_CHECKSUM))
        || header.getInt(BEFORE) != before
        || !isIn(count, 0, MOST_KEYS)
        || !isIn(groups, 0, MOST_GROUPS)
        || !isIn(slots, HashTable.LEAST_SLOTS, HashTable.MOST_SLOTS)
        || Integer.bitCount(slots) != 1
        || !isIn(taken, 0, slots / 2)
        || at != in.size() - GroupDirectory.bytes(groups) - (long) slots * HashTable.SLOT) {
      throw new IOException("it is damaged");
    }
    int[] keys = new int[count];
    for (int i = 0; i < count; i++) {
      keys[i] = header.getInt(KEYS + 4 * i);
    }
    ByteBuffer directory = buffer(GroupDirectory.bytes(groups));
    HashTable table = new HashTable(slots, taken);
    try {
      readAll(in, directory, at);
      readAll(in, table.buffer(), at + directory.capacity());
      if (checksum(directory.rewind(), table.buffer()) != header.getInt(CHECKSUM)) {
        throw new IOException("it is damaged");
      }
    } catch (IOException e) {
      table.close();
      throw e;
    }
    return new Contents(
        new Header(purpose, before, keys, header.getLong(STAMP), header.getInt(RUN)),
        new GroupDirectory(directory.rewind(), groups),
        table);
  }

  private static boolean isIn(int value, int least, int most) {
    return value >= least && value <= most;
  }

  /** Writes all but the groups, which are there already, up to the channel's position. */
  static void write(FileChannel out, Contents contents) throws IOException {
    Header about = contents.header;
    ByteBuffer directory = contents.directory.write(buffer(contents.directory.bytes()));
    ByteBuffer header = buffer(HEADER);
    header.putLong(0, MAGIC).putLong(PURPOSE, about.purpose);
    header.putInt(BEFORE, (int) about.before).putInt(KEY_COUNT, about.keys.length);
    for (int i = 0; i < about.keys.length; i++) {
      header.putInt(KEYS + 4 * i, about.keys[i]);
    }
    header.putLong(STAMP, about.stamp).putLong(DIRECTORY, out.position());
    header.putInt(RUN, about.run).putInt(GROUPS, contents.directory.count());
    header.putInt(SLOTS, contents.table.slots()).putInt(TAKEN, contents.table.count());
    header.putInt(CHECKSUM, checksum(directory, contents.table.buffer()));
    header.putInt(HEADER_CHECKSUM, checksum(header.slice(0, HEADER_CHECKSUM)));
    writeAll(out, directory.rewind());
    writeAll(out, contents.table.buffer());
    out.position(0);
    writeAll(out, header);
  }

  static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  static void readAll(FileChannel in, ByteBuffer to, long offset) throws IOException {
    long at = offset;
    while (to.hasRemaining()) {
      int read = in.read(to, at);
      if (read <= 0) {
        throw new IOException("it ends in the middle");
      }
      at += read;
    }
  }

  static void writeAll(FileChannel out, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      out.write(buffer);
    }
  }

  static int checksum(ByteBuffer... parts) {
    CRC32C sum = new CRC32C();
    for (ByteBuffer part : parts) {
      sum.update(part);
    }
    return (int) sum.getValue();
  }
}
