package dev.pollux.core.mmu;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.host.RawMemory;

/**
 * What the software TLB holds, so that forgetting costs what filling cost: lists of entries and
 * Bloom filters, at {@link RefillLayout}, where generated code enters what it fills, too.
 */
final class FilledEntries {
  private final long state;
  private final long tables;

  /**
   * @param state address of the vCPU's block
   */
  FilledEntries(long state) {
    this.state = state;
    this.tables = state + CpuLayout.TLB;
  }

  /**
   * Notes an entry that is about to be filled. A full list is emptied, and its entries with it.
   *
   * @param offset of the entry in the tables
   */
  void add(int offset, boolean global) {
    forgetStack();
    int list = global ? 1 : 0;
    int count = count(list);
    if (count == RefillLayout.MOST_FILLED) {
      forget(list);
      count = 0;
    }
    RawMemory.putInt(at(list, count), offset);
    RawMemory.putInt(state + RefillLayout.FILLED_COUNT + list * 4L, count + 1);
    RawMemory.putByte(state + RefillLayout.GLOBAL + (offset >> TlbLayout.ENTRY_BITS), (byte) list);
  }

  private int count(int list) {
    return RawMemory.getInt(state + RefillLayout.FILLED_COUNT + list * 4L);
  }

  private long at(int list, int number) {
    return state + RefillLayout.FILLED + ((long) list * RefillLayout.MOST_FILLED + number) * 4;
  }

  /** True if the page of the entry filled last at an offset is global. */
  boolean isGlobal(long offset) {
    return RawMemory.getByte(state + RefillLayout.GLOBAL + (offset >> TlbLayout.ENTRY_BITS)) != 0;
  }

  /** Invalidates the entries of pages that are not global. */
  void forgetLocal() {
    forget(0);
  }

  /** Invalidates all entries. */
  void forgetAll() {
    forget(0);
    forget(1);
    RawMemory.fill(
        state + RefillLayout.LARGE_2M, RefillLayout.LEVELS - RefillLayout.LARGE_2M, (byte) 0);
  }

  /** Invalidates the entries of one page. */
  void forgetPage(long index) {
    for (int mode = 0; mode < TlbLayout.MODES; mode++) {
      invalidate(tables + (long) mode * TlbLayout.TABLE_SIZE + index);
    }
    forgetCopies();
  }

  /** Forgets all copies of entries: before any entry changes but by being filled. */
  private void forgetCopies() {
    forgetStack();
    forgetAccessed();
  }

  /** Forgets the copies of entries of what instructions have accessed last. */
  void forgetAccessed() {
    int count = RawMemory.getInt(state + RefillLayout.PAGES_KNOWN_COUNT);
    for (int i = 0; i < count; i++) {
      int page = RawMemory.getInt(state + RefillLayout.PAGES_KNOWN + 4L * i);
      RawMemory.putLong(state + RefillLayout.page(0) + page + RefillLayout.PAGE_LIMIT, 0);
    }
    RawMemory.putInt(state + RefillLayout.PAGES_KNOWN_COUNT, 0);
  }

  /** Forgets the copies of entries for the stack: before any entry changes. */
  private void forgetStack() {
    for (int mode = 0; mode < TlbLayout.MODES; mode++) {
      long limits = state + RefillLayout.stack(mode) + RefillLayout.STACK_LIMITS;
      for (int i = 0; i < RefillLayout.STACK_BYTES.size(); i++) {
        RawMemory.putLong(limits + (long) i * Long.BYTES, 0);
      }
    }
  }

  private void forget(int list) {
    forgetCopies();
    int count = count(list);
    for (int i = 0; i < count; i++) {
      invalidate(tables + RawMemory.getInt(at(list, i)));
    }
    RawMemory.putInt(state + RefillLayout.FILLED_COUNT + list * 4L, 0);
  }

