package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * The blocks of one vCPU: by host memory and execution key, and by page of host memory for when the
 * guest writes there. Used by the vCPU's thread only.
 */
public final class BlockTable implements AutoCloseable {
  private static final int BUCKET_BITS = 17;
  private static final int PAGE_BUCKET_BITS = 14;
  private static final int PAGE_BITS = 12;
  private static final long JUMP_OPCODE = 0xe9;

  /** Room for one block and its ways out beyond the bound. */
  private static final long LAST = 1 << 20;

  /** Bytes of the table of blocks of an earlier run. */
  private static final long MOST_TABLE = 32 << 20;

  private final CodeCache cache;
  private final RecordMemory records;
  private final ExitTable exits;
  private final KeptBlocks kept;

  // Heads of lists of blocks, by number of their record; 0 is none.

  private final int[] buckets = new int[1 << BUCKET_BITS];

  /** By page; those of other pages may be among them. */
  private final int[] pages = new int[1 << PAGE_BUCKET_BITS];

  /** Dropped blocks of one page, the last one of its kind each. */
  private final int[] dropped = new int[1 << BUCKET_BITS];

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
    this.kept = new KeptBlocks(records, exits, cache);
    reserveZero();
  }

  /** No record's number is 0. */
  private void reserveZero() {
    records.allocate(1);
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
    for (JitBlock b = block(buckets[bucket(host)]); b != null; b = block(b.next())) {
      if (b.isOf(key, host) && (b.secondPage() == 0 || b.secondPage() == nextPage)) {
        return b;
      }
    }
    return null;
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
    for (JitBlock b = block(dropped[bucket(host)]); b != null; b = block(b.next())) {
      if (b.isOf(key, host)) {
        return b;
      }
    }
    return null;
  }

  /** Puts back a block that {@link #findDropped} has found. */
  public void revive(JitBlock block) {
    unchain(dropped, block);
    cache.exchange(block.entry(), block.opening(), BlockCode.OPENING);
    block.setValid(true);
    enter(block);
  }

  /** Keeps a dropped block in place of an older one of the same code. */
  private void keep(JitBlock block) {
    JitBlock older = findDropped(block.key(), block.host());
    if (older != null) {
      unchain(dropped, older);
    }
    chain(dropped, block);
  }

  // ---- blocks of other vCPUs ----

  /**
   * What another vCPU has made of the code at {@code host}, or null. It is not in the table yet:
   * {@link #take}.
   *
   * @param jumpTable the first of the jump tables of the key
   * @param page the bytes of the guest's page
   */
  public JitBlock findShared(SharedBlocks shared, int key, long host, int jumpTable, byte[] page) {
    if (copied == 0) {
      copied = RawMemory.allocate(SharedBlock.MOST_BYTES);
    }
    boolean found = shared.find(key, host, jumpTable, page, copied);
    return found ? new SharedBlock(copied).block() : null;
  }

  /**
   * Makes a block of what {@link #findShared} has just found.
   *
   * @param dropped what its entry leads to while it is dropped
   * @param hash what it is found by when it is kept
   */
  public JitBlock take(long dropped, int hash) {
    SharedBlock from = new SharedBlock(copied);
    long start = cache.append(from.code(), from.codeBytes());
    int moved = (int) (from.codeOffset() - (start - cache.address()));
    for (int i = 0; i < from.stubJumps(); i++) {
      cache.add32(start + from.stubJump(i), moved);
    }
    JitBlock block = new JitBlock(records.allocate(from.block().bytes()));
    RawMemory.copy(from.block().record(), block.record(), from.block().bytes());
    block.becomeCopy(start, dropped, hash, exits.next());
    for (int i = 0; i < from.exits(); i++) {
      cache.patch32(start + from.numberAt(i), exits.next());
      exits.add(block, from.exitRecord(i));
    }
    enter(block);
    return block;
  }

  // ---- blocks of an earlier run ----

  /**
   * A block of an earlier run of the code at {@code host}, or null. It sleeps: {@link #wake}.
   *
   * @param hash not 0
   * @param page the bytes of the guest's page
   */
  public JitBlock findAsleep(int hash, int key, long host, byte[] page) {
    return kept.find(hash, key, host, page);
  }

  /** The next block of the page that a block was kept with, the first behind the last. */
  public JitBlock nextKept(JitBlock block) {
    return kept.next(block);
  }

  /**
   * True if a block sleeps and can be woken for a page.
   *
   * @param hostPage its host address
   * @param page its bytes
   */
  public boolean canWake(JitBlock block, long hostPage, byte[] page) {
    long host = hostPage + block.pageOffset();
    return block.asleep()
        && block.isOfMoved(page)
        && find(block.key(), host, -1) == null
        && findDropped(block.key(), host, page) == null;
  }

  /**
   * Puts a sleeping block to use.
   *
   * @param dropped what its entry leads to while it is dropped
   */
  public void wake(JitBlock block, long hostPage, byte[] page, long dropped) {
    block.wake(hostPage, cache.address(), dropped);
    block.move(page, cache);
    enter(block);
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

  /**
   * Memory to put blocks of an earlier run into, in place of all others: the code, the records of
   * blocks and of ways out, the table that finds them.
   *
   * @param lengths of these in bytes
   * @throws NoRoomException if the code is too much
   * @throws IOException if they are not what there can be room for
   */
  public List<MemorySegment> room(long... lengths) throws IOException {
    long code = lengths[0];
    long most = records.length() / 2;
    if (!cache.fits(2 * code)) {
      throw new NoRoomException(code);
    }
    if (code < 0
        || !isIn(lengths[1], most)
        || !isIn(lengths[2], most)
        || !isIn(lengths[3], MOST_TABLE)
        || Long.bitCount(lengths[3]) != 1) {
      throw new IOException("there is no room for it");
    }
    records.setUsed(lengths[1]);
    exits.setUsed(lengths[2]);
    cache.setUsed(code);
    return List.of(
        RawMemory.segment(cache.firstWritable(), code),
        RawMemory.segment(records.base(), lengths[1]),
        RawMemory.segment(exits.base(), lengths[2]),
        RawMemory.segment(kept.allocate(lengths[3]), lengths[3]));
  }

  private static boolean isIn(long length, long most) {
    return length >= Long.BYTES && length <= most && (length & Long.BYTES - 1) == 0;
  }

  /**
   * Puts all blocks to sleep; nothing is executed any more.
   *
   * @param mostCode bytes of code that are kept; of more those that were made first
   * @return what {@link #room} has made room for
   */
  public List<MemorySegment> sleep(long mostCode) throws IOException {
    kept.sleepAll(mostCode);
    return List.of(
        RawMemory.segment(cache.firstWritable(), cache.used() - cache.kept()),
        RawMemory.segment(records.base(), records.used()),
        RawMemory.segment(exits.base(), exits.bytes()),
        RawMemory.segment(kept.address(), kept.bytes()));
  }

  /** True if most of the blocks of an earlier run sleep. */
  public boolean mostAsleep() {
    return kept.mostAsleep();
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
    if (block.secondPage() == 0) {
      keep(block);
    }
  }

  /** Lets all that leads to a block lead to another one of the same code, which is in use, too. */
  public void replace(JitBlock block, JitBlock by) {
    block.setValid(false);
    block.forget();
    unchain(buckets, block);
    size--;
    jumpAtEntry(block, by.entry());
    while (block.incoming() != 0) {
      link(exits.takeOut(block), by);
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
    kept.close();
    reserveZero();
    Arrays.fill(buckets, 0);
    Arrays.fill(pages, 0);
    Arrays.fill(dropped, 0);
    size = 0;
  }

  @Override
  public void close() {
    records.close();
    exits.close();
    kept.close();
    RawMemory.free(copied);
  }
}
