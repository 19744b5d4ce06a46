package dev.pollux.migration.ram;

import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.Optional;

/** Writes records of pages whose contents somebody else found, as checkpoints do. One thread. */
public final class PageRecords {
  private final StreamWriter out;
  private final RamCounters counters;
  private final Optional<PageChannels> channels;
  private boolean inFlight;

  /** The block of the last record, null before the first. */
  private RamBlock named;

  /**
   * @param channels where pages go that are not to be written as records
   */
  public PageRecords(StreamWriter out, RamCounters counters, Optional<PageChannels> channels) {
    this.out = out;
    this.counters = counters;
    this.channels = channels;
  }

  /**
   * Writes a page.
   *
   * @param contents host address of its bytes, which may change afterwards
   */
  public void write(RamBlock block, long offset, long contents) throws IOException {
    if (channels.isPresent()) {
      channels.get().send(block, offset, contents);
      inFlight = true;
    } else if (ZeroPages.isZero(contents)) {
      record(block, offset, RamFormat.ZERO);
      out.u8(0);
      counters.countZero(1);
    } else {
      record(block, offset, RamFormat.PAGE);
      out.page(contents);
      counters.countNormal(1);
    }
  }

  private void record(RamBlock block, long offset, int flag) throws IOException {
    if (named == block) {
      out.u64(offset | flag | RamFormat.CONTINUE);
    } else {
      out.u64(offset | flag);
      out.name(block.name());
      named = block;
    }
  }

  /** Ends the records; all pages arrive before what is written from here on. */
  public void end() throws IOException {
    if (inFlight) {
      channels.orElseThrow().synchronize();
      out.u64(RamFormat.MULTIFD_FLUSH);
      inFlight = false;
    }
    out.u64(RamFormat.EOS);
    named = null;
  }
}
