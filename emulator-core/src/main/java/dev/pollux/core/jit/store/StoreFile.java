package dev.pollux.core.jit.store;

import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The file of a {@link TranslationStore}, mapped to be read: a header, {@link StoredBlock}s, and a
 * table that finds them. Little endian.
 *
 * <pre>
 *    0  u64  magic number                    24  u32  hint: execution keys
 *    8  u64  what the translations are for   28  u32  their jump tables' numbers ...
 *   16  u32  bytes of header and blocks      56  u32  0
 *   20  u32  slots of the table, as a shift  60  u32  checksum of the header before
 * </pre>
 *
 * <p>A slot of the table is u64: in the upper half a hash that is not 0, in the lower an offset in
 * the file in units of 8 bytes; behind a slot that is taken the next may hold the same hash.
 */
final class StoreFile {
  static final int HEADER = 64;

  /** Bytes that a file has at most. */
  static final long MOST_BYTES = 128L << 20;

  static final int MOST_KEYS = 6;

  private static final long MAGIC = 0x3130_6372_7478_6c70L;
  private static final int PURPOSE = 8;
  private static final int END = 16;
  private static final int SLOT_BITS = 20;
  private static final int KEYS = 24;
  private static final int CHECKSUM = 60;
  private static final long MULTIPLIER = 0x9e37_79b9_7f4a_7c15L;

  /** Keeps the mapping. */
  private final MemorySegment file;

  private final long base;
  private final int end;
  private final int slotMask;

  /** By slot, 1: its block was used. */
  private final byte[] used;

  private StoreFile(MemorySegment file) {
    this.file = file;
    this.base = file.address();
    this.end = RawMemory.getInt(base + END);
    this.slotMask = (1 << RawMemory.getInt(base + SLOT_BITS)) - 1;
    this.used = new byte[slotMask + 1];
  }

  /**
   * Maps a file.
   *
   * @throws IOException if it cannot be read, or is not whole, or was made for something else
   */
  static StoreFile open(Path path, long purpose) throws IOException {
    try (FileChannel in = FileChannel.open(path, StandardOpenOption.READ)) {
      if (in.size() < HEADER || in.size() > MOST_BYTES) {
        throw new IOException("it has " + in.size() + " bytes");
      }
      MemorySegment file =
          MemorySegment.ofBuffer(in.map(FileChannel.MapMode.READ_ONLY, 0, in.size()));
      check(file.address(), file.byteSize(), purpose);
      return new StoreFile(file);
    }
  }

  private static void check(long file, long size, long purpose) throws IOException {
    int bits = RawMemory.getInt(file + SLOT_BITS);
    long end = RawMemory.getInt(file + END);
    if (RawMemory.getLong(file) != MAGIC
        || RawMemory.getLong(file + PURPOSE) != purpose
        || checksum(file, CHECKSUM) != RawMemory.getInt(file + CHECKSUM)
        || bits < 0
        || bits > 24
        || end < HEADER
        || end + (8L << bits) != size) {
      throw new IOException("it is damaged");
    }
  }

  /**
   * The checksum of memory, by loads of Java's own: a file that somebody truncates while it is
   * mapped gives an error then, where one of the JVM's stubs would end the process.
   *
   * @param length bytes, a multiple of 4
   */
  static int checksum(long address, int length) {
    long sum = length;
    int at = 0;
    for (; at <= length - 8; at += 8) {
      sum = (sum ^ RawMemory.getLong(address + at)) * MULTIPLIER;
      sum ^= sum >>> 32;
    }
    if (at < length) {
      sum = (sum ^ RawMemory.getInt(address + at)) * MULTIPLIER;
    }
    return (int) (sum >>> 32 ^ sum);
  }

  /** A header. */
  static ByteBuffer header(long purpose, int end, int slotBits, int[] keys) {
    ByteBuffer header = ByteBuffer.allocateDirect(HEADER).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(0, MAGIC).putLong(PURPOSE, purpose).putInt(END, end).putInt(SLOT_BITS, slotBits);
    header.putInt(KEYS, keys.length);
    for (int i = 0; i < keys.length; i++) {
      header.putInt(KEYS + 4 + 4 * i, keys[i]);
    }
    return header.putInt(CHECKSUM, checksum(MemorySegment.ofBuffer(header).address(), CHECKSUM));
  }

  /** The keys whose jump tables come first. */
  int[] keys() {
    int[] keys = new int[Math.clamp(RawMemory.getInt(base + KEYS), 0, MOST_KEYS)];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = RawMemory.getInt(base + KEYS + 4 + 4L * i);
    }
    return keys;
  }

  /** The blocks. */
  ByteBuffer blocks() {
    return file.asSlice(HEADER, end - HEADER).asByteBuffer();
  }

  long base() {
    return base;
  }

  /** Bytes of header and blocks. */
  int end() {
    return end;
  }

  int slots() {
    return slotMask + 1;
  }

  long slot(int number) {
    return RawMemory.getLong(base + end + 8L * (number & slotMask));
  }

  /** Notes that the block of a slot is used. */
  void use(int number) {
    used[number & slotMask] = 1;
  }

  boolean isUsed(int number) {
    return used[number] != 0;
  }

  /** How many slots are taken, or only those of blocks that were used. */
  int count(boolean onlyUsed) {
    int count = 0;
    for (int i = 0; i <= slotMask; i++) {
      count += slot(i) != 0 && (!onlyUsed || isUsed(i)) ? 1 : 0;
    }
    return count;
  }

  /** Bytes of the block at an offset, 0 if they are not in the file. */
  int length(int offset) {
    int length = RawMemory.getInt(base + offset + StoredBlock.LENGTH);
    return length >= StoredBlock.HEADER && length <= end - offset ? length : 0;
  }

  /** The bytes of the block at an offset. */
  ByteBuffer block(int offset) {
    return file.asSlice(offset, length(offset)).asByteBuffer();
  }

  /** The offset of the block that a slot is of, or -1. */
  int offset(long slot) {
    long offset = (slot & 0xffff_ffffL) << 3;
    return offset >= HEADER && offset <= end - StoredBlock.HEADER ? (int) offset : -1;
  }
}
