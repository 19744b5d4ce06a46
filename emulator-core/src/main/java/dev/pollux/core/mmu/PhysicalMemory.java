package dev.pollux.core.mmu;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;

/** A vCPU's view of guest-physical memory, remembering the range it looked at last. */
final class PhysicalMemory {
  private final AddressSpace space;
  private FlatView view;
  private FlatView.Range range;

  PhysicalMemory(AddressSpace space) {
    this.space = space;
  }

  AddressSpace space() {
    return space;
  }

  /** The range that holds an address, or null. */
  FlatView.Range find(long address) {
    FlatView now = space.view();
    FlatView.Range last = range;
    if (now == view && last != null && address >= last.start() && address < last.end()) {
      return last;
    }
    view = now;
    range = now.find(address);
    return range;
  }

  /**
   * The RAM or ROM region at an address, or null. {@link #lastOffset} is then the address's offset
   * in the region's block.
   */
  Region.RamRegion ram(long address) {
    FlatView.Range found = find(address);
    if (found != null && found.region() instanceof Region.RamRegion ram) {
      lastOffset = ram.offset() + found.offsetOf(address);
      lastPageWhole =
          (address & -RamBlock.PAGE_SIZE) >= found.start()
              && (address | RamBlock.PAGE_SIZE - 1) < found.end();
      return ram;
    }
    return null;
  }

  private long lastOffset;
  private boolean lastPageWhole;

  /** Offset in the RAM block of the address that {@link #ram} found. */
  long lastOffset() {
    return lastOffset;
  }

  /** True if the whole page of that address lies in the same range. */
  boolean lastPageWhole() {
    return lastPageWhole;
  }

  /** Host address of aligned RAM, or 0. */
  private long host(long address) {
    Region.RamRegion ram = ram(address);
    return ram == null ? 0 : ram.block().hostAddress() + lastOffset;
  }

  int read32(long address) {
    long host = host(address);
    return host != 0 ? RawMemory.getInt(host) : (int) space.read(address, 4);
  }

  long read64(long address) {
    long host = host(address);
    return host != 0 ? RawMemory.getLong(host) : space.read(address, 8);
  }

  /**
   * Atomically replaces an aligned entry of a page table; false if it changed meanwhile. Outside
   * RAM nothing happens.
   */
  boolean replace32(long address, int expected, int value) {
    Region.RamRegion ram = ram(address);
    if (ram == null || ram.readOnly()) {
      return true;
    }
    long offset = lastOffset;
    ram.block().beforeWrite(offset, 4);
    boolean replaced =
        RawMemory.compareAndSetInt(ram.block().hostAddress() + offset, expected, value);
    ram.block().beforeWrite(offset, 4); // again, for who began to watch meanwhile
    return replaced;
  }

  boolean replace64(long address, long expected, long value) {
    Region.RamRegion ram = ram(address);
    if (ram == null || ram.readOnly()) {
      return true;
    }
    long offset = lastOffset;
    ram.block().beforeWrite(offset, 8);
    boolean replaced =
        RawMemory.compareAndSetLong(ram.block().hostAddress() + offset, expected, value);
    ram.block().beforeWrite(offset, 8); // again, for who began to watch meanwhile
    return replaced;
  }
}
