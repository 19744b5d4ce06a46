package dev.pollux.core.interp;

import dev.pollux.core.memory.RamBlock;
import java.util.Arrays;

/**
 * The blocks of one vCPU by the host page of their code. A guest can make any number of them: who
 * adds to them empties them when they are {@linkplain #full full}. A page that is written is
 * forgotten. vCPU thread.
 */
final class CodePages {
  private static final int FEW_PAGES = 1024;
  private static final int BUCKETS = 32;

  /** Heap of an instruction of a block, about. */
  private static final long INSTRUCTION_BYTES = 180;

  /** Heap of a page, about. */
  private static final long PAGE_BYTES = 220;

  /** The blocks made from one page. */
  private static final class Page {
    private final long number;
    private final Block[] buckets = new Block[BUCKETS];

    /** In the same list. */
    private Page next;

    private Page(long number) {
      this.number = number;
    }

    private static int bucket(long host) {
      return (int) (host ^ host >>> 5) & BUCKETS - 1;
    }

    private Block find(long host, int codeSize) {
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

    private void drop() {
      for (Block first : buckets) {
        for (Block block = first; block != null; block = block.sibling) {
          block.drop();
        }
      }
    }
  }

  private final long mostBytes;

  /** Lists of pages, as many as a power of two, by a hash of the number. */
  private Page[] lists = new Page[FEW_PAGES];

  private int count;

  /** Of all blocks added, also of those dropped since: the jump cache may have them still. */
  private long instructions;

  /**
   * @param mostBytes of heap, about
   */
  CodePages(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  private int list(long number) {
    return (int) (number * 0x9e37_79b9_7f4a_7c15L >>> 40) & lists.length - 1;
  }

  private Page page(long number) {
    Page page = lists[list(number)];
    while (page != null && page.number != number) {
      page = page.next;
    }
    return page;
  }

  /** The block at a host address, or null. */
  Block find(long host, int codeSize) {
    Page page = page(host >>> RamBlock.PAGE_BITS);
    return page == null ? null : page.find(host, codeSize);
  }

  void add(Block block) {
    long number = block.hostAddress >>> RamBlock.PAGE_BITS;
    Page page = page(number);
    if (page == null) {
      if (count == lists.length) {
        grow();
      }
      page = new Page(number);
      insert(page);
      count++;
    }
    page.add(block);
    instructions += block.count;
  }

  /** Drops the blocks of the page that holds a host address. */
  void drop(long host) {
    long number = host >>> RamBlock.PAGE_BITS;
    int list = list(number);
    Page before = null;
    for (Page page = lists[list]; page != null; before = page, page = page.next) {
      if (page.number == number) {
        page.drop();
        if (before == null) {
          lists[list] = page.next;
        } else {
          before.next = page.next;
        }
        count--;
        return;
      }
    }
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
    int list = list(page.number);
    page.next = lists[list];
    lists[list] = page;
  }

  private void grow() {
    Page[] old = lists;
    lists = new Page[old.length * 2];
    for (Page first : old) {
      for (Page page = first; page != null; ) {
        Page next = page.next;
        insert(page);
        page = next;
      }
    }
  }

  /** Drops all blocks. */
  void clear() {
    for (Page first : lists) {
      for (Page page = first; page != null; page = page.next) {
        page.drop();
      }
    }
    if (lists.length == FEW_PAGES) {
      Arrays.fill(lists, null);
    } else {
      lists = new Page[FEW_PAGES];
    }
    count = 0;
    instructions = 0;
  }
}
