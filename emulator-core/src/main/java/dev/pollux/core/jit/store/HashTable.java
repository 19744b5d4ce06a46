package dev.pollux.core.jit.store;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Which groups have blocks of a hash. Memory outside the heap, as it is in the file: a power of two
 * of u64, the hash in the upper half, whose lowest bit is always 1, in the lower the number of the
 * group, which is not 0; behind a slot that is taken the next may hold the same hash. At most half
 * are taken.
 */
final class HashTable implements AutoCloseable {
  static final int LEAST_SLOTS = 1 << 10;
  static final int MOST_SLOTS = 1 << 22;
  static final int SLOT = Long.BYTES;

  /** Slots that are looked at. */
  private static final int MOST_PROBES = 256;

  private static final int[] NONE = {};

  private long memory;
  private int slots;
  private int count;

  /**
   * @param slots a power of two
   * @param count of those that are taken once it is filled
   */
  HashTable(int slots, int count) throws IOException {
    this.slots = slots;
    this.count = count;
    this.memory = map(slots);
  }

  /** An empty one. */
  HashTable() throws IOException {
    this(LEAST_SLOTS, 0);
  }

  private static long map(int slots) throws IOException {
    return Libc.mapHuge((long) SLOT * slots, Libc.PROT_READ | Libc.PROT_WRITE);
  }

  int slots() {
    return slots;
  }

  int count() {
    return count;
  }

  /** All of it. */
  ByteBuffer buffer() {
    return RawMemory.segment(memory, (long) SLOT * slots).asByteBuffer();
  }

  private long address(int i) {
    return memory + (long) SLOT * (i & slots - 1);
  }

  /**
   * The hash and the group of a slot, or 0.
   *
   * @param i counts on at the first behind the last
   */
  long entry(int i) {
    return RawMemory.getLong(address(i));
  }

  /** The groups that may have blocks of a hash, those that were added first at the start. */
  int[] find(int hash) {
    int[] found = NONE;
    for (int i = 0; i < MOST_PROBES; i++) {
      long slot = entry((hash >>> 1) + i);
      if (slot == 0) {
        return found;
      }
      if ((int) (slot >>> Integer.SIZE) == hash) {
        found = Arrays.copyOf(found, found.length + 1);
        found[found.length - 1] = (int) slot;
      }
    }
    return found;
  }

  /** Enters a group under a hash, if it is not there; nothing happens where there is no room. */
  void add(int hash, int group) throws IOException {
    if (2 * (count + 1) > slots && !grow()) {
      return;
    }
    put((long) hash << Integer.SIZE | group);
  }

  private void put(long entry) {
    for (int i = 0; i < MOST_PROBES; i++) {
      int at = (int) (entry >>> Integer.SIZE + 1) + i;
      long slot = entry(at);
      if (slot == entry) {
        return;
      }
      if (slot == 0) {
        RawMemory.putLong(address(at), entry);
        count++;
        return;
      }
    }
  }

  private boolean grow() throws IOException {
    if (slots == MOST_SLOTS) {
      return false;
    }
    long old = memory;
    int oldSlots = slots;
    memory = map(2 * slots);
    slots = 2 * oldSlots;
    count = 0;
    for (int i = 0; i < oldSlots; i++) {
      long entry = RawMemory.getLong(old + (long) SLOT * i);
      if (entry != 0) {
        put(entry);
      }
    }
    Libc.unmap(old, (long) SLOT * oldSlots);
    return true;
  }

  @Override
  public void close() {
    if (memory != 0) {
      Libc.unmap(memory, (long) SLOT * slots);
      memory = 0;
    }
  }
}
