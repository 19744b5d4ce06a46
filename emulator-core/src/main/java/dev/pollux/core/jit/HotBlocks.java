package dev.pollux.core.jit;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.cache.JitBlock;
import dev.pollux.core.jit.emit.BlockCompiler.AccessPages;
import dev.pollux.core.mmu.Mmu;
import dev.pollux.core.mmu.RefillLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * Which quick blocks are hot, and the pages that their accesses have ({@link RefillLayout#PAGES}).
 * When somebody wants the vCPU's attention, as its guest's timer does some hundred times a second,
 * a look is taken at the blocks that it enters next; those that come up twice are in a loop, and
 * hot if they are so in another look soon. An access whose page is another again and again has
 * none: it asks the TLB as in quick code.
 *
 * <p>Used by the vCPU's thread only.
 */
final class HotBlocks {
  /** Entries into blocks that are seen in one look. */
  static final int LOOK = 32;

  /** Blocks that are made hot in one: the guest stands still meanwhile. */
  static final int MOST_HEATED = 16;

  /** Least time between two looks, if the first has seen a loop that is not hot. */
  private static final long LOOK_NANOS = 2_000_000;

  /** Otherwise it grows to as much. */
  private static final long MOST_NANOS = 16_000_000;

  /** Looks after which those before are forgotten. */
  private static final int LOOKS = 8;

  /** One part in so many of all time may be spent on making blocks hot. */
  private static final int MOST_SPENT = 64;

  /** Looks in which a block executes in a loop until it is hot. */
  private static final int TIMES = 2;

  /** Least time between making room for other hot blocks: code that was hot takes memory. */
  private static final long FORGET_NANOS = 30_000_000_000L;

  /** Places where blocks are counted, as a shift; those that share one count against each other. */
  private static final int PLACE_BITS = 10;

  /** Times that the page of an access may be another until it is asked whether that pays. */
  private static final int PATIENCE = 256;

  /** It does not if that has taken less time: a twentieth of it was spent looking for the page. */
  private static final long LEAST_NANOS = 64_000;

  /**
   * A hot block.
   *
   * @param cool the block that it takes the place of, or null
   * @param asked by instruction: when the patience with its access began
   */
  private record Hot(JitBlock cool, AccessPages pages, long[] asked) {}

  private final long s;
  private final Mmu mmu;
  private final long[] met = new long[1 << PLACE_BITS];
  private final byte[] times = new byte[1 << PLACE_BITS];
  private final long[] inLook = new long[LOOK];
  private int seen;
  private int looks;
  private long looked;
  private long pause = LOOK_NANOS;
  private boolean looking;
  private boolean sawLoop;
  private final long started = System.nanoTime();
  private long heating;
  private long spent;
  private final Map<JitBlock, Hot> hot = new HashMap<>();
  private int pagesUsed;
  private long forgotten;

  /**
   * @param s address of the vCPU's block
   */
  HotBlocks(long s, Mmu mmu) {
    this.s = s;
    this.mmu = mmu;
  }

  /** Begins a look at what the vCPU executes; false if it is not time, or one is being taken. */
  boolean beginLook() {
    if (looking || System.nanoTime() - looked < pause) {
      return false;
    }
    looking = true;
    sawLoop = false;
    seen = 0;
    if (++looks == LOOKS) {
      looks = 0;
      Arrays.fill(times, (byte) 0);
    }
    return true;
  }

  void endLook() {
    looking = false;
    looked = System.nanoTime();
    pause = sawLoop ? LOOK_NANOS : Math.min(2 * pause, MOST_NANOS);
  }

  /** Begins to make blocks hot; false if too much time has been spent on that. */
  boolean beginHeating() {
    heating = System.nanoTime();
    return spent * MOST_SPENT <= heating - started;
  }

  void endHeating() {
    spent += System.nanoTime() - heating;
  }

  /**
   * The vCPU is about to enter a quick block while it is looked at; true if it is hot from now on.
   *
   * @param host address of its code
   */
  boolean see(long host) {
    int before = 0;
    for (int i = 0; i < seen; i++) {
      before += inLook[i] == host ? 1 : 0;
    }
    inLook[seen++] = host;
    sawLoop |= before != 0;
    return before == 1 && isMetAgain(host);
  }

  /** A block executes in a loop; true if one of the same code did so not long ago. */
  private boolean isMetAgain(long host) {
    int place = (int) (host * 0x9e37_79b9_7f4a_7c15L >>> Long.SIZE - PLACE_BITS);
    if (met[place] == host) {
      times[place]++;
    } else if (times[place] > 0) {
      times[place]--;
    } else {
      met[place] = host;
      times[place] = 1;
    }
    return met[place] == host && times[place] >= TIMES;
  }

  /** True if there are pages for a block of so many instructions. */
  boolean hasPages(int instructions) {
    return pagesUsed + instructions <= RefillLayout.PAGE_COUNT;
  }

  /** True if none needs to stay hot because others are. */
  boolean mayForget() {
    return System.nanoTime() - forgotten >= FORGET_NANOS;
  }

  /** Pages for the accesses of a block for which there {@link #hasPages are} some. */
  AccessPages givePages(int instructions) {
    int first = pagesUsed;
    pagesUsed += instructions;
    AccessPages pages = new AccessPages(first, 0);
    for (int i = 0; i < instructions; i++) {
      setLeft(pages, i);
    }
    return pages;
  }

  /**
   * A block is hot now.
   *
   * @param cool the block that it takes the place of, or null
   */
  void add(JitBlock block, JitBlock cool, AccessPages pages) {
    long[] asked = new long[block.count()];
    Arrays.fill(asked, System.nanoTime());
    hot.put(block, new Hot(cool, pages, asked));
  }

  /**
   * The interpreter executes an instruction of a hot block: the pages with which the block should
   * be translated anew, since the page of that access is another too often; or null.
   */
  AccessPages without(JitBlock block, int insn) {
    Hot known = hot.get(block);
    if (known == null || left(known, insn) >= 0) {
      return null;
    }
    long now = System.nanoTime();
    if (now - known.asked[insn] >= LEAST_NANOS) {
      known.asked[insn] = now;
      setLeft(known.pages, insn);
      return null;
    }
    long without = known.pages.without() | 1L << insn;
    for (int i = 0; i < known.asked.length; i++) {
      long others = PATIENCE - left(known, i);
      if (others * LEAST_NANOS >= PATIENCE * (now - known.asked[i])) {
        without |= 1L << i;
      }
    }
    return new AccessPages(known.pages.first(), without);
  }

  private int left(Hot block, int insn) {
    return RawMemory.getInt(
        s + RefillLayout.page(block.pages.first() + insn) + RefillLayout.PAGE_LEFT);
  }

  private void setLeft(AccessPages pages, int insn) {
    long page = s + RefillLayout.page(pages.first() + insn);
    RawMemory.putInt(page + RefillLayout.PAGE_LEFT, PATIENCE);
  }

  /** The block takes the place of another hot one. */
  void replace(JitBlock old, JitBlock block, AccessPages pages) {
    Hot was = hot.remove(old);
    hot.put(block, new Hot(was.cool, pages, was.asked));
  }

  /**
   * None is hot any more.
   *
   * @param each gets those that there were, with what they took the place of, or null
   */
  void forget(BiConsumer<JitBlock, JitBlock> each) {
    hot.forEach((block, known) -> each.accept(block, known.cool));
    forget();
  }

  /** None is hot any more, as all are dropped. */
  void forget() {
    hot.clear();
    pagesUsed = 0;
    forgotten = System.nanoTime();
    mmu.forgetAccessed();
  }
}
