package dev.pollux.core.jit.cache;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;

/**
 * Where generated code looks for the code of a guest address when it jumps to another page or to an
 * address that it has computed: a direct-mapped table per execution key in the vCPU's block ({@link
 * JitLayout#jumpTable}). An entry is right as long as its address is mapped as it was when the
 * entry was made, so entries go when translations of addresses do. Generated code enters what it
 * has found by itself, and notes it in the same books. Used by the vCPU's thread only.
 */
public final class JumpCache {
  private static final int PAGE_BITS = 12;
  private static final int FILTER_BYTES = JitLayout.JUMP_PAGE_BITS / 8;

  private final long state;

  /**
   * @param state address of the vCPU's block, zero where the tables are
   */
  public JumpCache(long state) {
    this.state = state;
    for (int table = 0; table < JitLayout.JUMP_TABLES; table++) {
      empty(JitLayout.jumpTable(table));
    }
  }

  /**
   * Leads jumps to {@code rip} under a key to {@code code}.
   *
   * @param inGlobalPage the guest's page is a global one, so that the entry survives {@link
   *     #forgetLocal}; this counts in the upper half of the addresses only, so that a page of a
   *     process is never sought among a kernel's many
   */
  public void put(int table, long rip, long code, boolean inGlobalPage) {
    int entry = JitLayout.jumpTable(table) + JitLayout.jumpEntry(rip);
    if (RawMemory.getLong(state + entry) == rip && RawMemory.getLong(state + entry + 8) == code) {
      return;
    }
    RawMemory.putLong(state + entry, rip);
    RawMemory.putLong(state + entry + 8, code);
    RawMemory.putByte(state + JitLayout.JUMP_TABLES_USED + table, (byte) 1);
    boolean global = inGlobalPage && rip < 0;
    long word = filterWord(rip, global);
    RawMemory.putLong(word, RawMemory.getLong(word) | 1L << (rip >>> PAGE_BITS));
    if (!global) {
      remember(entry);
    }
  }

  private void remember(int entry) {
    int count = RawMemory.getInt(state + JitLayout.JUMP_LOCAL_COUNT);
    if (count < JitLayout.JUMP_LOCALS) {
      RawMemory.putInt(state + JitLayout.JUMP_LOCAL + count * 4L, entry);
      RawMemory.putInt(state + JitLayout.JUMP_LOCAL_COUNT, count + 1);
    }
  }

  private long filterWord(long linear, boolean global) {
    long page = linear >>> PAGE_BITS & JitLayout.JUMP_PAGE_BITS - 1;
    return state + JitLayout.JUMP_PAGES + (global ? FILTER_BYTES : 0) + (page >>> 6) * 8;
  }

  private boolean mayHold(long linear, boolean global) {
    return (RawMemory.getLong(filterWord(linear, global)) & 1L << (linear >>> PAGE_BITS)) != 0;
  }

  /** Forgets what lies in the page of {@code linear}. */
  public void forgetPage(long linear) {
    if (linear < 0 && mayHold(linear, true)) {
      clear();
    } else if (mayHold(linear, false)) {
      forgetLocal();
    }
  }

  /** Forgets what lies in pages that are not global. */
  public void forgetLocal() {
    int count = RawMemory.getInt(state + JitLayout.JUMP_LOCAL_COUNT);
    if (count == JitLayout.JUMP_LOCALS) { // or more than are listed
      clear();
      return;
    }
    for (int i = 0; i < count; i++) {
      empty(RawMemory.getInt(state + JitLayout.JUMP_LOCAL + i * 4L));
    }
    RawMemory.putInt(state + JitLayout.JUMP_LOCAL_COUNT, 0);
    RawMemory.fill(state + JitLayout.JUMP_PAGES, FILTER_BYTES, (byte) 0);
  }

  /** Forgets everything. */
  public void clear() {
    for (int table = 0; table < JitLayout.JUMP_TABLES; table++) {
      if (RawMemory.getByte(state + JitLayout.JUMP_TABLES_USED + table) != 0) {
        RawMemory.fill(state + JitLayout.jumpTable(table), JitLayout.JUMP_TABLE_SIZE, (byte) 0);
        empty(JitLayout.jumpTable(table));
        RawMemory.putByte(state + JitLayout.JUMP_TABLES_USED + table, (byte) 0);
      }
    }
    RawMemory.putInt(state + JitLayout.JUMP_LOCAL_COUNT, 0);
    RawMemory.fill(state + JitLayout.JUMP_PAGES, 2 * FILTER_BYTES, (byte) 0);
  }

  /** An empty entry has an address that belongs to another one, so that no target hits it. */
  private void empty(int entry) {
    boolean first = (entry - CpuLayout.JUMP_CACHE) % JitLayout.JUMP_TABLE_SIZE == 0;
    RawMemory.putLong(state + entry, first ? 1 : 0);
  }
}
