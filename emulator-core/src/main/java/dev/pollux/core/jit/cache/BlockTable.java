package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntUnaryOperator;

/**
 * The blocks of one vCPU: by host memory and execution key, and by page of host memory for when the
 * guest writes there. Used by the vCPU's thread only.
 */
public final class BlockTable implements AutoCloseable {
  private static final int BUCKET_BITS = 17;
  private static final int PAGE_BUCKET_BITS = 14;
  private static final int PAGE_BITS = 12;
  private static final long PAGE_MASK = -1L << PAGE_BITS;
  private static final long JUMP_OPCODE = 0xe9;

  /** Number of the first record. */
  private static final int RESERVED = 1;

  /** Room for one block or a group and their ways out beyond the bound. */
  private static final long LAST = 1 << 20;

  private final CodeCache cache;
  private final RecordMemory records;
  private final ExitTable exits;

  // Heads of lists of blocks, by number of their record; 0 is none.

  private final int[] buckets = new int[1 << BUCKET_BITS];

  /** By page; those of other pages may be among them. */
  private final int[] pages = new int[1 << PAGE_BUCKET_BITS];

  /** Dropped blocks of one page, the last one of its kind each. */
  private final int[] dropped = new int[1 << BUCKET_BITS];

  /** By page, as the lists: there may be dropped blocks. */
  private final BitSet droppedIn = new BitSet(1 << PAGE_BUCKET_BITS);

  /** A block of each place of a page that is being woken, 0: there is none. */
  private final int[] starts = new int[1 << PAGE_BITS];

  private int size;

  /** What {@link #findShared} found last, or 0. */
  private long copied;

  /**
   * @param mostBytes of records, after which nothing more than one block is added
   */
  public BlockTable(CodeCache cache, long mostBytes) throws IOException {
    this.cache = cache;
    this.records = new RecordMemory(mostBytes + LAST);
    this.exits = new ExitTable(records, mostBytes + LAST);
    reserveZero();
  }

  /** No record's number is 0. */
  private void reserveZero() {
    records.allocate(Long.BYTES * RESERVED);
  }

  /** The ways out of the blocks. */
  public ExitTable exits() {
    return exits;
  }

  /** Bytes of records of blocks and of their ways out, also of blocks that are dropped. */
  public long recordBytes() {
    return records.used() + exits.bytes();
  }

  private static int hash(long value, int bits) {
    return (int) (value * 0x9e37_79b9_7f4a_7c15L >>> Long.SIZE - bits);
  }

  private static int bucket(long host) {
    return hash(host, BUCKET_BITS);
  }

  private static int pageBucket(long host) {
    return hash(host >>> PAGE_BITS, PAGE_BUCKET_BITS);
  }

  private static boolean samePage(long a, long b) {
    return (a ^ b) >>> PAGE_BITS == 0;
  }

  /** The block of a record, or null for 0. */
  private JitBlock block(int number) {
    return number == 0 ? null : new JitBlock(records.address(number));
  }

  private int number(JitBlock block) {
    return records.number(block.record());
  }

  /**
   * The block, or null.
   *
   * @param nextPage host address of the guest's next page; counts where an instruction reaches into
   *     it
   */
  public JitBlock find(int key, long host, long nextPage) {
    for (int number = first(buckets, key, host); number != 0; ) {
      JitBlock b = block(number);
      if (b.secondPage() == 0 || b.secondPage() == nextPage) {
        return b;
      }
      number = firstOf(b.next(), key, host);
    }
    return null;
  }

  private int first(int[] chains, int key, long host) {
    return firstOf(chains[bucket(host)], key, host);
  }

  /** The first block of the code at {@code host} from one in a list on; makes no objects. */
  private int firstOf(int listed, int key, long host) {
    int number = listed;
    while (number != 0) {
      long record = records.address(number);
      if (JitBlock.isOf(record, key, host)) {
        return number;
      }
      number = JitBlock.next(record);
    }
    return 0;
  }

  /** Makes a block, which is found from now on. */
  public JitBlock add(JitBlock.Parts parts) {
    JitBlock block = new JitBlock(records.allocate(parts.bytes()));
    block.write(parts);
    enter(block);
    return block;
  }

  private void enter(JitBlock block) {
    chain(buckets, block);
    enterPage(block, block.host(), false);
    if (block.secondPage() != 0) {
      enterPage(block, block.secondPage(), true);
    }
    size++;
  }

