package dev.pollux.core.jit.cache;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The blocks of one vCPU: by host memory and execution key, and by page of host memory for when the
 * guest writes there. Used by the vCPU's thread only.
 */
public final class BlockTable {
  private static final int BUCKET_BITS = 17;
  private static final int BUCKETS = 1 << BUCKET_BITS;
  private static final int PAGE_BITS = 12;

  private final CodeCache cache;
  private final JitBlock[] buckets = new JitBlock[BUCKETS];
  private final Map<Long, List<JitBlock>> byPage = new HashMap<>();

  /** Dropped blocks of one page, the last one of its kind each. */
  private final JitBlock[] dropped = new JitBlock[BUCKETS];

  private int size;

  public BlockTable(CodeCache cache) {
    this.cache = cache;
  }

  private static int bucket(long hostCode) {
    return (int) (hostCode * 0x9e37_79b9_7f4a_7c15L >>> Long.SIZE - BUCKET_BITS);
  }

  /**
   * The block, or null.
   *
   * @param nextPage host address of the guest's next page; counts where an instruction reaches into
   *     it
   */
  public JitBlock find(int key, long hostCode, long nextPage) {
    for (JitBlock b = buckets[bucket(hostCode)]; b != null; b = b.next) {
      if (b.isOf(key, hostCode) && (b.secondPage == 0 || b.secondPage == nextPage)) {
        return b;
      }
    }
    return null;
  }

  public void add(JitBlock block) {
    int bucket = bucket(block.hostCode);
    block.next = buckets[bucket];
    buckets[bucket] = block;
    enter(block, block.hostCode);
    if (block.secondPage != 0) {
      enter(block, block.secondPage);
    }
    size++;
  }

  /**
   * A block that was dropped, whose guest bytes are again what they were when it was made, or null.
   * {@link #revive} puts it back.
   *
   * @param page the bytes of the guest's page
   */
  public JitBlock findDropped(int key, long hostCode, byte[] page) {
    for (JitBlock b = dropped[bucket(hostCode)]; b != null; b = b.next) {
      if (b.isOf(key, hostCode)) {
        int end = b.firstLooked + b.looked.length;
        return Arrays.equals(b.looked, 0, b.looked.length, page, b.firstLooked, end) ? b : null;
      }
    }
    return null;
  }

  /** Puts back a block that {@link #findDropped} has found. */
  public void revive(JitBlock block) {
    unchain(dropped, block);
    block.open(cache);
    add(block);
  }

  /** Keeps a dropped block in place of an older one of the same code. */
  private void keep(JitBlock block) {
    int bucket = bucket(block.hostCode);
    for (JitBlock b = dropped[bucket]; b != null; b = b.next) {
      if (b.isOf(block.key, block.hostCode)) {
        unchain(dropped, b);
        break;
      }
    }
    block.next = dropped[bucket];
    dropped[bucket] = block;
  }

  private void enter(JitBlock block, long host) {
    byPage.computeIfAbsent(host >>> PAGE_BITS, page -> new ArrayList<>()).add(block);
  }

  /** Number of blocks. */
  public int size() {
    return size;
  }

  /**
   * Lets the jump whose displacement is at {@code patched} go to {@code to} until that is dropped;
   * then to {@code stub} again.
   *
   * @param polls whether the jump has to look for requests
   */
  public void link(long patched, long stub, JitBlock to, boolean polls) {
    cache.patch32(patched, (int) ((polls ? to.start : to.entry) - (patched + 4)));
    to.addIncoming(patched, stub);
  }

  /** Drops the blocks made from a page of host memory; returns them. */
  public List<JitBlock> dropPage(long hostPage) {
    List<JitBlock> blocks = byPage.remove(hostPage >>> PAGE_BITS);
    if (blocks == null) {
      return List.of();
    }
    for (JitBlock block : blocks) {
      if (block.valid()) { // not yet dropped with another page
        block.close(cache);
        unchain(buckets, block);
        size--;
        if (block.secondPage == 0) {
          keep(block);
        }
      }
    }
    return blocks;
  }

  private static void unchain(JitBlock[] chains, JitBlock block) {
    int bucket = bucket(block.hostCode);
    JitBlock b = chains[bucket];
    if (b == block) {
      chains[bucket] = block.next;
      return;
    }
    while (b != null && b.next != block) {
      b = b.next;
    }
    if (b != null) {
      b.next = block.next;
    }
  }

  /** Drops everything. The code cache is emptied with it. */
  public void clear() {
    for (List<JitBlock> blocks : byPage.values()) {
      blocks.forEach(JitBlock::discard);
    }
    byPage.clear();
    Arrays.fill(buckets, null);
    Arrays.fill(dropped, null);
    size = 0;
  }
}
