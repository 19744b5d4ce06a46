package dev.pollux.core.jit;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.mmu.TlbLayout;

/**
 * The code generator's own fields in a vCPU's block, from {@link CpuLayout#JIT_NEAR} and from
 * {@link CpuLayout#JIT} on. Nothing here is saved.
 */
public final class JitLayout {
  private JitLayout() {}

  /** u32, 1: guest vector registers and MXCSR are in the host's. */
  public static final int SIMD_LOADED = CpuLayout.JIT_NEAR;

  /** u32, 1: guest x87 state is in the host's. */
  public static final int X87_LOADED = SIMD_LOADED + 4;

  /** u32: number of the exit taken. */
  public static final int EXIT = X87_LOADED + 4;

  /** i32: PAUSE instructions left until the host's processor is offered to others. */
  public static final int SPINS = EXIT + 4;

  /** {@link #SPINS} at first: some ten microseconds of waiting. */
  public static final int MOST_SPINS = 200;

  // What code writes all the time is in one line of the host's cache from here on: processors write
  // to one line at a time.

  /**
   * u16: the guest's status flags between blocks. High byte as LAHF gives it (SF ZF AF PF CF), low
   * byte OF as SETO gives it. Or u32, flags that nothing reads: how to find them out if they are
   * asked for ({@link dev.pollux.core.jit.emit.FlagRecipe}).
   */
  public static final int FLAGS = (SPINS + 4 + 63) & -64;

  /**
   * u64: linear address of the page that the code being executed was translated from, or begins in:
   * translations know only where in their page they are.
   */
  public static final int PAGE = FLAGS + 8;

  /** Two u64: operands that are kept because flags may be asked for that depend on them. */
  public static final int FLAG_OPERANDS = PAGE + 8;

  /**
   * i32: calls of common code that blocks make until one that makes them is translated anew, so
   * that it needs none; negative: the block that has left just now is to be.
   */
  public static final int CALLS_LEFT = FLAG_OPERANDS + 16;

  /** u64: host address that several accesses share which one probe of the TLB has found. */
  public static final int PROBED = (CALLS_LEFT + 4 + 7) & -8;

  /** u64: as far down the host's RSP may be where a return is going to be expected. */
  public static final int RETURN_LIMIT = PROBED + 8;

  /** u64: the host's RSP while no return is expected. */
  public static final int HOST_SP = RETURN_LIMIT + 8;

  /** XSAVE area of 576 bytes, x87 component only: guest x87 state on its way in or out. */
  public static final int X87_AREA = CpuLayout.JIT;

  /** u32: the host's own MXCSR. */
  public static final int HOST_MXCSR = X87_AREA + 576;

  /**
   * u64: guest time for RDTSC. While the host's time-stamp counter is less than {@link #CLOCK_SPAN}
   * beyond this, guest time in nanoseconds is {@link #CLOCK_NANOS} plus the distance times {@link
   * #CLOCK_SCALE} / 2^32.
   */
  public static final int CLOCK_TSC = (HOST_MXCSR + 4 + 7) & -8;

  /** u64: as {@link #CLOCK_TSC} says; 0: the interpreter reads the clock. */
  public static final int CLOCK_SPAN = CLOCK_TSC + 8;

  /** u64: as {@link #CLOCK_TSC} says. */
  public static final int CLOCK_SCALE = CLOCK_SPAN + 8;

  /** u64: as {@link #CLOCK_TSC} says. */
  public static final int CLOCK_NANOS = CLOCK_SCALE + 8;

  /** Bytes of {@link #COPY}. */
  public static final int MOST_COPIED = 256;

  /** What an instruction reads that lies in two pages. */
  public static final int COPY = CLOCK_NANOS + 8;

  // The jump cache's books: what was entered since it was forgotten.

  /** Entries that {@link #JUMP_LOCAL} holds; that many also if there were more. */
  public static final int JUMP_LOCALS = 16384;

  /** u32: length of {@link #JUMP_LOCAL}. */
  public static final int JUMP_LOCAL_COUNT = COPY + MOST_COPIED;

  /** A byte for each table of the jump cache, 1: it has entries. */
  public static final int JUMP_TABLES_USED = JUMP_LOCAL_COUNT + 8;

  /** List of u32: offsets in the block of entries that belong to pages that are not global. */
  public static final int JUMP_LOCAL = JUMP_TABLES_USED + 40;

  /** Bits of each filter of {@link #JUMP_PAGES}. */
  public static final int JUMP_PAGE_BITS = 32768;

