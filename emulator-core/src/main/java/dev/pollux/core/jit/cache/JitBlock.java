package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;

/**
 * A piece of guest code and the host code made from it. It belongs to one execution key and to the
 * host memory that holds the guest's bytes, wherever the guest has mapped that. This is a view of
 * its record in a {@link BlockTable}, good until that is cleared:
 *
 * <pre>
 *    0  u64  host address of the first guest byte     56  u16  guest bytes
 *    8  u64  ... of the page of the last, or 0        58  u16  guest instructions
 *   16  u64  address of the code                      60  u16  offset in the code of its entry
 *   24  u64  what the entry leads to when dropped     62  u16  offset in the page of the bytes looked at
 *   32  u64  what stood there before                  64  u16  how many
 *   40  u32  execution key                            66  u8   units
 *   44  u32  next in the same bucket                  67  u8   1: in use, 0: dropped
 *   48  u32  next of the blocks of its page           68  u32  first of the ways out that lead to it
 *   52  u32  ... and of its second page               72  u32  number of its ready instructions
 *                                                    76  the bytes looked at
 * </pre>
 */
public final class JitBlock {
  /** The part of an execution key that is the software TLB's mode. */
  public static final int MODE = 3;

  /** In an execution key: 32-bit code, its segments being flat. */
  public static final int CODE32 = 1 << 7;

  private static final int HOST = 0;
  private static final int SECOND_PAGE = 8;
  private static final int START = 16;
  private static final int DROPPED = 24;
  private static final int OPENING = 32;
  private static final int KEY = 40;
  private static final int NEXT = 44;
  private static final int NEXT_IN_PAGE = 48;
  private static final int NEXT_IN_SECOND = 52;
  private static final int LENGTH = 56;
  private static final int COUNT = 58;
  private static final int ENTRY = 60;
  private static final int FIRST_LOOKED = 62;
  private static final int LOOKED_LENGTH = 64;
  private static final int UNITS = 66;
  private static final int VALID = 67;
  private static final int INCOMING = 68;
  private static final int READY = 72;
  private static final int LOOKED = 76;

  private final long at;

  /**
   * What a new block is made of.
   *
   * @param host address of the first guest byte
   * @param secondPage host address of the page that the last of the guest's bytes are in, if that
   *     is not the page of the first; otherwise 0
   * @param length guest bytes
   * @param count guest instructions
   * @param start address of the code
   * @param entryAt offset in it of the entry
   * @param units what to pass to the way in when the code is entered behind an instruction
   * @param dropped what the entry leads to while the block is dropped
   * @param firstLooked offset in the guest's first page of the bytes that the translation depends
   *     on, which lie one behind the other in {@code page} from there to {@code afterLooked}, those
   *     of a second page last
   */
  public record Parts(
      int key,
      long host,
      long secondPage,
      int length,
      int count,
      long start,
      int entryAt,
      int units,
      long dropped,
      byte[] page,
      int firstLooked,
      int afterLooked) {
    /** Bytes of the record. */
    int bytes() {
      return LOOKED + afterLooked - firstLooked;
    }
  }

  /** The block whose record is at an address. */
  JitBlock(long at) {
    this.at = at;
  }

  /** Writes the record; no list has it. */
  void write(Parts parts) {
    RawMemory.putLong(at + HOST, parts.host);
    RawMemory.putLong(at + SECOND_PAGE, parts.secondPage);
    RawMemory.putLong(at + START, parts.start);
    RawMemory.putLong(at + DROPPED, parts.dropped);
    RawMemory.putInt(at + KEY, parts.key);
    RawMemory.putShort(at + LENGTH, (short) parts.length);
    RawMemory.putShort(at + COUNT, (short) parts.count);
    RawMemory.putShort(at + ENTRY, (short) parts.entryAt);
    RawMemory.putShort(at + FIRST_LOOKED, (short) parts.firstLooked);
    int looked = parts.afterLooked - parts.firstLooked;
    RawMemory.putShort(at + LOOKED_LENGTH, (short) looked);
    RawMemory.putByte(at + UNITS, (byte) parts.units);
    setValid(true);
    RawMemory.copyIn(parts.page, parts.firstLooked, at + LOOKED, looked);
  }

