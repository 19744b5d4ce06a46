package dev.pollux.migration.colo;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.migration.ram.GuestRam;
import dev.pollux.migration.ram.PageSink;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The secondary's second copy of the guest's memory. What the primary sends goes here, while the
 * secondary's guest runs on its own memory; when a checkpoint is whole, {@link #apply} copies the
 * pages that differ. During the first migration pages go to both.
 *
 * <p>A checkpoint that never becomes whole leaves pages here that belong to no state; nobody looks
 * at them, since the secondary then goes on from its own memory.
 */
public final class ColoCache implements PageSink, AutoCloseable {
  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

  /**
   * @param memory host address of as many bytes as the block has
   * @param received pages that came since the last checkpoint
   */
  private record Copy(long memory, long[] received) {}

  private final Map<RamBlock, Copy> copies = new HashMap<>();
  private final GuestRam guest;
  private final PageDigest digest = new PageDigest();

  /** Pages go here only, and are remembered. */
  private volatile boolean live;

  /**
   * @throws IOException if the host does not give that much memory
   */
  public ColoCache(List<RamBlock> blocks) throws IOException {
    guest = new GuestRam(blocks);
    try {
      for (RamBlock block : blocks) {
        long memory = Libc.mapAnonymous(block.size(), Libc.PROT_READ | Libc.PROT_WRITE);
        Libc.advise(memory, block.size(), Libc.MADV_HUGEPAGE);
        copies.put(block, new Copy(memory, new long[(int) (block.pages() + 63 >> 6)]));
      }
    } catch (IOException e) {
      close();
      throw new IOException("no memory for the COLO cache: " + e.getMessage(), e);
    }
  }

  /** The guest runs from now on: pages no longer go to its memory. */
  void goLive() {
    live = true;
  }

  /** Of what came. */
  PageDigest digest() {
    return digest;
  }

  @Override
  public void page(RamBlock block, long offset, long contents) {
    Copy copy = copies.get(block);
    RawMemory.copy(contents, copy.memory + offset, RamBlock.PAGE_SIZE);
    if (live) {
      digest.add(block, offset, contents);
      remember(copy, offset);
    } else {
      guest.page(block, offset, contents);
    }
  }

  @Override
  public void zeroPage(RamBlock block, long offset) {
    Copy copy = copies.get(block);
    RawMemory.fill(copy.memory + offset, RamBlock.PAGE_SIZE, (byte) 0);
    if (live) {
      digest.addZero(block, offset);
      remember(copy, offset);
    } else {
      guest.zeroPage(block, offset);
    }
  }

  private static void remember(Copy copy, long offset) {
    long page = offset >> RamBlock.PAGE_BITS;
    WORD.getAndBitwiseOr(copy.received, (int) (page >> 6), 1L << (page & 63));
  }

  /**
   * Makes the guest's memory what this is: copies the pages that came and those that the guest has
   * written itself, which the logs tell and log anew. vCPUs parked; nothing comes meanwhile; before
   * the vCPUs run each drops its write-enabled translations.
   *
   * @return pages copied
   */
  long apply(List<DirtyLog> logs) {
    long pages = 0;
    for (DirtyLog log : logs) {
      RamBlock block = log.block();
      Copy copy = copies.get(block);
      long[] set = copy.received;
      log.take(set);
      block.watch(WriteClient.MIGRATION.bit(), set);
      pages += DirtyLog.count(set);
      for (int i = 0; i < set.length; i++) {
        for (; set[i] != 0; set[i] &= set[i] - 1) {
          restore(block, copy.memory, (long) i << 6 | Long.numberOfTrailingZeros(set[i]));
        }
      }
    }
    return pages;
  }

  private static void restore(RamBlock block, long cache, long page) {
    long offset = page << RamBlock.PAGE_BITS;
    int watchers = block.watchedBy(page) & ~WriteClient.MIGRATION.bit();
    if (watchers != 0) {
      if (RawMemory.equal(cache + offset, block.hostAddress() + offset, RamBlock.PAGE_SIZE)) {
        return; // Code that was made from it stays.
      }
      block.tellWatchers(page, watchers);
    }
    RawMemory.copy(cache + offset, block.hostAddress() + offset, RamBlock.PAGE_SIZE);
  }

  @Override
  public void close() {
    copies.forEach((block, copy) -> Libc.unmap(copy.memory, block.size()));
    copies.clear();
  }
}