  private void enterPage(JitBlock block, long host, boolean second) {
    int bucket = pageBucket(host);
    block.setNextInPage(second, pages[bucket]);
    // Which of its two lists goes on there.
    pages[bucket] = number(block) << 1 | (second ? 1 : 0);
  }

  /**
   * A block that was dropped, whose guest bytes are again what they were when it was made, or null.
   * {@link #revive} puts it back.
   *
   * @param page the bytes of the guest's page
   */
  public JitBlock findDropped(int key, long host, byte[] page) {
    JitBlock block = findDropped(key, host);
    return block != null && block.isOf(page) ? block : null;
  }

  private JitBlock findDropped(int key, long host) {
    return block(first(dropped, key, host));
  }

  /** Puts back a block that {@link #findDropped} has found. */
  public void revive(JitBlock block) {
    reopen(block);
    enter(block);
  }

  private void reopen(JitBlock block) {
    unchain(dropped, block);
    cache.exchange(block.entry(), block.opening(), BlockCode.OPENING);
    block.setValid(true);
  }

  /** Keeps a dropped block in place of an older one of the same code. */
  private void keep(JitBlock block) {
    JitBlock older = findDropped(block.key(), block.host());
    if (older != null) {
      unchain(dropped, older);
    }
    chain(dropped, block);
    droppedIn.set(pageBucket(block.host()));
  }

  // ---- blocks of other vCPUs and of earlier runs ----

  /**
   * What another vCPU has made of the code at {@code host}, or null. It is not in the table yet:
   * {@link #takeShared}.
   *
   * @param jumpTable the first of the jump tables of the key
   * @param page the bytes of the guest's page
   */
  public JitBlock findShared(SharedBlocks shared, int key, long host, int jumpTable, byte[] page) {
    if (copied == 0) {
      copied = RawMemory.allocate(PortableBlock.MOST_BYTES);
    }
    boolean found = shared.find(key, host, jumpTable, page, copied);
    return found ? new PortableBlock(copied).block() : null;
  }

  /**
   * Makes a block of what {@link #findShared} has just found.
   *
   * @param dropped what its entry leads to while it is dropped
   */
  public JitBlock takeShared(long dropped) {
    PortableBlock from = new PortableBlock(copied);
    return take(from, from.block().host() & PAGE_MASK, dropped, from.block().group());
  }

  private JitBlock take(PortableBlock from, long hostPage, long dropped, int group) {
    JitBlock made = from.block();
    JitBlock block = new JitBlock(records.allocate(made.bytes()));
    RawMemory.copy(made.record(), block.record(), made.bytes());
    long start = cache.append(from.code(), made.codeBytes());
    block.becomeCopy(hostPage, start, dropped, group, exits.next());
    int moved = (int) (from.codeOffset() - (start - cache.address()));
    long places = block.places();
    int ways = block.exits();
    for (int i = block.stubJumps() - 1; i >= 0; i--) {
      cache.add32(start + JitBlock.place(places, ways + i), moved);
    }
    long exit = from.exitRecord(0);
    for (int i = 0; i < ways; i++, exit += ExitTable.RECORD) {
      cache.patch32(start + JitBlock.place(places, i), exits.next());
      exits.add(block, exit);
    }
    enter(block);
    return block;
  }

  /** Decides about a block of an earlier run, which is not in the table yet. */
  public interface Waker {
    /**
     * Asked where all bytes that the block was made of are in the page.
     *
     * @param jumpTable the first of the jump tables that it was made for
     * @return what its entry leads to while it is dropped; 0: it is not put to use
     */
    long mayWake(JitBlock block, int jumpTable);

    /**
     * The block is in use.
     *
     * @return true if it may jump to others
     */
    boolean awake(JitBlock block);
  }

  /**
   * Puts those blocks of a group to use that were made of what a page has now, as far as there is
   * room, and lets them and their page's others jump to each other.
   *
   * @param group its number
   * @param page the page's bytes
   */
  public void wake(BlockGroup kept, int group, long hostPage, byte[] page, Waker waker) {
    int first = (int) (records.used() / 8);
    findStarts(hostPage);
    wake(kept, true, group, hostPage, page, waker);
    wake(kept, false, group, hostPage, page, waker);
    int end = (int) (records.used() / 8);
    for (int at = first; at < end; at += words(at)) {
      JitBlock block = block(at);
      if (waker.awake(block)) {
        linkStarts(block);
      }
    }
  }

