package dev.pollux.core.jit.cache;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;
import java.util.Arrays;

/**
 * Where generated code looks for the code of a guest address when it jumps to another page or to an
 * address that it has computed: a direct-mapped table per execution key in the vCPU's block ({@link
 * JitLayout#jumpTable}). An entry is right as long as its address is mapped as it was when the
 * entry was made, so entries go when translations of addresses do. Used by the vCPU's thread only.
 */
public final class JumpCache {
  /** Beyond so many new entries everything is emptied instead. */
  private static final int REMEMBERED = 16384;

  /** Bits of the filter of pages. */
  private static final int PAGES = 4096;

  private static final int PAGE_BITS = 12;

  private final long state;

  // Offsets in the vCPU's block of entries made since they were last emptied.
  private final int[] global = new int[REMEMBERED];
  private final int[] local = new int[REMEMBERED];
  private int globalCount;
  private int localCount;

  /** Bloom filter of the pages that entries have been made for since everything was emptied. */
  private final long[] pages = new long[PAGES >> 6];

  /**
   * @param state address of the vCPU's block, zero where the tables are
   */
  public JumpCache(long state) {
    this.state = state;
    emptyFirst();
  }

  /**
   * Leads jumps to {@code rip} under a key to {@code code}.
   *
   * @param inGlobalPage the guest's page is a global one, so that the entry survives {@link
   *     #forgetLocal}
   */
  public void put(int table, long rip, long code, boolean inGlobalPage) {
    int entry = JitLayout.jumpTable(table) + JitLayout.jumpEntry(rip);
    if (RawMemory.getLong(state + entry) == rip && RawMemory.getLong(state + entry + 8) == code) {
      return;
    }
    remember(entry, inGlobalPage);
    int page = (int) (rip >>> PAGE_BITS) & PAGES - 1;
    pages[page >> 6] |= 1L << page;
    RawMemory.putLong(state + entry, rip);
    RawMemory.putLong(state + entry + 8, code);
  }

  private void remember(int entry, boolean inGlobalPage) {
    if (inGlobalPage) {
      if (globalCount < REMEMBERED) {
        global[globalCount] = entry;
      }
      globalCount++;
    } else {
      if (localCount < REMEMBERED) {
        local[localCount] = entry;
      }
      localCount++;
    }
  }

  /** Forgets what lies in the page of {@code linear}. */
  public void forgetPage(long linear) {
    int page = (int) (linear >>> PAGE_BITS) & PAGES - 1;
    if ((pages[page >> 6] & 1L << page) != 0) {
      clear();
    }
  }

  /** Forgets what lies in pages that are not global. */
  public void forgetLocal() {
    if (localCount > REMEMBERED) {
      emptyAll();
      return;
    }
    for (int i = 0; i < localCount; i++) {
      empty(local[i]);
    }
    localCount = 0;
  }

  /** Forgets everything. */
  public void clear() {
    Arrays.fill(pages, 0);
    if (globalCount > REMEMBERED) {
      emptyAll();
      return;
    }
    for (int i = 0; i < globalCount; i++) {
      empty(global[i]);
    }
    globalCount = 0;
    forgetLocal();
  }

  private void emptyAll() {
    RawMemory.fill(
        state + CpuLayout.JUMP_CACHE, JitLayout.JUMP_TABLES * JitLayout.JUMP_TABLE_SIZE, (byte) 0);
    emptyFirst();
    globalCount = 0;
    localCount = 0;
  }

  private void emptyFirst() {
    for (int table = 0; table < JitLayout.JUMP_TABLES; table++) {
      empty(JitLayout.jumpTable(table));
    }
  }

  /** An empty entry has an address that belongs to another one, so that no target hits it. */
  private void empty(int entry) {
    boolean first = (entry - CpuLayout.JUMP_CACHE) % JitLayout.JUMP_TABLE_SIZE == 0;
    RawMemory.putLong(state + entry, first ? 1 : 0);
  }
}
