package dev.pollux.migration.ram;

import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Sends the guest's memory: which pages are still to go, and the records of the section {@code
 * ram}. Migration thread; the guest may run.
 */
public final class RamSaver implements AutoCloseable {
  private final List<RamBlock> blocks;
  private final DirtyLog log;

  /** Per block, the pages that are to be sent. */
  private final List<BitSet> pending;

  private final RamCounters counters;
  private final Optional<PageChannels> channels;
  private final boolean findZeroPages;
  private long pendingPages;

  // Where the search for the next page goes on.
  private int block;
  private int page;

  /** Pages have gone into the channels that must arrive before they may be sent again. */
  private boolean inFlight;

  /** The block of the last record in this section, -1 before the first. */
  private int named = -1;

  /**
   * Begins to log writes.
   *
   * @param channels where pages go that are not to be written into the section
   * @param findZeroPages pages without contents are written as such
   */
  public RamSaver(
      Machine machine,
      RamCounters counters,
      Optional<PageChannels> channels,
      boolean findZeroPages) {
    this.blocks = List.copyOf(machine.ramBlocks());
    this.counters = counters;
    this.channels = channels;
    this.findZeroPages = findZeroPages;
    this.log = new DirtyLog(machine);
    this.pending = Stream.generate(BitSet::new).limit(blocks.size()).toList();
  }

  /** Writes which blocks there are: what the section begins with. */
  public void writeBlocks(StreamWriter out) throws IOException {
    long total = blocks.stream().mapToLong(RamBlock::size).sum();
    out.u64(total | RamFormat.MEM_SIZE);
    for (RamBlock b : blocks) {
      out.name(b.name());
      out.u64(b.size());
    }
    out.u64(RamFormat.EOS);
  }

  /** Adds what was written since the last time to what is to be sent; number of pages to send. */
  public long synchronize() {
    log.collect(pending);
    pendingPages = pending.stream().mapToLong(BitSet::cardinality).sum();
    return pendingPages;
  }

  /** Bytes of memory that are to be sent as far as is known. */
  public long pendingBytes() {
    return pendingPages * RamBlock.PAGE_SIZE;
  }

  /** The pages that are to be sent, one set per block of the machine. */
  public List<BitSet> pending() {
    return pending;
  }

  /** Everything that was handed to channels arrives before what is written from here on. */
  public void awaitChannels(StreamWriter out) throws IOException {
    if (inFlight) {
      channels.orElseThrow().synchronize();
      out.u64(RamFormat.MULTIFD_FLUSH);
      inFlight = false;
    }
  }

  /**
   * Writes records of pages that are to be sent, until none is left or about {@code limit} pages
   * were looked at.
   */
  public void writePages(StreamWriter out, long limit) throws IOException {
    for (long left = limit; left > 0 && pendingPages > 0; left--) {
      int next = pending.get(block).nextSetBit(page);
      if (next < 0) {
        block = block + 1 == blocks.size() ? 0 : block + 1;
        page = 0;
        continue;
      }
      pending.get(block).clear(next);
      pendingPages--;
      page = next + 1;
      writePage(out, (long) next << RamBlock.PAGE_BITS);
    }
  }

  private void writePage(StreamWriter out, long offset) throws IOException {
    RamBlock ram = blocks.get(block);
    long host = ram.hostAddress() + offset;
    if (findZeroPages && ZeroPages.isZero(host)) {
      record(out, offset, RamFormat.ZERO);
      out.u8(0);
      counters.countZero(1);
    } else if (channels.isPresent()) {
      channels.get().send(ram, offset);
      inFlight = true;
    } else {
      record(out, offset, RamFormat.PAGE);
      out.page(host);
      counters.countNormal(1);
    }
  }

  private void record(StreamWriter out, long offset, int flag) throws IOException {
    if (named == block) {
      out.u64(offset | flag | RamFormat.CONTINUE);
    } else {
      out.u64(offset | flag);
      out.name(blocks.get(block).name());
      named = block;
    }
  }

  /** Ends the section's records. */
  public void writeEnd(StreamWriter out) throws IOException {
    out.u64(RamFormat.EOS);
    named = -1;
  }

  /** Ends the log of writes. */
  @Override
  public void close() {
    log.close();
  }
}
