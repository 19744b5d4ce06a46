package dev.pollux.core.mmu;

import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;

/**
 * Tells generated code whether it may walk page tables, and where guest-physical memory is: {@link
 * RefillLayout}. Right as long as the TLB's own entries are.
 */
final class RefillParameters {
  /** A protection key's two bits. */
  private static final int KEY = 3;

  /** Bits of a page table's entry that say which key is the page's. */
  private static final long KEY_BITS = 15L << 59;

  private final CpuState state;
  private final long s;
  private final PhysicalMemory memory;

  RefillParameters(CpuState state, PhysicalMemory memory) {
    this.state = state;
    this.s = state.address();
    this.memory = memory;
  }

  /**
   * Takes over the control registers and where memory is.
   *
   * @param a20 the A20 gate lets addresses pass
   */
  void update(boolean a20) {
    boolean enabled =
        a20
            && (state.cr0() & PageWalker.CR0_PG) != 0
            && (state.efer() & PageWalker.EFER_LMA) != 0
            && (state.cr4() & ControlRegisters.CR4_LAM_SUP) == 0
            && keysAllow(ControlRegisters.CR4_PKE, CpuLayout.PKRU)
            && keysAllow(ControlRegisters.CR4_PKS, CpuLayout.PKRS);
    boolean five = (state.cr4() & ControlRegisters.CR4_LA57) != 0;
    state.setU32(RefillLayout.LEVELS, enabled ? five ? 5 : 4 : 0);
    if (!enabled) {
      return;
    }
    boolean protects = (state.efer() & PageWalker.EFER_NXE) != 0;
    put(RefillLayout.REFUSED_BITS, KEY_BITS | (protects ? 0 : PageWalker.NO_EXECUTE));
    boolean globals = (state.cr4() & PageWalker.CR4_PGE) != 0;
    state.setU32(RefillLayout.GLOBAL_BIT, globals ? PageWalker.GLOBAL : 0);
    FlatView.Range low = ram(RefillLayout.LOW_START);
    put(RefillLayout.LOW_END, low == null ? 0 : low.end() & -RamBlock.PAGE_SIZE);
    if (low != null) {
      place(low, -low.start(), RefillLayout.LOW_HOST, RefillLayout.LOW_WATCH);
    }
    FlatView.Range high = ram(RefillLayout.HIGH_MEMORY);
    put(RefillLayout.HIGH_SIZE, high == null ? 0 : high.end() - RefillLayout.HIGH_MEMORY);
    put(RefillLayout.HIGH_START, RefillLayout.HIGH_MEMORY);
    if (high != null) {
      long into = RefillLayout.HIGH_MEMORY - high.start();
      place(high, into, RefillLayout.HIGH_HOST, RefillLayout.HIGH_WATCH);
    }
  }

  /** True if the first protection key, where keys are switched on, denies nothing. */
  private boolean keysAllow(long control, int rights) {
    return (state.cr4() & control) == 0 || (state.u32(rights) & KEY) == 0;
  }

  /** The range of RAM at an address, or null. */
  private FlatView.Range ram(long address) {
    FlatView.Range range = memory.find(address);
    return range != null
            && range.region() instanceof Region.RamRegion ram
            && !ram.readOnly()
            && (offset(range) & RamBlock.PAGE_SIZE - 1) == 0
            && (range.start() & RamBlock.PAGE_SIZE - 1) == 0
        ? range
        : null;
  }

  private static long offset(FlatView.Range range) {
    return ((Region.RamRegion) range.region()).offset() + range.offset();
  }

  /** Where the memory is that lies {@code into} a range. */
  private void place(FlatView.Range range, long into, int host, int watch) {
    RamBlock block = ((Region.RamRegion) range.region()).block();
    long offset = offset(range) + into;
    put(host, block.hostAddress() + offset);
    put(watch, block.watchAddress() + (offset >> RamBlock.PAGE_BITS));
  }

  private void put(int field, long value) {
    RawMemory.putLong(s + field, value);
  }
}
