package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.emit.BlockCode;

/**
 * A finished translation as any vCPU can take it over: nothing has patched its code yet. A view of
 * memory, in which numbers are those of the vCPU that has made it until they are replaced:
 *
 * <pre>
 *    0  u32  bytes of all, a multiple of 8        16  u32  bytes of the code
 *    4  u32  the first of its key's jump tables   20  u16  ways out
 *    8  u64  offset of the code from the stubs    22  u16  displacements that lead to stubs
 *   24  the block's record, see {@link JitBlock}, its length rounded up to a multiple of 8
 *       the records of the ways out, see {@link ExitTable}
 *       the code
 *       for each way out: u16, where its number is in the code
 *       for each such displacement: u16, where it is
 * </pre>
 */
final class SharedBlock {
  /** Larger ones are not shared; few instructions make so much code. */
  static final int MOST_BYTES = 32 << 10;

  private static final int TABLE = 4;
  private static final int CODE_OFFSET = 8;
  private static final int CODE_BYTES = 16;
  private static final int EXITS = 20;
  private static final int STUB_JUMPS = 22;
  private static final int RECORD = 24;
  private static final long PLACE = 2;

  private final long at;

  SharedBlock(long at) {
    this.at = at;
  }

  /** The length of what {@link #write} writes. */
  static int bytes(JitBlock block, BlockCode code, int codeBytes) {
    int exits = code.exits().size();
    int places = Short.BYTES * (exits + code.stubJumps().length);
    return rounded(RECORD + rounded(block.bytes()) + exits * ExitTable.RECORD + codeBytes + places);
  }

  private static int rounded(int bytes) {
    return bytes + Long.BYTES - 1 & -Long.BYTES;
  }

  /**
   * @param bytes from {@link #bytes}
   * @param code of the block
   * @param written the code itself
   * @param offset of it from the stubs
   */
  void write(
      int bytes,
      JitBlock block,
      int table,
      BlockCode code,
      CodeBuffer written,
      long offset,
      ExitTable exits) {
    RawMemory.putInt(at, bytes);
    RawMemory.putInt(at + TABLE, table);
    RawMemory.putLong(at + CODE_OFFSET, offset);
    RawMemory.putInt(at + CODE_BYTES, written.position());
    RawMemory.putShort(at + EXITS, (short) code.exits().size());
    RawMemory.putShort(at + STUB_JUMPS, (short) code.stubJumps().length);
    RawMemory.copy(block.record(), at + RECORD, block.bytes());
    exits.copyOut(block.firstExit(), code.exits().size(), exitRecord(0));
    RawMemory.copyIn(written.array(), 0, code(), written.position());
    long place = code() + written.position();
    for (BlockCode.Exit exit : code.exits()) {
      RawMemory.putShort(place, (short) exit.numberAt());
      place += PLACE;
    }
    for (int jump : code.stubJumps()) {
      RawMemory.putShort(place, (short) jump);
      place += PLACE;
    }
  }

  /** Bytes of all. */
  int bytes() {
    return RawMemory.getInt(at);
  }

  /** The first of the jump tables that it was made for. */
  int table() {
    return RawMemory.getInt(at + TABLE);
  }

  /** Offset of the code from the stubs where it was made. */
  long codeOffset() {
    return RawMemory.getLong(at + CODE_OFFSET);
  }

  int codeBytes() {
    return RawMemory.getInt(at + CODE_BYTES);
  }

  int exits() {
    return u16(at + EXITS);
  }

  int stubJumps() {
    return u16(at + STUB_JUMPS);
  }

  /** The block as it is known where it was made. */
  JitBlock block() {
    return new JitBlock(at + RECORD);
  }

  /** Address of the record of a way out. */
  long exitRecord(int i) {
    return at + RECORD + rounded(block().bytes()) + (long) ExitTable.RECORD * i;
  }

  /** Address of the code. */
  long code() {
    return exitRecord(exits());
  }

  /** Offset in the code of the number of a way out. */
  int numberAt(int exit) {
    return u16(code() + codeBytes() + PLACE * exit);
  }

  /** Offset in the code of a displacement that leads to a stub. */
  int stubJump(int i) {
    return u16(code() + codeBytes() + PLACE * (exits() + i));
  }

  private static int u16(long address) {
    return RawMemory.getShort(address) & 0xffff;
  }
}
