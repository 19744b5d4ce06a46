package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.util.Arrays;

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
 *   40  u32  execution key                            66  u8   bits, see below
 *   44  u32  next in the same bucket                  67  u8   0: dropped, 1: in use
 *   48  u32  next of the blocks of its page           68  u32  first of the ways out that lead to it
 *   52  u32  ... and of its second page               72  u32  the group that it is kept in, or 0
 *   88  u16  bytes of the code                         76  u32  what it is found by when kept, or 0
 *   90  u16  displacements that lead to stubs          80  u32  the first of its ways out
 *   92  the bytes looked at                            84  u16  how many
 *       for each field that moves: u16 offset in       86  u8   fields that move
 *       these, u16 offset in the code or 0xffff        87  u8   gaps
 *       for each gap: u16 offset in these, u16 length
 *       for each way out: u16 offset in the code of its number
 *       for each such displacement: u16 offset in the code
 * </pre>
 *
 * <p>A field that moves is four bytes of the guest's code in which the address of a kernel is that
 * is somewhere else after each start, or a distance to such a one; in the code stands the same or
 * the sum of it and a constant. A gap is of bytes that lie among those looked at and do not matter.
 * See {@link dev.pollux.core.jit.store.MovedFields}. Of the bits 0 and 1 are the units, bit 2 is of
 * quick code, bit 3 of what came from an earlier run or from another vCPU, which keeps it, bit 4 of
 * a block that has an IN, bit 5 of hot code.
 */
public final class JitBlock {
  /** The part of an execution key that is the software TLB's mode. */
  public static final int MODE = 3;

  /** In an execution key: 32-bit code, its segments being flat. */
  public static final int CODE32 = 1 << 7;

  /** Bits of an execution key. */
  public static final int KEY_BITS = 9;

  private static final int PAGE_BITS = 12;

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
  private static final int BITS = 66;
  private static final int VALID = 67;
  private static final int INCOMING = 68;
  private static final int GROUP = 72;
  private static final int HASH = 76;
  private static final int FIRST_EXIT = 80;
  private static final int EXITS = 84;
  private static final int MOVED = 86;
  private static final int GAPS = 87;
  private static final int CODE_BYTES = 88;
  private static final int STUB_JUMPS = 90;
  private static final int LOOKED = 92;
  private static final int PAIR = 4;
  private static final int PLACE = 2;
  private static final int FIELD = 4;

  private static final int UNITS = 3;
  private static final int QUICK = 1 << 2;
  private static final int SAVED = 1 << 3;

  /** Among the units of {@link Parts}: the block has an IN. */
  public static final int READS_PORTS = 1 << 4;

  /** Among the units of {@link Parts}: it is hot code, which is right for this vCPU alone. */
  public static final int HOT = 1 << 5;

  // Values of fields that move, as u32: where Linux puts itself if it moves, above where it was
  // linked; and from there to its CPUs' own variables, which are linked at 0.
  public static final int FIRST_MOVED = 0x8400_0000;
  public static final int END_MOVED = 0xc000_0000;
  private static final int FIRST_DISTANCE = 0x4000_0000;
  private static final int END_DISTANCE = 0x7c00_0000;

  /** In place of the offset in the code of a field that is not there. */
  public static final int NOT_IN_CODE = 0xffff;

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
   * @param units what to pass to the way in when the code is entered behind an instruction, and
   *     {@link #READS_PORTS} and {@link #HOT}
   * @param dropped what the entry leads to while the block is dropped
   * @param firstLooked offset in the guest's first page of the bytes that the translation depends
   *     on, which lie one behind the other in {@code page} from there to {@code afterLooked}, those
   *     of a second page last
   * @param hash what the block is found by when it is kept for later runs, or 0
   * @param firstExit number of the first of its ways out
   * @param moved fields that move: offset in the page, offset in the code, and so on; at most 255
   * @param gaps offset in the page, length, and so on; at most 255
   * @param group that it is kept in, or 0
   * @param quick the code is quick
   * @param codeBytes length of the code
   * @param code what is known of it
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
      int afterLooked,
      int hash,
      int firstExit,
      int[] moved,
      int[] gaps,
      int group,
      boolean quick,
      int codeBytes,
      BlockCode code) {
    /** Bytes of the record. */
    int bytes() {
      return JitBlock.bytes(
          afterLooked - firstLooked,
          (moved.length + gaps.length) / 2,
          code.exits().size() + code.stubJumps().length);
    }
  }

