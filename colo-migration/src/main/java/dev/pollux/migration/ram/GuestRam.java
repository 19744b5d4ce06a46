package dev.pollux.migration.ram;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;

/** Puts pages into the guest's memory; code made from what was there is dropped. */
public final class GuestRam implements PageSink {
  @Override
  public void page(RamBlock block, long offset, long contents) {
    block.beforeWrite(offset, RamBlock.PAGE_SIZE);
    RawMemory.copy(contents, block.hostAddress() + offset, RamBlock.PAGE_SIZE);
  }

  @Override
  public void zeroPage(RamBlock block, long offset) {
    long host = block.hostAddress() + offset;
    // A page that was never touched stays without memory of the host.
    if (!ZeroPages.isZero(host)) {
      block.beforeWrite(offset, RamBlock.PAGE_SIZE);
      RawMemory.fill(host, RamBlock.PAGE_SIZE, (byte) 0);
    }
  }
}
