package dev.pollux.core.jit.cache;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Blocks of an earlier run. Their code and all that is known of them is where it was then, in this
 * run's memory; they sleep until the guest has the bytes that they were made of, in whichever page.
 * What one is found by is a hash of its start; with it wake all others of its page whose bytes are
 * there.
 *
 * <p>The table is an array of u64, a power of two of them: the hash in the upper half, which is not
 * 0, in the lower the number of the block's record; behind a slot that is taken the next may hold
 * the same hash. Used by the vCPU's thread only.
 */
final class KeptBlocks implements AutoCloseable {
  /** Blocks of one hash that are looked at. */
  private static final int MOST_PROBES = 24;

  /** Blocks of one page that wake together: a page may have had much code, one after another. */
  private static final int MOST_TOGETHER = 256;

  private static final int SLOT = Long.BYTES;

  private final RecordMemory records;
  private final ExitTable exits;
  private final CodeCache cache;
  private long table;
  private int slots;

  KeptBlocks(RecordMemory records, ExitTable exits, CodeCache cache) {
    this.records = records;
    this.exits = exits;
    this.cache = cache;
  }

  private JitBlock block(int number) {
    return new JitBlock(records.address(number));
  }

  /** Room for a table of so many bytes, all zero. */
  long allocate(long bytes) throws IOException {
    close(); // what there was
    table = Libc.mapAnonymous(bytes, Libc.PROT_READ | Libc.PROT_WRITE);
    slots = (int) (bytes / SLOT);
    return table;
  }

  /** Bytes of the table. */
  long bytes() {
    return (long) slots * SLOT;
  }

  long address() {
    return table;
  }

  /**
   * A sleeping block of the code at {@code host}, or null.
   *
   * @param page the bytes of the guest's page
   */
  JitBlock find(int hash, int key, long host, byte[] page) {
    for (int i = 0; i < MOST_PROBES && i < slots; i++) {
      long slot = RawMemory.getLong(table + (long) SLOT * (hash + i & slots - 1));
      if (slot == 0) {
        return null;
      }
      if ((int) (slot >>> 32) == hash) {
        JitBlock block = block((int) slot);
        if (block.asleep()
            && block.key() == key
            && block.pageOffset() == ((int) host & 4095)
            && block.isOfMoved(page)) {
          return block;
        }
      }
    }
    return null;
  }

  /** The next block of the page that a block is or was kept with; the first behind the last. */
  JitBlock next(JitBlock block) {
    return block(block.nextKept());
  }

  /**
   * Puts all blocks to sleep; no code is executed any more.
   *
   * @param mostCode bytes of code that are kept; of more those that were made first
   */
  void sleepAll(long mostCode) throws IOException {
    forEach(this::open);
    cut(mostCode);
    int[] count = {0};
    forEach(block -> count[0] += block.hash() == 0 ? 0 : 1);
    allocate((long) SLOT * Math.max(16, Integer.highestOneBit(count[0] + 1) * 4));
    Map<Long, Together> pages = new HashMap<>();
    forEach(
        block -> {
          int number = records.number(block.record());
          int page = 0;
          if (block.hash() != 0) {
            page = join(pages, block, number);
            enter(block.hash(), number);
          }
          block.sleep(page, cache.address());
        });
  }

  /** Blocks of one page that wake together: the first of them, and how many. */
  private record Together(int first, int count) {}

  /** Puts a block to those of its page that wake together; returns the first of them. */
  private int join(Map<Long, Together> pages, JitBlock block, int number) {
    long page = block.host() >>> 12;
    Together others = pages.get(page);
    if (others == null || others.count == MOST_TOGETHER) {
      pages.put(page, new Together(number, 1));
      block.setNextKept(number);
      return number;
    }
    block.setNextKept(block(others.first).nextKept());
    block(others.first).setNextKept(number);
    pages.put(page, new Together(others.first, others.count + 1));
    return others.first;
  }

  /** Forgets what has more code before it. */
  private void cut(long mostCode) {
    for (int at = 1; at < numbers(); at += words(at)) {
      JitBlock block = block(at);
      long from = block.start() - (block.asleep() ? 0 : cache.address()) - cache.kept();
      if (from > mostCode) {
        records.setUsed(8L * at);
        exits.cut(block.firstExit());
        cache.setUsed(from);
      }
    }
  }

  private void forEach(Consumer<JitBlock> action) {
    for (int at = 1; at < numbers(); ) {
      JitBlock block = block(at);
      at += words(at); // before it changes
      action.accept(block);
    }
  }

  private int numbers() {
    return (int) (records.used() / 8);
  }

  /** The length of a block's record, in units of its number. */
  private int words(int number) {
    return block(number).bytes() + 7 >> 3;
  }

  /** True if more of the blocks of an earlier run sleep than have been woken. */
  boolean mostAsleep() {
    int asleep = 0;
    int all = 0;
    for (int i = 0; i < slots; i++) {
      long slot = RawMemory.getLong(table + (long) SLOT * i);
      if (slot != 0) {
        all++;
        asleep += block((int) slot).asleep() ? 1 : 0;
      }
    }
    return 2 * asleep > all;
  }

  /** No jump leads to the block or from its entry elsewhere. */
  private void open(JitBlock block) {
    while (block.incoming() != 0) {
      int exit = exits.takeOut(block);
      cache.patch32(exits.jump(exit), (int) (exits.stub(exit) - exits.jump(exit) - 4));
    }
    if (!block.valid() && !block.asleep()) {
      cache.exchange(block.entry(), block.opening(), BlockCode.OPENING);
    }
  }

  private void enter(int hash, int number) {
    int at = hash;
    while (RawMemory.getLong(table + (long) SLOT * (at & slots - 1)) != 0) {
      at++;
    }
    RawMemory.putLong(
        table + (long) SLOT * (at & slots - 1), (long) hash << 32 | number & 0xffff_ffffL);
  }

  /** Forgets all. */
  @Override
  public void close() {
    if (table != 0) {
      Libc.unmap(table, bytes());
      table = 0;
      slots = 0;
    }
  }
}
