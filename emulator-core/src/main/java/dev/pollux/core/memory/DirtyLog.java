package dev.pollux.core.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * Which pages of a RAM block were written since they were last {@linkplain #take taken}: the
 * watcher of {@link WriteClient#MIGRATION}.
 *
 * <p>A page is in the log, or it is armed so that the next write to it enters it. Whoever takes
 * pages arms them again and then makes the vCPUs look at their writes (see {@link
 * RamBlock#watch(int, long[])}); only after that may the pages' contents be read.
 */
public final class DirtyLog implements WriteWatcher {
  private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);

  private final RamBlock block;
  private final long[] dirty;

  /** Logs nothing before {@link #start}. */
  public DirtyLog(RamBlock block) {
    this.block = block;
    this.dirty = new long[(int) (block.pages() + 63 >> 6)];
  }

  public RamBlock block() {
    return block;
  }

  /** Forgets all pages and arms all. Machine lock held; then make the vCPUs look. */
  public void start() {
    block.setWatcher(WriteClient.MIGRATION, this);
    Arrays.fill(dirty, 0);
    block.watchAll(WriteClient.MIGRATION);
  }

  /** Ends logging; what is logged can still be taken. */
  public void stop() {
    block.setWatcher(WriteClient.MIGRATION, null);
  }

  @Override
  public void beforeWrite(RamBlock written, long page) {
    WORD.getAndBitwiseOr(dirty, (int) (page >> 6), 1L << (page & 63));
  }

  /** Enters a page as if it had been written. */
  public void add(long page) {
    beforeWrite(block, page);
  }

  /** Enters all pages. */
  public void addAll() {
    Arrays.fill(dirty, -1L);
    int rest = (int) (block.pages() & 63);
    if (rest != 0) {
      dirty[dirty.length - 1] = (1L << rest) - 1;
    }
    VarHandle.releaseFence();
  }

  /**
   * Empties the log into {@code into}, whose set bits stay. The pages taken are not armed: that is
   * the caller's next step. Any thread.
   *
   * @param into bit {@code n & 63} of word {@code n >> 6} stands for page {@code n}
   */
  public void take(long[] into) {
    for (int i = 0; i < dirty.length; i++) {
      if ((long) WORD.getOpaque(dirty, i) != 0) {
        into[i] |= (long) WORD.getAndSet(dirty, i, 0L);
      }
    }
  }

  /** An empty set of pages for {@link #take}. */
  public long[] emptySet() {
    return new long[dirty.length];
  }

  /** Pages in the log. */
  public long count() {
    return count(dirty);
  }

  /** Pages in a set. */
  public static long count(long[] pages) {
    long count = 0;
    for (long word : pages) {
      count += Long.bitCount(word);
    }
    return count;
  }
}
