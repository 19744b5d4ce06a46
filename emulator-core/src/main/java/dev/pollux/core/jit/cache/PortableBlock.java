package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;

/**
 * A translation as any vCPU can take it over, of this run or a later one: as if nothing had patched
 * its code. A view of memory:
 *
 * <pre>
 *    0  u32  bytes of all, a multiple of 8        4  u32  the first of its key's jump tables
 *    8  u64  offset of the code from the stubs
 *   16  the block's record, see {@link JitBlock}, its length rounded up to a multiple of 8
 *       the records of the ways out, see {@link ExitTable}
 *       the code
 * </pre>
 */
final class PortableBlock {
  /** Larger ones stay where they are made; few instructions make so much code. */
  static final int MOST_BYTES = 32 << 10;

  private static final int TABLE = 4;
  private static final int CODE_OFFSET = 8;
  private static final int RECORD = 16;

  private final long at;
  private final JitBlock block;

  PortableBlock(long at) {
    this.at = at;
    this.block = new JitBlock(at + RECORD);
  }

  /** The length of what {@link #write} writes. */
  static int bytes(JitBlock block) {
    int exits = block.exits() * ExitTable.RECORD;
    return rounded(RECORD + rounded(block.bytes()) + exits + block.codeBytes());
  }

  private static int rounded(int bytes) {
    return bytes + Long.BYTES - 1 & -Long.BYTES;
  }

  /**
   * Writes a block of a vCPU, which may be dropped, but has not been replaced by a quick one.
   *
   * @param table the first of its key's jump tables
   */
  void write(JitBlock from, int table, CodeCache cache, ExitTable exits) {
    int bytes = bytes(from);
    RawMemory.putLong(at + bytes - Long.BYTES, 0); // behind the code
    RawMemory.putInt(at, bytes);
    RawMemory.putInt(at + TABLE, table);
    RawMemory.putLong(at + CODE_OFFSET, from.start() - cache.address());
    RawMemory.putLong(at + RECORD + rounded(from.bytes()) - Long.BYTES, 0);
    RawMemory.copy(from.record(), at + RECORD, from.bytes());
    exits.copyUnlinked(from, exitRecord(0));
    cache.copyOut(from.start(), code(), from.codeBytes());
    for (int i = 0; i < from.exits(); i++) {
      int exit = from.firstExit() + i;
      if (exits.isLink(exit)) {
        long jump = exits.jump(exit);
        int toStub = (int) (exits.stub(exit) - (jump + Integer.BYTES));
        RawMemory.putInt(code() + jump - from.start(), toStub);
      }
    }
    if (!from.valid()) {
      long entry = code() + from.entry() - from.start();
      for (int i = 0; i < BlockCode.OPENING; i++) {
        RawMemory.putByte(entry + i, (byte) (from.opening() >>> Byte.SIZE * i));
      }
    }
  }

  /** Of one from a file: true if it lies in so many bytes, and all that it says in its parts. */
  boolean isSound(long room) {
    if (room < RECORD || bytes() < RECORD || bytes() > Math.min(room, MOST_BYTES)) {
      return false;
    }
    if (!block.isSound(bytes() - RECORD) || bytes(block) != bytes()) {
      return false;
    }
    boolean sound = true;
    for (int i = 0; i < block.exits(); i++) {
      sound &= ExitTable.isSound(block, exitRecord(i));
    }
    return sound;
  }

  /** Bytes of all of the one at an address. */
  static int bytesAt(long at) {
    return RawMemory.getInt(at);
  }

  /** Bytes of all. */
  int bytes() {
    return bytesAt(at);
  }

  /** Address of all. */
  long address() {
    return at;
  }

  /** The first of the jump tables that it was made for. */
  int table() {
    return RawMemory.getInt(at + TABLE);
  }

  /** Offset of the code from the stubs where it was made. */
  long codeOffset() {
    return RawMemory.getLong(at + CODE_OFFSET);
  }

  /** The block as it is known where it was made. */
  JitBlock block() {
    return block;
  }

  /** Address of the record of a way out. */
  long exitRecord(int i) {
    return at + RECORD + rounded(block.bytes()) + (long) ExitTable.RECORD * i;
  }

  /** Address of the code. */
  long code() {
    return exitRecord(block.exits());
  }
}
