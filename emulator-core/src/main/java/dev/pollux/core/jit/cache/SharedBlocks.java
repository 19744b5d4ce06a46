package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.emit.BlockCode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What the vCPUs of a machine have translated lately. Each has code memory of its own, which nobody
 * else looks at; a vCPU that comes to code that another has translated takes a copy from here
 * instead of translating it again. Nothing is ever removed because the guest writes: a copy is
 * right where the guest's page has the bytes that it was made of, all of which are compared.
 *
 * <p>When it is full all is forgotten. May be called on any thread.
 */
public final class SharedBlocks {
  private static final long ROOM = 24 << 20;
  private static final int BUCKET_BITS = 15;

  // All guarded by this object.

  /** The last block of each hash, by number of its memory; 0 is none. */
  private final int[] buckets = new int[1 << BUCKET_BITS];

  /** Execution keys without the mode in the order of their jump tables. */
  private final List<Integer> keys = new ArrayList<>();

  private RecordMemory memory;
  private final long room;
  private int users;
  private boolean used;

  public SharedBlocks() {
    this(ROOM);
  }

  /**
   * @param room bytes of memory, at least as much as one block may take, 32 KiB and a few bytes
   */
  public SharedBlocks(long room) {
    this.room = room;
  }

  /** A vCPU begins to use it. */
  public synchronized void join() throws IOException {
    if (users == 0) {
      memory = new RecordMemory(room);
      clear();
    }
    users++;
  }

  /** A vCPU that has joined ends; with the last one go the translations. */
  public synchronized void leave() {
    if (--users == 0) {
      memory.close();
    }
  }

  /**
   * Which jump tables a key should have, so that all vCPUs can use each other's code: the number of
   * their group, beyond those there are if all have been given away.
   */
  public synchronized int group(int key) {
    int group = keys.indexOf(key);
    if (group < 0) {
      group = keys.size();
      if (group < JitLayout.JUMP_GROUPS) {
        keys.add(key);
      }
    }
    return group;
  }

  /** From now on, if nothing is shared yet, these keys have the first groups. */
  public synchronized void suggest(int[] first) {
    if (!used) {
      keys.clear();
      Arrays.stream(first).forEach(keys::add);
    }
  }

  /**
   * Offers a block that has just been made to the other vCPUs. It does not reach into another page,
   * and no jump in it has been patched.
   *
   * @param table the first of the jump tables of its key
   * @param code what is known of the code
   * @param written the code itself
   * @param offset of it from the stubs
   */
  public synchronized void add(
      JitBlock block, int table, BlockCode code, CodeBuffer written, long offset, ExitTable exits) {
    int bytes = SharedBlock.bytes(block, code, written.position());
    if (bytes > SharedBlock.MOST_BYTES) {
      return;
    }
    if (memory.used() + bytes > memory.length()) {
      clear();
    }
    used = true;
    long at = memory.allocate(bytes);
    new SharedBlock(at).write(bytes, block, table, code, written, offset, exits);
    buckets[bucket(block.host(), block.key())] = memory.number(at);
  }

  /**
   * Copies the translation of the code at {@code host}.
   *
   * @param table the first of the jump tables of the key where it is going to be used
   * @param page the bytes of the guest's page
   * @param to room for {@link SharedBlock#MOST_BYTES}
   * @return false if there is none
   */
  synchronized boolean find(int key, long host, int table, byte[] page, long to) {
    int number = buckets[bucket(host, key)];
    if (number == 0) {
      return false;
    }
    long at = memory.address(number);
    SharedBlock found = new SharedBlock(at);
    if (!found.block().isOf(key, host) || found.table() != table || !found.block().isOf(page)) {
      return false;
    }
    RawMemory.copy(at, to, found.bytes());
    return true;
  }

  private void clear() {
    memory.clear();
    memory.allocate(1); // no number is 0
    Arrays.fill(buckets, 0);
  }

  private static int bucket(long host, int key) {
    long mixed = (host ^ (long) key << Integer.SIZE) * 0x9e37_79b9_7f4a_7c15L;
    return (int) (mixed >>> Long.SIZE - BUCKET_BITS);
  }
}