  private void wake(
      BlockGroup kept, boolean quick, int group, long hostPage, byte[] page, Waker waker) {
    boolean anyDropped = droppedIn.get(pageBucket(hostPage));
    for (int offset = 0; offset < kept.bytes(); offset += kept.bytesAt(offset)) {
      PortableBlock from = kept.at(offset);
      JitBlock made = from.block();
      int start = made.pageOffset();
      if (made.quick() == quick
          && started(made.key(), hostPage + start) == null
          && made.isOfMoved(page)
          && (!anyDropped || findDropped(made.key(), hostPage + start, page) == null)) {
        long dropped = waker.mayWake(made, from.table());
        if (dropped != 0) {
          JitBlock block = take(from, hostPage, dropped, group);
          block.move(page, cache);
          starts[start] = number(block);
        }
      }
    }
  }

  /** Notes which blocks there are in a page: {@link #started}. */
  private void findStarts(long hostPage) {
    Arrays.fill(starts, 0);
    for (int listed = pages[pageBucket(hostPage)]; listed != 0; ) {
      JitBlock block = block(listed >>> 1);
      boolean second = (listed & 1) != 0;
      boolean whole = !second && block.secondPage() == 0;
      if (whole && block.valid() && samePage(block.host(), hostPage)) {
        starts[block.pageOffset()] = listed >>> 1;
      }
      listed = block.nextInPage(second);
    }
  }

  /** As {@link #find}, in the page that was looked at. */
  private JitBlock started(int key, long host) {
    JitBlock block = block(starts[(int) host & ~(int) PAGE_MASK]);
    boolean other = block != null && !block.isOf(key, host);
    return other ? find(key, host, -1) : block;
  }

  private void linkStarts(JitBlock from) {
    int end = from.firstExit() + from.exits();
    for (int exit = from.firstExit(); exit < end; exit++) {
      if (exits.isLink(exit)) {
        long host = from.host() + exits.guestOffset(exit);
        int key = from.key() & ~JitBlock.MODE | exits.mode(exit);
        JitBlock to = samePage(host, from.host()) ? started(key, host) : null;
        if (to != null) {
          link(exit, to);
        }
      }
    }
  }

  /**
   * The group of a page's blocks that are in use, or 0.
   *
   * @param host an address in the page
   */
  public int groupOf(long host) {
    int listed = pages[pageBucket(host)];
    while (listed != 0) {
      JitBlock block = block(listed >>> 1);
      boolean second = (listed & 1) != 0;
      if (!second && block.valid() && block.group() != 0 && samePage(block.host(), host)) {
        return block.group();
      }
      listed = block.nextInPage(second);
    }
    return 0;
  }

  /**
   * The blocks that are to be kept and come from no earlier run, by group: its number in the upper
   * half, in the lower what {@link #addTo} takes.
   */
  public long[] unsaved() {
    long[] found = new long[256];
    int count = 0;
    for (int at = RESERVED; at < records.used() / 8; at += words(at)) {
      JitBlock block = block(at);
      if (block.hash() != 0 && block.group() != 0 && !block.saved()) {
        if (count == found.length) {
          found = Arrays.copyOf(found, 2 * count);
        }
        found[count++] = (long) block.group() << Integer.SIZE | at;
      }
    }
    found = Arrays.copyOf(found, count);
    Arrays.sort(found);
    return found;
  }

  /**
   * Adds one of {@link #unsaved} to its group.
   *
   * @param tables the first of the jump tables of a key
   * @return false if the group has no room
   */
  public boolean addTo(BlockGroup group, long unsaved, IntUnaryOperator tables) {
    JitBlock block = block((int) unsaved);
    int table = tables.applyAsInt(block.key());
    return table < 0
        || PortableBlock.bytes(block) > PortableBlock.MOST_BYTES
        || group.add(block, table, cache, exits);
  }

  /** The length of a block's record, in units of its number. */
  private int words(int number) {
    return block(number).bytes() + 7 >> 3;
  }

