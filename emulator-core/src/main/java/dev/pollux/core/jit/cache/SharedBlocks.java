package dev.pollux.core.jit.cache;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.JitLayout;
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

  /**
   * Offers a block that has just been made to the other vCPUs. It does not reach into another page,
   * and no jump in it has been patched.
   *
   * @param table the first of the jump tables of its key
   */
  public synchronized void add(JitBlock block, int table, CodeCache cache, ExitTable exits) {
    int bytes = PortableBlock.bytes(block);
    if (bytes > PortableBlock.MOST_BYTES) {
      return;
    }
    if (memory.used() + bytes > memory.length()) {
      clear();
    }
    long at = memory.allocate(bytes);
    new PortableBlock(at).write(block, table, cache, exits);
    buckets[bucket(block.host(), block.key())] = memory.number(at);
  }

  /**
   * Copies the translation of the code at {@code host}.
   *
   * @param table the first of the jump tables of the key where it is going to be used
   * @param page the bytes of the guest's page
   * @param to room for {@link PortableBlock#MOST_BYTES}
   * @return false if there is none
   */
  synchronized boolean find(int key, long host, int table, byte[] page, long to) {
    int number = buckets[bucket(host, key)];
    if (number == 0) {
      return false;
    }
    long at = memory.address(number);
    PortableBlock found = new PortableBlock(at);
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
