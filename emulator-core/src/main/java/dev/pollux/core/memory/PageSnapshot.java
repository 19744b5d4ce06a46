package dev.pollux.core.memory;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The contents that some pages of RAM had at one moment, while the guest goes on writing them: the
 * watcher of {@link WriteClient#COPY}.
 *
 * <p>Taking the snapshot only arms the pages. Then a page is read by whoever comes first: {@link
 * #next}, on the thread that sends the snapshot away, or the guest's next write to it, before which
 * the page is put aside here. Either way {@code next} hands out each page once, or rarely twice,
 * with the contents of that moment.
 *
 * <pre>
 *   armed ──next: copy out, then disarm──────────────▶ handed out
 *     └────guest's write: put aside, then disarm──▶ aside ──next──▶ handed out
 * </pre>
 *
 * {@code next} copies without a lock. Its copy is good if the page was still armed afterwards,
 * since nobody writes an armed page; if not, the guest has put the page aside, whole.
 */
public final class PageSnapshot implements WriteWatcher, AutoCloseable {
  private static final int SLOTS_PER_CHUNK = 256;
  private static final long CHUNK_BYTES = (long) SLOTS_PER_CHUNK * RamBlock.PAGE_SIZE;

  /** A page put aside, at host address {@code copy}. */
  private record Aside(RamBlock block, long page, long copy) {}

  /** Which page was handed out. */
  public static final class Page {
    private RamBlock block;
    private long number;

    public RamBlock block() {
      return block;
    }

    /** Index of the page in its block. */
    public long number() {
      return number;
    }
  }

  private final List<DirtyLog> logs;

  /** By log: pages of the snapshot that {@link #next} has not looked at. Sender's thread. */
  private final List<long[]> pending = new ArrayList<>();

  private final ConcurrentLinkedQueue<Aside> asides = new ConcurrentLinkedQueue<>();
  private int log;
  private int word;

  /** Memory for pages put aside; guards itself, {@link #chunks} and {@link #putAside}. */
  private final ArrayDeque<Long> freeSlots = new ArrayDeque<>();

  private final List<Long> chunks = new ArrayList<>();
  private long putAside;
  private volatile IOException failure;

  /**
   * @param logs of the blocks whose dirty pages snapshots hold
   */
  public PageSnapshot(List<DirtyLog> logs) {
    this.logs = List.copyOf(logs);
    for (DirtyLog each : logs) {
      each.block().setWatcher(WriteClient.COPY, this);
      pending.add(each.emptySet());
    }
    log = logs.size();
  }

  /**
   * Takes a snapshot of all pages in the dirty logs, which are emptied: the pages are armed for
   * both the snapshot and the log. The one before must have been handed out. vCPUs parked, machine
   * lock held; before they run again each drops its write-enabled translations ({@code
   * Mmu.protectAll}).
   *
   * @return pages in the snapshot
   */
  public long take() {
    for (Aside twice = asides.poll(); twice != null; twice = asides.poll()) {
      free(twice.copy);
    }
    failure = null;
    long pages = 0;
    for (int i = 0; i < logs.size(); i++) {
      long[] set = pending.get(i);
      logs.get(i).take(set);
      logs.get(i).block().watch(WriteClient.COPY.bit() | WriteClient.MIGRATION.bit(), set);
      pages += DirtyLog.count(set);
    }
    log = 0;
    word = 0;
    return pages;
  }

  /**
   * Copies the next page of the snapshot. One thread at a time.
   *
   * @param to host address of room for a page
   * @param page is told which it was
   * @return false if all pages have been handed out
   * @throws IOException if the host had no memory to put a page aside
   */
  public boolean next(long to, Page page) throws IOException {
    while (true) {
      Aside aside = asides.poll();
      if (aside != null) {
        RawMemory.copy(aside.copy, to, RamBlock.PAGE_SIZE);
        free(aside.copy);
        page.block = aside.block;
        page.number = aside.page;
        return true;
      }
      if (!advance(page)) {
        // A page is put aside before it is disarmed, so what the last one found is in the queue.
        if (asides.isEmpty()) {
          if (failure != null) {
            throw failure;
          }
          return false;
        }
        continue;
      }
      if (page.block.isWatched(WriteClient.COPY, page.number)) {
        RawMemory.copy(
            page.block.hostAddress() + (page.number << RamBlock.PAGE_BITS), to, RamBlock.PAGE_SIZE);
        if (page.block.unwatch(WriteClient.COPY, page.number)) {
          return true;
        }
      }
    }
  }

  /** Finds the next pending page. */
  private boolean advance(Page page) {
    for (; log < logs.size(); log++, word = 0) {
      long[] set = pending.get(log);
      for (; word < set.length; word++) {
        if (set[word] != 0) {
          page.block = logs.get(log).block();
          page.number = (long) word << 6 | Long.numberOfTrailingZeros(set[word]);
          set[word] &= set[word] - 1;
          return true;
        }
      }
    }
    return false;
  }

  /**
   * The pages of the snapshot that are still to be found, one set per log; what {@link #take} has
   * just taken is whole here. Thread of {@link #next}.
   */
  public List<long[]> pending() {
    return List.copyOf(pending);
  }

  /** Pages that the guest wrote before they were handed out, in all snapshots so far. */
  public long putAside() {
    synchronized (freeSlots) {
      return putAside;
    }
  }

  @Override
  public void beforeWrite(RamBlock block, long page) {
    try {
      long copy = allocate();
      RawMemory.copy(block.hostAddress() + (page << RamBlock.PAGE_BITS), copy, RamBlock.PAGE_SIZE);
      asides.add(new Aside(block, page, copy));
    } catch (IOException e) {
      failure = e; // The snapshot is lost; the guest goes on.
    }
  }

  private long allocate() throws IOException {
    synchronized (freeSlots) {
      putAside++;
      if (freeSlots.isEmpty()) {
        long chunk = Libc.mapAnonymous(CHUNK_BYTES, Libc.PROT_READ | Libc.PROT_WRITE);
        chunks.add(chunk);
        for (int i = 0; i < SLOTS_PER_CHUNK; i++) {
          freeSlots.push(chunk + (long) i * RamBlock.PAGE_SIZE);
        }
      }
      return freeSlots.pop();
    }
  }

  private void free(long slot) {
    synchronized (freeSlots) {
      freeSlots.push(slot);
    }
  }

  /**
   * Gives everything up. No vCPU runs, or none writes any more: machine lock held, vCPUs parked.
   */
  @Override
  public void close() {
    logs.forEach(each -> each.block().setWatcher(WriteClient.COPY, null));
    synchronized (freeSlots) {
      chunks.forEach(chunk -> Libc.unmap(chunk, CHUNK_BYTES));
      chunks.clear();
      freeSlots.clear();
    }
  }
}