  /** Lets the jumps of a block inside its page go to those blocks that there are. */
  public void linkAll(JitBlock from) {
    int end = from.firstExit() + from.exits();
    for (int exit = from.firstExit(); exit < end; exit++) {
      if (exits.isLink(exit)) {
        int key = from.key() & ~JitBlock.MODE | exits.mode(exit);
        JitBlock to = find(key, from.host() + exits.guestOffset(exit), -1);
        if (to != null) {
          link(exit, to);
        }
      }
    }
  }

  /** Number of blocks. */
  public int size() {
    return size;
  }

  /** Lets a link go to a block until that is dropped; then to its stub again. */
  public void link(int exit, JitBlock to) {
    if (!exits.isLinked(exit)) {
      patch(exits.jump(exit), exits.polls(exit) ? to.start() : to.entry());
      exits.enter(exit, to);
    }
  }

  private void patch(long jump, long target) {
    cache.patch32(jump, (int) (target - (jump + 4)));
  }

  /** Drops the blocks made from a page of host memory; returns how many. */
  public int dropPage(long hostPage) {
    int bucket = pageBucket(hostPage);
    int listed = pages[bucket];
    pages[bucket] = 0;
    int count = 0;
    while (listed != 0) {
      JitBlock block = block(listed >>> 1);
      boolean second = (listed & 1) != 0;
      int next = block.nextInPage(second);
      if (!samePage(second ? block.secondPage() : block.host(), hostPage)) {
        block.setNextInPage(second, pages[bucket]);
        pages[bucket] = listed;
      } else if (block.valid()) { // not yet dropped with another page
        drop(block);
        count++;
      }
      listed = next;
    }
    return count;
  }

  private void drop(JitBlock block) {
    close(block);
    unchain(buckets, block);
    size--;
    if (block.secondPage() == 0 && !block.hot()) {
      keep(block);
    }
  }

  /** Lets all that leads to a block lead to another one of the same code, which is in use, too. */
  public void replace(JitBlock block, JitBlock by) {
    leadTo(block, by);
    block.forget();
  }

  /** The same with hot code: when that is dropped, or {@link #cool}ed, the block can come back. */
  public void heat(JitBlock block, JitBlock hot) {
    leadTo(block, hot);
    keep(block);
  }

  private void leadTo(JitBlock block, JitBlock by) {
    block.setValid(false);
    unchain(buckets, block);
    size--;
    jumpAtEntry(block, by.entry());
    while (block.incoming() != 0) {
      link(exits.takeOut(block), by);
    }
  }

  /**
   * Drops hot code that is in use.
   *
   * @param block what was {@link #heat}ed, which is in use again, or null
   */
  public void cool(JitBlock hot, JitBlock block) {
    close(hot);
    unchain(buckets, hot);
    size--;
    if (block != null) { // in the list of its page all the time
      reopen(block);
      chain(buckets, block);
      size++;
    }
  }

  private void jumpAtEntry(JitBlock block, long to) {
    long jump = JUMP_OPCODE | (to - (block.entry() + BlockCode.OPENING)) << 8;
    block.setOpening(cache.exchange(block.entry(), jump, BlockCode.OPENING));
  }

  /**
   * Leads all jumps elsewhere: those that were patched back to their stubs, those that find the
   * entry in a table, wherever its page is mapped, out.
   */
  private void close(JitBlock block) {
    block.setValid(false);
    jumpAtEntry(block, block.dropped());
    while (block.incoming() != 0) {
      int exit = exits.takeOut(block);
      patch(exits.jump(exit), exits.stub(exit));
    }
  }

  private void chain(int[] chains, JitBlock block) {
    int bucket = bucket(block.host());
    block.setNext(chains[bucket]);
    chains[bucket] = number(block);
  }

  private void unchain(int[] chains, JitBlock block) {
    int bucket = bucket(block.host());
    int number = number(block);
    if (chains[bucket] == number) {
      chains[bucket] = block.next();
      return;
    }
    JitBlock b = block(chains[bucket]);
    while (b != null && b.next() != number) {
      b = block(b.next());
    }
    if (b != null) {
      b.setNext(block.next());
    }
  }

  /** Drops everything. The code cache is emptied with it. */
  public void clear() {
    records.clear();
    exits.clear();
    reserveZero();
    Arrays.fill(buckets, 0);
    Arrays.fill(pages, 0);
    Arrays.fill(dropped, 0);
    droppedIn.clear();
    size = 0;
  }

  @Override
  public void close() {
    records.close();
    exits.close();
    RawMemory.free(copied);
  }
}
