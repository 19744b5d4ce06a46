package dev.pollux.migration.ram;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Puts pages into the guest's memory; code made from what was there is dropped. */
public final class GuestRam implements PageSink {
  private final Map<RamBlock, PopulatedPages> populated;

  /** The guest does not run, and nobody else writes to the blocks. */
  public GuestRam(List<RamBlock> blocks) {
    populated = blocks.stream().collect(Collectors.toMap(Function.identity(), PopulatedPages::new));
  }

  @Override
  public void page(RamBlock block, long offset, long contents) {
    populated.get(block).add(offset >> RamBlock.PAGE_BITS);
    block.beforeWrite(offset, RamBlock.PAGE_SIZE);
    RawMemory.copy(contents, block.hostAddress() + offset, RamBlock.PAGE_SIZE);
  }

  @Override
  public void zeroPage(RamBlock block, long offset) {
    long host = block.hostAddress() + offset;
    // A page that was never touched stays without memory of the host.
    if (populated.get(block).contains(offset >> RamBlock.PAGE_BITS) && !ZeroPages.isZero(host)) {
      block.beforeWrite(offset, RamBlock.PAGE_SIZE);
      RawMemory.fill(host, RamBlock.PAGE_SIZE, (byte) 0);
    }
  }
}
