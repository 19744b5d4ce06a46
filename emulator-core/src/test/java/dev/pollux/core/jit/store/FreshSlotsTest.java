package dev.pollux.core.jit.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class FreshSlotsTest {
  private static final int MANY = 20_000;

  /** A third of the hashes is one and the same. */
  private static int hash(int i) {
    return i % 3 == 0 ? 0x8000_0001 : i * 0x9e37_79b1 | 1;
  }

  @Test
  void findsEachOnceHoweverManyThereAre() {
    FreshSlots slots = new FreshSlots();
    Set<Long> added = new HashSet<>();
    for (int i = 0; i < MANY; i += i < 3000 ? 1 : 7) {
      assertFalse(slots.contains(hash(i), i), "not yet there: " + i);
      long slot = (long) hash(i) << 32 | i;
      slots.add(slot, i);
      added.add(slot);
    }
    for (int i = 0; i < MANY; i++) {
      boolean there = i < 3000 || (i - 3000) % 7 == 0;
      assertEquals(there, slots.contains(hash(i), i), "" + i);
    }
    Set<Long> all = new HashSet<>();
    slots.forEach(slot -> assertTrue(all.add(slot), "twice: " + slot));
    assertEquals(added, all);
    assertEquals(added.size(), slots.size());
  }
}