  /** Takes the write tags of a page of host memory. */
  void protect(long hostPage) {
    forgetCopies();
    for (int list = 0; list < 2; list++) {
      for (int i = count(list) - 1; i >= 0; i--) {
        long entry = tables + RawMemory.getInt(at(list, i));
        if (RawMemory.getLong(entry + TlbLayout.HOST_PAGE) == hostPage) {
          RawMemory.putLong(entry + TlbLayout.WRITE_TAG, invalidTag(entry));
        }
      }
    }
  }

  /** Takes all write tags. */
  void protectAll() {
    forgetCopies();
    for (int list = 0; list < 2; list++) {
      for (int i = count(list) - 1; i >= 0; i--) {
        long entry = tables + RawMemory.getInt(at(list, i));
        RawMemory.putLong(entry + TlbLayout.WRITE_TAG, invalidTag(entry));
      }
    }
  }

  /** Invalidates all entries for data, not for code. */
  void dropData() {
    forgetCopies();
    for (int list = 0; list < 2; list++) {
      for (int i = count(list) - 1; i >= 0; i--) {
        long entry = tables + RawMemory.getInt(at(list, i));
        long invalid = invalidTag(entry);
        RawMemory.putLong(entry, invalid);
        RawMemory.putLong(entry + TlbLayout.WRITE_TAG, invalid);
      }
    }
  }

  private void invalidate(long entry) {
    long invalid = invalidTag(entry);
    RawMemory.putLong(entry, invalid);
    RawMemory.putLong(entry + TlbLayout.WRITE_TAG, invalid);
    RawMemory.putLong(entry + TlbLayout.EXEC_TAG, invalid);
  }

  long invalidTag(long entry) {
    return TlbLayout.invalidTag(
        (int) (entry - tables >> TlbLayout.ENTRY_BITS) & TlbLayout.ENTRIES - 1);
  }

  /** Notes that a large page is in the TLB. */
  void addLarge(long linear, int pageBits) {
    noteLarge(RefillLayout.LARGE_2M, linear, 21);
    if (pageBits > 22) {
      noteLarge(RefillLayout.LARGE_1G, linear, 30);
    } else if (pageBits == 22) {
      noteLarge(RefillLayout.LARGE_2M, linear ^ 1 << 21, 21);
    }
  }

  private void noteLarge(int filter, long linear, int shift) {
    note(filter + half(linear), RefillLayout.LARGE_BITS, linear >>> shift);
  }

  private boolean mayHoldLarge(int filter, long linear, int shift) {
    return mayHold(filter + half(linear), RefillLayout.LARGE_BITS, linear >>> shift);
  }

  /** Where in a filter of large pages the half is that an address belongs to. */
  private static int half(long linear) {
    return linear < 0 ? RefillLayout.LARGE_BYTES / 2 : 0;
  }

  /** True if an address may lie in a large page that is in the TLB. */
  boolean mayBeLarge(long linear) {
    return mayHoldLarge(RefillLayout.LARGE_2M, linear, 21)
        || mayHoldLarge(RefillLayout.LARGE_1G, linear, 30);
  }

  /** Notes that a page of host memory has a write tag. */
  void addWritable(long host) {
    note(RefillLayout.WRITABLE, RefillLayout.WRITABLE_BITS, host >>> 12);
  }

  /** True if a page of host memory may have a write tag. */
  boolean mayBeWritable(long host) {
    return mayHold(RefillLayout.WRITABLE, RefillLayout.WRITABLE_BITS, host >>> 12);
  }

  private void note(int filter, int bits, long number) {
    long word = state + filter + (number >>> 3 & (bits >> 3) - 8);
    RawMemory.putLong(word, RawMemory.getLong(word) | 1L << number);
  }

  private boolean mayHold(int filter, int bits, long number) {
    long word = state + filter + (number >>> 3 & (bits >> 3) - 8);
    return (RawMemory.getLong(word) & 1L << number) != 0;
  }
}