  /** The block whose record is at an address. */
  JitBlock(long at) {
    this.at = at;
  }

  private static int bytes(int looked, int pairs, int places) {
    return LOOKED + looked + PAIR * pairs + PLACE * places;
  }

  /** Bytes of the record. */
  int bytes() {
    return bytes(lookedLength(), u8(MOVED) + u8(GAPS), exits() + stubJumps());
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
    RawMemory.putByte(at + BITS, (byte) (parts.units | (parts.quick ? QUICK : 0)));
    setValid(true);
    RawMemory.putInt(at + HASH, parts.hash);
    RawMemory.putInt(at + FIRST_EXIT, parts.firstExit);
    RawMemory.putShort(at + EXITS, (short) parts.code.exits().size());
    RawMemory.putByte(at + MOVED, (byte) (parts.moved.length / 2));
    RawMemory.putByte(at + GAPS, (byte) (parts.gaps.length / 2));
    RawMemory.putInt(at + GROUP, parts.group);
    RawMemory.putShort(at + CODE_BYTES, (short) parts.codeBytes);
    RawMemory.putShort(at + STUB_JUMPS, (short) parts.code.stubJumps().length);
    RawMemory.copyIn(parts.page, parts.firstLooked, at + LOOKED, looked);
    long next = writePairs(at + LOOKED + looked, parts.moved, parts.firstLooked);
    writePlaces(writePairs(next, parts.gaps, parts.firstLooked), parts.code);
  }

  private static void writePlaces(long to, BlockCode code) {
    long next = to;
    for (BlockCode.Exit exit : code.exits()) {
      RawMemory.putShort(next, (short) exit.numberAt());
      next += PLACE;
    }
    for (int jump : code.stubJumps()) {
      RawMemory.putShort(next, (short) jump);
      next += PLACE;
    }
  }

  private static long writePairs(long to, int[] pairs, int firstLooked) {
    for (int i = 0; i < pairs.length; i += 2, to += PAIR) {
      RawMemory.putShort(to, (short) (pairs[i] - firstLooked));
      RawMemory.putShort(to + 2, (short) pairs[i + 1]);
    }
    return to;
  }

  private int u8(int field) {
    return RawMemory.getByte(at + field) & 0xff;
  }

  private int u16(int field) {
    return RawMemory.getShort(at + field) & 0xffff;
  }

  /** True for a view of the same block. */
  @Override
  public boolean equals(Object other) {
    return other instanceof JitBlock block && block.at == at;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(at);
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
    return start(at);
  }

  /** The same for a record. */
  static long start(long record) {
    return RawMemory.getLong(record + START);
  }

  /** Address to enter it at otherwise, all registers loaded by the way in. */
  public long entry() {
    return start() + u16(ENTRY);
  }

  /** What to pass to the way in when the code is entered behind an instruction. */
  public int units() {
    return RawMemory.getByte(at + BITS) & UNITS;
  }

  /** True if the block has an IN. */
  public boolean readsPorts() {
    return (RawMemory.getByte(at + BITS) & READS_PORTS) != 0;
  }

  /** It is code that executes so often that its accesses have pages of their own. */
  public boolean hot() {
    return (RawMemory.getByte(at + BITS) & HOT) != 0;
  }

  /** It is code that executes often. */
  public boolean quick() {
    return (RawMemory.getByte(at + BITS) & QUICK) != 0;
  }

  /** True if another run has kept it already, or another vCPU keeps it. */
  boolean saved() {
    return (RawMemory.getByte(at + BITS) & SAVED) != 0;
  }

  /** Bytes of the code. */
  int codeBytes() {
    return u16(CODE_BYTES);
  }

