package dev.pollux.migration.ram;

import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * Sends the guest's memory: which pages are still to go, and the records of the section {@code
 * ram}. Migration thread; the guest may run.
 */
public final class RamSaver implements AutoCloseable {
  private final List<RamBlock> blocks;
  private final DirtyPages dirty;
  private final RamCounters counters;
  private final Optional<PageChannels> channels;
  private final boolean findZeroPages;

  /** Pages have gone into the channels that must arrive before they may be sent again. */
  private boolean inFlight;

  /** Pages that are in flight may be sent again. */
  private boolean mayRepeat;

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
    this.dirty = new DirtyPages(machine);
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

  /** Which pages are to be sent. */
  public DirtyPages dirty() {
    return dirty;
  }

  /** Bytes of memory that are to be sent as far as is known. */
  public long pendingBytes() {
    return dirty.count() * RamBlock.PAGE_SIZE;
  }

  /**
   * Looks at what was written since the last time, as {@link DirtyPages#collect}; number of pages
   * to be sent.
   */
  public long collect() {
    mayRepeat = inFlight;
    return dirty.collect();
  }

  /** In a section: everything handed to channels arrives before what is written from here on. */
  public void awaitChannels(StreamWriter out) throws IOException {
    if (inFlight) {
      channels.orElseThrow().synchronize();
      out.u64(RamFormat.MULTIFD_FLUSH);
      // The channels' receivers stand still until it arrives, and soon so do their senders.
      out.flush();
      inFlight = false;
      mayRepeat = false;
    }
  }

  /**
   * Writes records of pages that are to be sent, until none is left or about {@code limit} pages
   * were looked at.
   */
  public void writePages(StreamWriter out, long limit) throws IOException {
    if (mayRepeat) {
      awaitChannels(out);
    }
    for (long left = limit; left > 0; left--) {
      long page = dirty.next();
      if (page < 0) {
        return;
      }
      writePage(out, dirty.block(), page << RamBlock.PAGE_BITS);
    }
  }

  private void writePage(StreamWriter out, int block, long offset) throws IOException {
    RamBlock ram = blocks.get(block);
    long host = ram.hostAddress() + offset;
    if (findZeroPages && ZeroPages.isZero(host)) {
      record(out, block, offset | RamFormat.ZERO);
      out.u8(0);
      counters.countZero(1);
    } else if (channels.isPresent()) {
      channels.get().send(ram, offset);
      inFlight = true;
    } else {
      record(out, block, offset | RamFormat.PAGE);
      out.page(host);
      counters.countNormal(1);
    }
  }

  private void record(StreamWriter out, int block, long record) throws IOException {
    if (named == block) {
      out.u64(record | RamFormat.CONTINUE);
    } else {
      out.u64(record);
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
    dirty.close();
  }
}