  /**
   * Two Bloom filters of pages that entries belong to, by address bits 12 and up: first of those
   * that are not global, or not in the upper half of the addresses, then of the others.
   */
  public static final int JUMP_PAGES = JUMP_LOCAL + JUMP_LOCALS * 4;

  /** Bytes used. */
  public static final int SIZE = JUMP_PAGES + 2 * JUMP_PAGE_BITS / 8 - CpuLayout.JIT;

  // What stands behind the call of a stub that fills a TLB entry: u32 number of the exit ...

  /** ... u8 bytes of the access ... */
  public static final int REFILL_SIZE = 4;

  /** ... u16 how far before these the probe is ... */
  public static final int REFILL_BACK = 5;

  /** ... u8 its length, 0: an access that lies in two pages has to leave. */
  public static final int REFILL_LENGTH = REFILL_BACK + 2;

  /** Bytes of all. */
  public static final int REFILL_DATA = REFILL_LENGTH + 1;

  /**
   * Where code calls a probe u32 number of the exit stands that far behind the call, in an
   * instruction.
   */
  public static final int CALL_NUMBER = 1;

  // The table of blocks by host memory, outside the vCPU's block: sets of four entries, each u64
  // blockTag, u64 address of the code.

  /** Bytes of a set, as a shift. */
  public static final int BLOCK_SET_BITS = 6;

  /** Bytes of an entry. */
  public static final int BLOCK_ENTRY = 16;

  /** Sets, as a shift. */
  public static final int BLOCK_SETS_BITS = 16;

  /** How far the low 32 bits of a host address's product with {@link #JUMP_HASH} are shifted. */
  public static final int BLOCK_HASH_SHIFT = Integer.SIZE - BLOCK_SETS_BITS;

  /** Offset in the table of the set of a block whose guest code is at a host address. */
  public static long blockSet(long host) {
    return (long) ((int) host * JUMP_HASH >>> BLOCK_HASH_SHIFT) << BLOCK_SET_BITS;
  }

  /**
   * @param table the jump cache's, which tells the execution key
   */
  public static long blockTag(long host, int table) {
    return host | (long) (table | 0x80) << 48;
  }

  /**
   * Jump cache: this many execution keys, modes of the software TLB aside, have tables. A PC's
   * firmware, Linux and its programs come to nine together.
   */
  public static final int JUMP_GROUPS = 12;

  /** Tables of such a key: one for each mode. */
  public static final int GROUP_TABLES = TlbLayout.MODES;

  /** Jump cache: tables. */
  public static final int JUMP_TABLES = JUMP_GROUPS * GROUP_TABLES;

  /** Entries of one table. */
  public static final int JUMP_ENTRIES = CpuLayout.JUMP_CACHE_ENTRIES / JUMP_TABLES;

  /** Bytes of an entry, as a shift. */
  public static final int JUMP_ENTRY_BITS = 4;

  /** Bytes of one table. */
  public static final int JUMP_TABLE_SIZE = JUMP_ENTRIES << JUMP_ENTRY_BITS;

  /**
   * An address's place in its table is in the upper bits of its product with this: functions start
   * at multiples of 16, and pages of code are full of them, so that no few bits of the address tell
   * them apart.
   */
  public static final int JUMP_HASH = 0x9e37_79b1;

  /** How far the product is shifted right to give the offset in the table, its low bits cleared. */
  public static final int JUMP_HASH_SHIFT =
      Integer.SIZE - Integer.numberOfTrailingZeros(JUMP_TABLE_SIZE);

  /** Offset of a key's table; an entry is u64 guest RIP, u64 host code. */
  public static int jumpTable(int key) {
    return CpuLayout.JUMP_CACHE + key * JUMP_TABLE_SIZE;
  }

  /** Offset in a table of a target's entry. */
  public static int jumpEntry(long rip) {
    return (int) rip * JUMP_HASH >>> JUMP_HASH_SHIFT & -(1 << JUMP_ENTRY_BITS);
  }

  /** Status flags of RFLAGS in the form of {@link #FLAGS}. */
  public static int packFlags(long rflags) {
    return (int) (rflags & 0xd5) << 8 | (int) (rflags >>> 11 & 1);
  }

  /** The inverse: CF PF AF ZF SF OF in their places. */
  public static long unpackFlags(int flags) {
    return (flags >>> 8 & 0xd5) | (flags & 1) << 11;
  }
}