  private int u16(int field) {
    return RawMemory.getShort(at + field) & 0xffff;
  }

  /** Address of the record. */
  long record() {
    return at;
  }

  /** Number of the execution key. */
  public int key() {
    return RawMemory.getInt(at + KEY);
  }

  /** Host address of the first guest byte. */
  public long host() {
    return RawMemory.getLong(at + HOST);
  }

  /** Host address of the page that the last of the guest's bytes are in if it is another, or 0. */
  public long secondPage() {
    return RawMemory.getLong(at + SECOND_PAGE);
  }

  /** Guest bytes. */
  public int length() {
    return u16(LENGTH);
  }

  /** Guest instructions. */
  public int count() {
    return u16(COUNT);
  }

  /** Address of the code, where jumps enter that have to look for requests. */
  public long start() {
    return RawMemory.getLong(at + START);
  }

  /** Address to enter it at otherwise, all registers loaded by the way in. */
  public long entry() {
    return start() + u16(ENTRY);
  }

  /** What to pass to the way in when the code is entered behind an instruction. */
  public int units() {
    return RawMemory.getByte(at + UNITS);
  }

  /** Offset in the guest's first page of the bytes that the translation depends on. */
  public int firstLooked() {
    return u16(FIRST_LOOKED);
  }

  public int lookedLength() {
    return u16(LOOKED_LENGTH);
  }

  /** The guest's bytes that the translation depends on, those of a second page last. */
  public byte[] looked() {
    byte[] bytes = new byte[lookedLength()];
    RawMemory.copyOut(at + LOOKED, bytes, 0, bytes.length);
    return bytes;
  }

  /** True if a page of the guest has the bytes that the translation depends on. */
  boolean isOf(byte[] page) {
    return RawMemory.equal(page, firstLooked(), at + LOOKED, lookedLength());
  }

  boolean isOf(int key, long host) {
    return host() == host && key() == key;
  }

  /** Offset of the block's start in its page. */
  public int pageOffset() {
    return (int) host() & 4095;
  }

  /** Bits of the code that belongs to an execution key. */
  public static int codeSize(int key) {
    return (key & CODE32) != 0 ? 32 : 64;
  }

  /** False while the block is dropped, and when all are. */
  public boolean valid() {
    return RawMemory.getByte(at + VALID) != 0;
  }

  void setValid(boolean valid) {
    RawMemory.putByte(at + VALID, (byte) (valid ? 1 : 0));
  }

  /** What {@link #entry} leads to while the block is dropped. */
  long dropped() {
    return RawMemory.getLong(at + DROPPED);
  }

  /** What stood at {@link #entry} before the block was dropped. */
  long opening() {
    return RawMemory.getLong(at + OPENING);
  }

  void setOpening(long bytes) {
    RawMemory.putLong(at + OPENING, bytes);
  }

  // Lists: a record's number, 0 at the end.

  /** Next in the same bucket, of the blocks in use or of the dropped ones. */
  int next() {
    return RawMemory.getInt(at + NEXT);
  }

  void setNext(int number) {
    RawMemory.putInt(at + NEXT, number);
  }

  /** Next in the bucket of a page that the block is in. */
  int nextInPage(boolean second) {
    return RawMemory.getInt(at + (second ? NEXT_IN_SECOND : NEXT_IN_PAGE));
  }

  void setNextInPage(boolean second, int number) {
    RawMemory.putInt(at + (second ? NEXT_IN_SECOND : NEXT_IN_PAGE), number);
  }

  /** The way out that was led here last, or 0. */
  int incoming() {
    return RawMemory.getInt(at + INCOMING);
  }

  void setIncoming(int exit) {
    RawMemory.putInt(at + INCOMING, exit);
  }

  /** Its number in {@link ReadyInstructions}, or 0. */
  int ready() {
    return RawMemory.getInt(at + READY);
  }

  void setReady(int number) {
    RawMemory.putInt(at + READY, number);
  }
}
