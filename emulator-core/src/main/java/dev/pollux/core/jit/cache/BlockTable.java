package dev.pollux.core.jit.cache;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The blocks of one vCPU: by guest address, execution key and host memory, and by page of host
 * memory for when the guest writes there. Used by the vCPU's thread only.
 */
public final class BlockTable {
  private static final int BUCKETS = 1 << 14;
  private static final int PAGE_BITS = 12;

  private final CodeCache cache;
  private final JitBlock[] buckets = new JitBlock[BUCKETS];
  private final Map<Long, List<JitBlock>> byPage = new HashMap<>();
  private int size;

  public BlockTable(CodeCache cache) {
    this.cache = cache;
  }

  private static int bucket(long rip, long hostCode) {
    long hash = (rip ^ hostCode >>> PAGE_BITS) * 0x9e37_79b9_7f4a_7c15L;
    return (int) (hash >>> 50);
  }

  /**
   * The block, or null.
   *
   * @param nextPage host address of the guest's next page; counts where an instruction reaches into
   *     it
   */
  public JitBlock find(long rip, int key, long hostCode, long nextPage) {
    for (JitBlock b = buckets[bucket(rip, hostCode)]; b != null; b = b.next) {
      if (b.rip == rip
          && b.hostCode == hostCode
          && b.key == key
          && (b.secondPage == 0 || b.secondPage == nextPage)) {
        return b;
      }
    }
    return null;
  }

  public void add(JitBlock block) {
    int bucket = bucket(block.rip, block.hostCode);
    block.next = buckets[bucket];
    buckets[bucket] = block;
    enter(block, block.hostCode);
    if (block.secondPage != 0) {
      enter(block, block.secondPage);
    }
    size++;
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
   */
  public void link(long patched, long stub, JitBlock to) {
    cache.patch32(patched, (int) (to.entry - (patched + 4)));
    to.addIncoming(patched, stub);
  }

  /** Drops the blocks made from a page of host memory; returns them. */
  public List<JitBlock> dropPage(long hostPage) {
    List<JitBlock> dropped = byPage.remove(hostPage >>> PAGE_BITS);
    if (dropped == null) {
      return List.of();
    }
    for (JitBlock block : dropped) {
      if (block.valid) { // not yet dropped with another page
        block.valid = false;
        block.unlink(cache);
        remove(block);
        size--;
      }
    }
    return dropped;
  }

  private void remove(JitBlock block) {
    int bucket = bucket(block.rip, block.hostCode);
    JitBlock b = buckets[bucket];
    if (b == block) {
      buckets[bucket] = block.next;
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
      blocks.forEach(b -> b.valid = false);
    }
    byPage.clear();
    Arrays.fill(buckets, null);
    size = 0;
  }
}
