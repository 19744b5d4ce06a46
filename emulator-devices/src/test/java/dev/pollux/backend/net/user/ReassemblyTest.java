package dev.pollux.backend.net.user;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Ranges behind a gap against a bit for each number, with numbers that pass 2^32. */
class ReassemblyTest {
  private static final int SPAN = 4000;

  @Test
  void rangesAreThoseOfASet() {
    for (int seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      int base = seed % 3 == 0 ? -SPAN / 2 : random.nextInt();
      Reassembly ranges = new Reassembly();
      BitSet set = new BitSet();
      int next = 0;
      for (int i = 0; i < 60; i++) {
        int from = next + random.nextInt(SPAN - next);
        int to = Math.min(SPAN, from + 1 + random.nextInt(200));
        if (ranges.add(base + from, base + to)) {
          set.set(from, to);
        }
        if (random.nextInt(4) == 0) {
          set.set(0, next);
          int reached = ranges.advance(base + next) - base;
          assertEquals(Math.max(next, set.nextClearBit(next)), reached, "seed " + seed);
          next = Math.min(reached, SPAN - 1);
        }
      }
    }
  }

  @Test
  void gapsAreBounded() {
    Reassembly ranges = new Reassembly();
    int added = 0;
    while (ranges.add(10 * added, 10 * added + 5)) {
      added++;
    }
    assertEquals(64, added);
    assertTrue(ranges.add(3, 8), "what lengthens a range needs no new one");
    assertFalse(ranges.isEmpty());
    assertEquals(8, ranges.advance(0));
  }
}