  /** How many displacements in the code lead to stubs. */
  int stubJumps() {
    return u16(STUB_JUMPS);
  }

  /**
   * Address of places in the code, each an offset of 16 bits: of the number of each way out, then
   * of each displacement that leads to a stub.
   */
  long places() {
    return at + LOOKED + lookedLength() + (long) PAIR * (u8(MOVED) + u8(GAPS));
  }

  static int place(long places, int i) {
    return RawMemory.getShort(places + (long) PLACE * i) & 0xffff;
  }

  /** Offset in the guest's first page of the bytes that the translation depends on. */
  public int firstLooked() {
    return u16(FIRST_LOOKED);
  }

  public int lookedLength() {
    return u16(LOOKED_LENGTH);
  }

  /** Address of the guest's bytes that the translation depends on. */
  long lookedAddress() {
    return at + LOOKED;
  }

  /** The guest's bytes that the translation depends on, those of a second page last. */
  public byte[] looked() {
    byte[] bytes = new byte[lookedLength()];
    RawMemory.copyOut(at + LOOKED, bytes, 0, bytes.length);
    return bytes;
  }

  /** Host address of what the translation knows of the guest's bytes from an offset in it on. */
  public long lookedAt(int offset) {
    return at + LOOKED + pageOffset() - firstLooked() + offset;
  }

  /**
   * Of a record from a file: true if it lies in so many bytes, and what it says in the page and in
   * its code.
   */
  boolean isSound(int room) {
    return room >= LOOKED
        && bytes() <= room
        && hash() != 0
        && key() >>> KEY_BITS == 0
        && host() >>> PAGE_BITS == 0
        && secondPage() == 0
        && !hot()
        && count() > 0
        && firstLooked() <= pageOffset()
        && pageOffset() + length() <= firstLooked() + lookedLength()
        && firstLooked() + lookedLength() <= 1 << PAGE_BITS
        && u16(ENTRY) + BlockCode.OPENING <= codeBytes()
        && areIn(codeBytes());
  }

  private boolean areIn(int code) {
    int fields = u8(MOVED);
    boolean sound = true;
    for (int i = 0; i < fields + u8(GAPS); i++) {
      int second = pair(i, 2);
      int length = i < fields ? FIELD : second;
      sound &= pair(i, 0) + length <= lookedLength();
      sound &= i >= fields || second == NOT_IN_CODE || second + FIELD <= code;
    }
    long places = places();
    for (int i = exits() + stubJumps() - 1; i >= 0; i--) {
      sound &= place(places, i) + FIELD <= code;
    }
    return sound;
  }

  /** True if a page of the guest has the bytes that the translation depends on. */
  public boolean isOf(byte[] page) {
    return RawMemory.equal(page, firstLooked(), at + LOOKED, lookedLength());
  }

  /** The same, but that fields may have moved, all addresses as far and all distances as far. */
  boolean isOfMoved(byte[] page) {
    int fields = u8(MOVED);
    int pairs = fields + u8(GAPS);
    if (pairs == 0) {
      return isOf(page);
    }
    if (!moveAlike(page, fields)) {
      return false;
    }
    byte[] looked = looked();
    for (int i = 0; i < pairs; i++) {
      int from = pair(i, 0);
      System.arraycopy(page, firstLooked() + from, looked, from, i < fields ? FIELD : pair(i, 2));
    }
    return Arrays.equals(
        looked, 0, looked.length, page, firstLooked(), firstLooked() + looked.length);
  }

  private boolean moveAlike(byte[] page, int fields) {
    int addresses = -1;
    int distances = -1;
    for (int i = 0; i < fields; i++) {
      int was = field(i);
      int is = fieldIn(page, i);
      boolean address = isAddress(was);
      int like = address ? addresses : distances;
      if (address ? !isAddress(is) : !isDistance(is)) {
        return false;
      }
      if (like >= 0 && is - was != fieldIn(page, like) - field(like)) {
        return false;
      }
      if (address) {
        addresses = i;
      } else {
        distances = i;
      }
    }
    return true;
  }

