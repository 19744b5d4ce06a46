package dev.pollux.core.jit.store;

import java.util.function.LongConsumer;

/**
 * The slots of translations that are to be added to a {@link StoreFile}, found by hash as in its
 * table, each once by what tells translations of one hash apart. In two arrays, as there are many
 * and they stay.
 */
final class FreshSlots {
  private long[] slots = new long[1024];
  private int[] identities = new int[slots.length];
  private int size;

  /**
   * True if there is such a translation.
   *
   * @param hash not 0
   */
  boolean contains(int hash, int identity) {
    return slots[find(hash, identity)] != 0;
  }

  /**
   * Adds a translation that is not in it.
   *
   * @param slot with {@code hash} in its upper half
   */
  void add(long slot, int identity) {
    if (2 * size >= slots.length) {
      grow();
    }
    put(slot, identity);
    size++;
  }

  private void put(long slot, int identity) {
    int at = find((int) (slot >>> 32), identity);
    slots[at] = slot;
    identities[at] = identity;
  }

  private int find(int hash, int identity) {
    int at = hash & slots.length - 1;
    while (slots[at] != 0 && ((int) (slots[at] >>> 32) != hash || identities[at] != identity)) {
      at = at + 1 & slots.length - 1;
    }
    return at;
  }

  private void grow() {
    long[] oldSlots = slots;
    int[] oldIdentities = identities;
    slots = new long[2 * oldSlots.length];
    identities = new int[slots.length];
    for (int i = 0; i < oldSlots.length; i++) {
      if (oldSlots[i] != 0) {
        put(oldSlots[i], oldIdentities[i]);
      }
    }
  }

  int size() {
    return size;
  }

  void forEach(LongConsumer action) {
    for (long slot : slots) {
      if (slot != 0) {
        action.accept(slot);
      }
    }
  }
}
