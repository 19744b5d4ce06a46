package dev.pollux.core.interp;

import dev.pollux.core.memory.RamBlock;

/**
 * The blocks of one vCPU by the host page of their code. A guest can make any number of them: who
 * adds to them empties them when they are {@linkplain #full full}. vCPU thread.
 */
final class CodePages {
  private static final int BUCKETS = 32;

  /** Heap of an instruction of a block, about. */
  private static final long INSTRUCTION_BYTES = 180;

  /** Heap of a page, about. */
  private static final long PAGE_BYTES = 220;

  /** The blocks made from one page. */
  static final class Page {
    private final long number;
    private final Block[] buckets = new Block[BUCKETS];

    Page(long number) {
      this.number = number;
    }

    private static int bucket(long host) {
      return (int) (host ^ host >>> 5) & BUCKETS - 1;
    }

    Block find(long host, int codeSize) {
      Block block = buckets[bucket(host)];
      while (block != null && (block.hostAddress != host || block.codeSize != codeSize)) {
        block = block.sibling;
      }
      return block;
    }

    private void add(Block block) {
      int bucket = bucket(block.hostAddress);
      block.sibling = buckets[bucket];
      buckets[bucket] = block;
    }

    /** Drops its blocks. */
    void drop() {
      for (int i = 0; i < BUCKETS; i++) {
        for (Block block = buckets[i]; block != null; block = block.sibling) {
          block.drop();
        }
        buckets[i] = null;
      }
    }
  }

  private final long mostBytes;

  /** Open addressing by page number; pages are never removed. */
  private Page[] table = new Page[1024];

  private int count;

  /** Of all blocks added, also of those dropped since: the jump cache may have them still. */
  private long instructions;

  /**
   * @param mostBytes of heap, about
   */
  CodePages(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  private static int slot(long number, int mask) {
    return (int) (number * 0x9e37_79b9_7f4a_7c15L >>> 40) & mask;
  }

  /** The page that holds a host address, or null. */
  Page find(long host) {
    long number = host >>> RamBlock.PAGE_BITS;
    int mask = table.length - 1;
    for (int i = slot(number, mask); ; i = i + 1 & mask) {
      Page page = table[i];
      if (page == null || page.number == number) {
        return page;
      }
    }
  }

  Page findOrAdd(long host) {
    Page page = find(host);
    if (page == null) {
      if (count * 2 >= table.length) {
        grow();
      }
      page = new Page(host >>> RamBlock.PAGE_BITS);
      insert(page);
      count++;
    }
    return page;
  }

  void add(Page page, Block block) {
    page.add(block);
    instructions += block.count;
  }

  /** True if nothing may be added before everything is {@linkplain #clear dropped}. */
  boolean full() {
    return bytes() >= mostBytes;
  }

  /** Heap of all this, about. */
  long bytes() {
    return instructions * INSTRUCTION_BYTES + count * PAGE_BYTES;
  }

  private void insert(Page page) {
    int mask = table.length - 1;
    int i = slot(page.number, mask);
    while (table[i] != null) {
      i = i + 1 & mask;
    }
    table[i] = page;
  }

  private void grow() {
    Page[] old = table;
    table = new Page[old.length * 2];
    for (Page page : old) {
      if (page != null) {
        insert(page);
      }
    }
  }

  /** Drops all blocks. */
  void clear() {
    for (Page page : table) {
      if (page != null) {
        page.drop();
      }
    }
    table = new Page[1024];
    count = 0;
    instructions = 0;
  }
}