  /** True for the value of a field that may move. */
  public static boolean isAddress(int value) {
    return Integer.compareUnsigned(value - FIRST_MOVED, END_MOVED - FIRST_MOVED) < 0;
  }

  /** True for the value of a field that may move the other way. */
  public static boolean isDistance(int value) {
    return value >= FIRST_DISTANCE && value < END_DISTANCE;
  }

  /** A part of a field or gap; gaps come behind the fields. */
  private int pair(int i, int part) {
    long from = at + LOOKED + lookedLength() + (long) PAIR * i + part;
    return RawMemory.getShort(from) & 0xffff;
  }

  /** The value of a field when the translation was made. */
  private int field(int i) {
    return RawMemory.getInt(at + LOOKED + pair(i, 0));
  }

  private int fieldIn(byte[] page, int i) {
    int from = firstLooked() + pair(i, 0);
    return page[from] & 0xff
        | (page[from + 1] & 0xff) << 8
        | (page[from + 2] & 0xff) << 16
        | page[from + 3] << 24;
  }

  /** Becomes the translation of what a page has, for which {@link #isOfMoved} is true. */
  void move(byte[] page, CodeCache cache) {
    if (u8(MOVED) + u8(GAPS) == 0) {
      return;
    }
    for (int i = 0; i < u8(MOVED); i++) {
      int inCode = pair(i, 2);
      if (inCode != NOT_IN_CODE) {
        cache.add32(start() + inCode, fieldIn(page, i) - field(i));
      }
    }
    RawMemory.copyIn(page, firstLooked(), at + LOOKED, lookedLength());
  }

  boolean isOf(int key, long host) {
    return isOf(at, key, host);
  }

  /** The same for a record. */
  static boolean isOf(long record, int key, long host) {
    return RawMemory.getLong(record + HOST) == host && RawMemory.getInt(record + KEY) == key;
  }

  /** Offset of the block's start in its page. */
  public int pageOffset() {
    return pageOffset(at);
  }

  /** The same for a record. */
  static int pageOffset(long record) {
    return (int) RawMemory.getLong(record + HOST) & 4095;
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

  /**
   * Of a copy of another vCPU's or an earlier run's record: what is different here. No list has it.
   *
   * @param page host address of the guest's page
   * @param group that it is kept in, or 0
   */
  void becomeCopy(long page, long start, long dropped, int group, int firstExit) {
    RawMemory.putLong(at + HOST, page + pageOffset());
    RawMemory.putLong(at + START, start);
    RawMemory.putLong(at + DROPPED, dropped);
    RawMemory.putInt(at + GROUP, group);
    RawMemory.putInt(at + FIRST_EXIT, firstExit);
    RawMemory.putByte(at + BITS, (byte) (RawMemory.getByte(at + BITS) | SAVED));
    setValid(true);
    setIncoming(0);
  }

  /** Of a copy that is kept: what is only right in this process is gone. */
  void becomeKept() {
    RawMemory.putLong(at + HOST, pageOffset());
    RawMemory.putLong(at + START, 0);
    RawMemory.putLong(at + DROPPED, 0);
    RawMemory.putLong(at + OPENING, 0);
    RawMemory.putInt(at + FIRST_EXIT, 0);
    setNext(0);
    setNextInPage(false, 0);
    setIncoming(0);
  }

  /** The group that it is kept in, or 0. */
  int group() {
    return RawMemory.getInt(at + GROUP);
  }

  /** What it is found by when it is kept; 0 if it cannot be. */
  public int hash() {
    return RawMemory.getInt(at + HASH);
  }

  /** It is not kept. */
  void forget() {
    RawMemory.putInt(at + HASH, 0);
  }

  /** Number of the first of its ways out. */
  public int firstExit() {
    return RawMemory.getInt(at + FIRST_EXIT);
  }

  /** How many ways out it has. */
  public int exits() {
    return u16(EXITS);
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
    return next(at);
  }

  /** The same for a record. */
  static int next(long record) {
    return RawMemory.getInt(record + NEXT);
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
}
