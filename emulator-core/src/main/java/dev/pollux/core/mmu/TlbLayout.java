package dev.pollux.core.mmu;

/**
 * The software TLB as memory: read and filled by {@link Mmu}, probed inline by generated code. One
 * direct-mapped table per {@linkplain #MODES MMU mode}, at {@link
 * dev.pollux.core.cpu.CpuLayout#TLB} in the vCPU's block, so that its place is a constant offset
 * from the state pointer.
 *
 * <p>The entry of a linear address is {@code (address >>> 12) & (ENTRIES - 1)}. A tag is the linear
 * address of a page; an access of {@code size} bytes hits if {@code (address ^ tag) <=u 4096 -
 * size}, which covers wrong pages, invalid entries and page crossings in one comparison, and the
 * exclusive or is then the offset in the host page at {@link #HOST_PAGE}. An invalid tag has
 * page-number bits that no address of its entry has: {@code (index ^ 1) << 12}. Pages whose
 * accesses must be seen (MMIO, ROM and watched pages for writing) keep that tag invalid.
 */
public final class TlbLayout {
  private TlbLayout() {}

  /** Entries of one table, a power of two. */
  public static final int ENTRIES = 4096;

  /** Bytes of an entry, as a shift. */
  public static final int ENTRY_BITS = 5;

  public static final int ENTRY_SIZE = 1 << ENTRY_BITS;

  /** In an entry: u64 tag for data reads. */
  public static final int READ_TAG = 0;

  /** In an entry: u64 tag for data writes. */
  public static final int WRITE_TAG = 8;

  /** In an entry: u64 tag for instruction fetches. */
  public static final int EXEC_TAG = 16;

  /** In an entry: u64 host address of the page's first byte. */
  public static final int HOST_PAGE = 24;

  /**
   * Supervisor accesses without SMAP's check; user accesses; supervisor accesses with SMAP's check.
   */
  public static final int KERNEL = 0;

  public static final int USER = 1;
  public static final int KERNEL_SMAP = 2;
  public static final int MODES = 3;

  /** Bytes of one mode's table. */
  public static final int TABLE_SIZE = ENTRIES * ENTRY_SIZE;

  /** The tag that no address of entry {@code index} hits. */
  public static long invalidTag(int index) {
    return (long) (index ^ 1) << 12;
  }
}
