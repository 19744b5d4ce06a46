package dev.pollux.migration.ram;

import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import java.util.Arrays;
import java.util.List;

/**
 * The pages of a machine's memory that are to be sent: those written since they were sent last, and
 * at first all. Sets of pages are as in {@link DirtyLog#take}. One thread; the guest may run.
 */
public final class DirtyPages implements AutoCloseable {
  private final Machine machine;
  private final List<RamBlock> blocks;
  private final List<DirtyLog> logs;
  private final List<long[]> pending;
  private final List<long[]> taken;
  private long count;

  // Where the search for the next page goes on.
  private int block;
  private int word;

  /** Begins to log writes. */
  public DirtyPages(Machine machine) {
    this.machine = machine;
    this.blocks = List.copyOf(machine.ramBlocks());
    this.logs = blocks.stream().map(DirtyLog::new).toList();
    this.pending = logs.stream().map(DirtyLog::emptySet).toList();
    this.taken = logs.stream().map(DirtyLog::emptySet).toList();
    machine.lock().lock();
    try {
      for (DirtyLog log : logs) {
        log.start();
        log.addAll();
      }
    } finally {
      machine.lock().unlock();
    }
  }

  /** The logs of writes, one per block of the machine, in its order. */
  public List<DirtyLog> logs() {
    return logs;
  }

  /**
   * Adds the pages that were written since the last call, and logs their writes from now on. When
   * this returns, no write is under way that the log would miss: what is read of pages from now on
   * is either final or told of by the next call. Without the machine lock, unless the vCPUs are
   * parked.
   *
   * @return number of pages to be sent
   */
  public long collect() {
    for (int i = 0; i < logs.size(); i++) {
      long[] fresh = taken.get(i);
      Arrays.fill(fresh, 0);
      logs.get(i).take(fresh);
      blocks.get(i).watch(WriteClient.MIGRATION.bit(), fresh);
      long[] all = pending.get(i);
      for (int j = 0; j < all.length; j++) {
        all[j] |= fresh[j];
      }
    }
    machine.synchronizeWatches();
    count = pending.stream().mapToLong(DirtyLog::count).sum();
    return count;
  }

  /** Number of pages to be sent. */
  public long count() {
    return count;
  }

  /**
   * Takes the next page that is to be sent.
   *
   * @return its number in {@link #block}, or -1 where none is left
   */
  public long next() {
    if (count == 0) {
      return -1;
    }
    while (true) {
      long[] set = pending.get(block);
      for (; word < set.length; word++) {
        if (set[word] != 0) {
          long page = (long) word << 6 | Long.numberOfTrailingZeros(set[word]);
          set[word] &= set[word] - 1;
          count--;
          return page;
        }
      }
      word = 0;
      block = block + 1 == blocks.size() ? 0 : block + 1;
    }
  }

  /** Index of the block of the page that {@link #next} gave. */
  public int block() {
    return block;
  }

  /** Ends the logs of writes. */
  @Override
  public void close() {
    logs.forEach(DirtyLog::stop);
  }
}
