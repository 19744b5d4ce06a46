package dev.pollux.core.mmu;

import dev.pollux.core.cpu.CpuLayout;
import java.util.List;

/**
 * What {@link Mmu} and generated code share besides the software TLB's entries, so that generated
 * code can walk the guest's page tables and fill an entry by itself. Offsets in the vCPU's block;
 * nothing here is saved.
 */
public final class RefillLayout {
  private RefillLayout() {}

  /**
   * By mode, {@link #STACK_BITS} apart: a copy of the entry of the page that the guest's stack was
   * in last, whose tags for reads and writes are the same. It is forgotten whenever that entry
   * changes.
   */
  public static final int STACK = CpuLayout.ENGINE;

  /** Bytes of such a copy, as a shift. */
  public static final int STACK_BITS = 6;

  /** There: u64 tag. */
  public static final int STACK_TAG = 0;

  /** There: u64 host address minus linear address. */
  public static final int STACK_ADDEND = 8;

  /**
   * There: u64 for each of {@link #STACK_BYTES}: accesses of up to so many bytes hit if they are
   * less than that behind the tag; 0: none does.
   */
  public static final int STACK_LIMITS = 16;

  /** Most bytes of an access that hits, in the order of the limits. */
  public static final List<Integer> STACK_BYTES = List.of(8, 64, 256);

  /** The most of these. */
  public static final int MOST_ON_STACK = 256;

  /** Entries that each of the two lists of {@link #FILLED} holds. */
  public static final int MOST_FILLED = TlbLayout.ENTRIES;

  /**
   * Two lists of u32: offsets from {@link CpuLayout#TLB} of entries filled since they were last
   * forgotten, first those of pages that are not global, then those of global ones.
   */
  public static final int FILLED = CpuLayout.REFILL;

  /** Two u32: lengths of these lists. */
  public static final int FILLED_COUNT = FILLED + 2 * MOST_FILLED * 4;

  /** A byte for each entry of all modes, 1: its page is global. */
  public static final int GLOBAL = FILLED_COUNT + 8;

  /** Bits of one half of a Bloom filter of large pages in the TLB. */
  public static final int LARGE_BITS = 4096;

  /**
   * Bytes of such a filter: first of the lower half of the addresses, then of the upper, so that a
   * page of a process is not sought among those of a kernel, which maps all memory that way.
   */
  public static final int LARGE_BYTES = 2 * LARGE_BITS / 8;

  /** By address bits 21 and up. */
  public static final int LARGE_2M = GLOBAL + TlbLayout.MODES * TlbLayout.ENTRIES;

  /** By address bits 30 and up. */
  public static final int LARGE_1G = LARGE_2M + LARGE_BYTES;

  /** Bits of {@link #WRITABLE}. */
  public static final int WRITABLE_BITS = 65536;

  /** Bloom filter of pages of host memory that have write tags, by address bits 12 and up. */
  public static final int WRITABLE = LARGE_1G + LARGE_BYTES;

  /**
   * u32: how many levels of page tables generated code may walk, 4 or 5, where paging is what most
   * systems use, without what only {@link PageWalker} knows; otherwise 0.
   */
  public static final int LEVELS = WRITABLE + WRITABLE_BITS / 8;

  /** u32: the bit of a page table's entry that makes its page global, or 0. */
  public static final int GLOBAL_BIT = LEVELS + 4;

  /** Memory from {@link #LOW_START} on that generated code reaches: u64 address of its end. */
  public static final int LOW_END = LEVELS + 8;

  /** u64: host address of guest-physical address 0, if that were there. */
  public static final int LOW_HOST = LOW_END + 8;

  /** u64: host address of its byte of {@link dev.pollux.core.memory.RamBlock#watchAddress}. */
  public static final int LOW_WATCH = LOW_HOST + 8;

  /** Memory further up: u64 guest-physical address. */
  public static final int HIGH_START = LOW_WATCH + 8;

  /** u64: bytes of it. */
  public static final int HIGH_SIZE = HIGH_START + 8;

  /** u64: host address of its start. */
  public static final int HIGH_HOST = HIGH_SIZE + 8;

  /** u64: as {@link #LOW_WATCH}, of its start. */
  public static final int HIGH_WATCH = HIGH_HOST + 8;

  /**
   * u64: bits with which the last entry is not for generated code: of another protection key than
   * the first, and that against execution where it is reserved.
   */
  public static final int REFUSED_BITS = HIGH_WATCH + 8;

  /** Bytes of one of {@link #PAGES}, as a shift. */
  public static final int PAGE_BITS = 5;

  /** How many of {@link #PAGES} there are. */
  public static final int PAGE_COUNT = 4096;

  /**
   * Pages of accesses that hot code makes: each is a copy of the entry of the page that one
   * instruction has accessed last. All are forgotten before an entry changes but by being filled
   * for another page: {@link #PAGES_KNOWN}.
   */
  public static final int PAGES = (REFUSED_BITS + 8 + 63) & -64;

  /** In one of them: u64 tag. */
  public static final int PAGE_TAG = 0;

  /** There: u64 host address minus linear address. */
  public static final int PAGE_ADDEND = 8;

  /** There: u64, the access hits if it is less than that behind the tag; 0: it never does. */
  public static final int PAGE_LIMIT = 16;

  /** There: i32, times that it may still be another page until somebody asks whether it pays. */
  public static final int PAGE_LEFT = 24;

  /**
   * List of u32: offsets, from the first, of those that have been filled since they were forgotten.
   */
  public static final int PAGES_KNOWN = PAGES + (PAGE_COUNT << PAGE_BITS);

  /** u32: its length. */
  public static final int PAGES_KNOWN_COUNT = PAGES_KNOWN + 4 * PAGE_COUNT;

  /** Bytes used. */
  public static final int SIZE = PAGES_KNOWN_COUNT + 8 - CpuLayout.REFILL;

  /** Where the copy of a mode is. */
  public static int stack(int mode) {
    return STACK + (mode << STACK_BITS);
  }

  /** Where in a copy the limit for an access is. */
  public static int stackLimit(int bytes) {
    int limit = 0;
    while (bytes > STACK_BYTES.get(limit)) {
      limit++;
    }
    return STACK_LIMITS + limit * Long.BYTES;
  }

  /** Where one of {@link #PAGES} is. */
  public static int page(int number) {
    return PAGES + (number << PAGE_BITS);
  }

  /** Below this guest-physical memory is in small pieces, of several kinds. */
  public static final int LOW_START = 1 << 20;

  /** Where memory goes on that has no room below the devices. */
  public static final long HIGH_MEMORY = 1L << 32;
}
