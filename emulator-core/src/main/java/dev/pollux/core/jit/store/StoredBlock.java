package dev.pollux.core.jit.store;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.cache.ExitTable;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.jit.emit.BlockCode;
import java.nio.ByteBuffer;

/**
 * A translation as it stands in a {@link TranslationStore}: everything that a block is made of but
 * its place in memory. Little endian:
 *
 * <pre>
 *    0  u32  bytes, a multiple of 8         20  u16  bytes of the guest's code
 *    4  u32  checksum of all behind         22  u16  instructions
 *    8  u32  execution key                  24  u16  units that the code expects to be loaded
 *   12  u16  first of its jump tables       26  u16  offset of the code's entry
 *   14  u16  offset in the guest's page     28  u16  ways out
 *   16  u16  offset of the bytes looked at  30  u16  jumps to stubs
 *   18  u16  how many                       32  u32  bytes of host code
 *   36  each way out: 8 bytes of {@link ExitTable#write}, u16 offset of its number in the code
 *       each jump to a stub: u16 offset of its displacement, which is relative to a code of offset 0
 *       the bytes looked at; the host code
 * </pre>
 */
public final class StoredBlock {
  static final int LENGTH = 0;
  static final int CHECKSUM = 4;
  static final int KEY = 8;
  static final int HEADER = 36;

  private static final int TABLE = 12;
  private static final int START = 14;
  private static final int FIRST_LOOKED = 16;
  private static final int LOOKED = 18;
  private static final int GUEST_LENGTH = 20;
  private static final int COUNT = 22;
  private static final int UNITS = 24;
  private static final int ENTRY = 26;
  private static final int EXITS = 28;
  private static final int STUB_JUMPS = 30;
  private static final int CODE_LENGTH = 32;
  private static final int EXIT_BYTES = 10;
  private static final int NUMBER_AT = 8;

  private long at;

  /** Puts this view on another one. */
  void moveTo(long address) {
    at = address;
  }

  private int u16(int offset) {
    return RawMemory.getShort(at + offset) & 0xffff;
  }

  private int u32(int offset) {
    return RawMemory.getInt(at + offset);
  }

  /** True if all of it fits into its length. */
  boolean isWhole() {
    int code = codeLength();
    return code > 0
        && code < 1 << 16
        && codeAt() - at + code <= u32(LENGTH)
        && entryAt() < code
        && firstLooked() <= u16(START)
        && u16(START) + u16(GUEST_LENGTH) <= firstLooked() + lookedLength();
  }

  boolean isOf(int key, int table, int start) {
    return u32(KEY) == key && u16(TABLE) == table && u16(START) == start;
  }

  public int firstLooked() {
    return u16(FIRST_LOOKED);
  }

  public int lookedLength() {
    return u16(LOOKED);
  }

  /** The guest's bytes that the translation depends on. */
  public byte[] looked() {
    byte[] bytes = new byte[lookedLength()];
    RawMemory.copyOut(stubJumpsAt() + 2L * u16(STUB_JUMPS), bytes, 0, bytes.length);
    return bytes;
  }

  public int guestLength() {
    return u16(GUEST_LENGTH);
  }

  public int count() {
    return u16(COUNT);
  }

  public int units() {
    return u16(UNITS);
  }

  public int entryAt() {
    return u16(ENTRY);
  }

  private long stubJumpsAt() {
    return at + HEADER + (long) EXIT_BYTES * exits();
  }

  /** Host address of the code's bytes. */
  public long codeAt() {
    return stubJumpsAt() + 2L * u16(STUB_JUMPS) + lookedLength();
  }

  public int codeLength() {
    return u32(CODE_LENGTH);
  }

  public int exits() {
    return u16(EXITS);
  }

  private long exitAt(int i) {
    return at + HEADER + (long) EXIT_BYTES * i;
  }

  /** Where in the code the number of way out {@code i} stands. */
  public int numberAt(int i) {
    return RawMemory.getShort(exitAt(i) + NUMBER_AT) & 0xffff;
  }

  /** Enters way out {@code i} as the next one. */
  public void readExit(int i, ExitTable exits, JitBlock block) {
    exits.read(block, exitAt(i));
  }

  public int stubJumps() {
    return u16(STUB_JUMPS);
  }

  /** Offset in the code of the displacement of jump {@code i} to a stub. */
  public int stubJumpAt(int i) {
    return RawMemory.getShort(stubJumpsAt() + 2L * i) & 0xffff;
  }

  /** That displacement where the code is at offset 0 from the stubs. */
  public int stubJump(int i) {
    return RawMemory.getInt(codeAt() + stubJumpAt(i));
  }

  /**
   * Writes one but for its checksum.
   *
   * @param out little endian, with room; what is written begins at its position
   * @param table first of the jump tables of the block's key
   * @param host code as it was assembled
   * @param codeOffset of the code from the stubs
   * @param firstExit number of the block's first way out
   */
  static void write(
      ByteBuffer out,
      JitBlock block,
      BlockCode code,
      int table,
      byte[] host,
      int hostLength,
      int codeOffset,
      ExitTable exits,
      int firstExit) {
    int from = out.position();
    out.putInt(0).putInt(0).putInt(block.key());
    out.putShort((short) table).putShort((short) block.pageOffset());
    out.putShort((short) block.firstLooked()).putShort((short) block.lookedLength());
    out.putShort((short) block.length()).putShort((short) block.count());
    out.putShort((short) block.units()).putShort((short) code.entryAt());
    out.putShort((short) code.exits().size()).putShort((short) code.stubJumps().length);
    out.putInt(hostLength);
    int exit = firstExit;
    for (BlockCode.Exit way : code.exits()) {
      exits.write(exit++, out);
      out.putShort((short) way.numberAt());
    }
    for (int at : code.stubJumps()) {
      out.putShort((short) at);
    }
    out.put(block.looked());
    int codeFrom = out.position();
    out.put(host, 0, hostLength);
    for (int at : code.stubJumps()) {
      out.putInt(codeFrom + at, out.getInt(codeFrom + at) + codeOffset);
    }
    while ((out.position() - from & 7) != 0) {
      out.put((byte) 0);
    }
    out.putInt(from + LENGTH, out.position() - from);
  }
}
