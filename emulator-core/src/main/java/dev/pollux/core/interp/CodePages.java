package dev.pollux.core.interp;

import dev.pollux.core.memory.RamBlock;

/**
 * The blocks of one vCPU by the host page of their code. A guest can make any number of them: who
 * adds to them empties them when they are {@linkplain #full full}. vCPU thread.
 */
final class CodePages {
  private static final int BUCKETS = 32;

  /** Instructions of all blocks, each some 150 bytes of heap. */
  private static final int MOST_INSTRUCTIONS = 1 << 19;

  /** Pages, each some 200 bytes of heap. */
  private static final int MOST_PAGES = 1 << 16;

  /** The blocks made from one page. */
  static final class Page {
    private final long number;
    private final Block[] buckets = new Block[BUCKETS];
    private int instructions;

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
      instructions += block.count;
      int bucket = bucket(block.hostAddress);
      block.sibling = buckets[bucket];
      buckets[bucket] = block;
    }

    private void drop() {
      instructions = 0;
      for (int i = 0; i < BUCKETS; i++) {
        for (Block block = buckets[i]; block != null; block = block.sibling) {
          block.drop();
        }
        buckets[i] = null;
      }
    }
  }

  /** Open addressing by page number; pages are never removed. */
  private Page[] table = new Page[1024];

  private int count;

  /** Of all blocks. */
  private int instructions;

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

  /** Drops the blocks of one page. */
  void drop(Page page) {
    instructions -= page.instructions;
    page.drop();
  }

  /** True if nothing may be added before everything is {@linkplain #clear dropped}. */
  boolean full() {
    return instructions >= MOST_INSTRUCTIONS || count >= MOST_PAGES;
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
