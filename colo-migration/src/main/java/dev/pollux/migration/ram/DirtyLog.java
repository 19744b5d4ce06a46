package dev.pollux.migration.ram;

import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.core.memory.WriteWatcher;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.BitSet;
import java.util.List;

/**
 * Which pages of a machine's memory were written since somebody looked last. At first every page
 * counts as written.
 *
 * <p>A page that was looked at is watched: its next write, by whom ever, is told before it happens,
 * enters the page here and ends the watch, so that a page costs once per look.
 */
public final class DirtyLog implements AutoCloseable {
  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

  private final Machine machine;
  private final List<BlockLog> logs;

  /** Becomes the watcher of all RAM for {@link WriteClient#MIGRATION}. */
  public DirtyLog(Machine machine) {
    this.machine = machine;
    this.logs = machine.ramBlocks().stream().map(BlockLog::new).toList();
  }

  /**
   * Takes what was written since the last call and begins to watch those pages again. When this
   * returns, no write is under way that the log would miss: what a reader of the taken pages sees
   * from now on is either final or told of by the next call. Any one thread, without the machine
   * lock unless the vCPUs are parked.
   *
   * @param into one set of page numbers per block of the machine, in its order; pages are added
   */
  public void collect(List<BitSet> into) {
    for (int i = 0; i < logs.size(); i++) {
      logs.get(i).drainTo(into.get(i));
    }
    machine.synchronizeWatches();
  }

  /** Ends all watches. */
  @Override
  public void close() {
    logs.forEach(log -> log.block.setWatcher(WriteClient.MIGRATION, null));
  }

  /** One block's pages, a bit each. */
  private static final class BlockLog implements WriteWatcher {
    private final RamBlock block;
    private final long[] words;

    BlockLog(RamBlock block) {
      this.block = block;
      this.words = new long[Math.toIntExact(block.pages() + 63 >> 6)];
      for (long page = 0; page < block.pages(); page++) {
        words[(int) (page >> 6)] |= 1L << page;
      }
      block.setWatcher(WriteClient.MIGRATION, this);
    }

    @Override
    public void beforeWrite(RamBlock written, long page) {
      long _ = (long) WORD.getAndBitwiseOr(words, (int) (page >> 6), 1L << page);
    }

    void drainTo(BitSet pages) {
      for (int i = 0; i < words.length; i++) {
        if ((long) WORD.getOpaque(words, i) != 0) {
          long word = (long) WORD.getAndSet(words, i, 0L);
          for (long left = word; left != 0; left &= left - 1) {
            int page = (i << 6) + Long.numberOfTrailingZeros(left);
            block.watch(WriteClient.MIGRATION, page);
            pages.set(page);
          }
        }
      }
    }
  }
}
