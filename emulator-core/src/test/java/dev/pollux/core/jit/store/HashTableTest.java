package dev.pollux.core.jit.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class HashTableTest {
  private static final int MANY = 5000;

  @Test
  void growsAndFindsAll() throws IOException {
    int[] hashes = new Random(1).ints(MANY).map(hash -> hash | 1).distinct().toArray();
    try (HashTable table = new HashTable()) {
      for (int i = 0; i < hashes.length; i++) {
        table.add(hashes[i], i + 1);
        table.add(hashes[i], i + 1);
      }
      assertEquals(hashes.length, table.count());
      assertTrue(table.slots() >= 2 * table.count(), table.slots() + " slots");
      for (int i = 0; i < hashes.length; i++) {
        assertArrayEquals(new int[] {i + 1}, table.find(hashes[i]));
      }
      assertEquals(0, table.find(2).length);
    }
  }

  /** Many of one hash: the first ones are found, and the others do no harm. */
  @Test
  void oneHashOfManyGroups() throws IOException {
    try (HashTable table = new HashTable()) {
      IntStream.rangeClosed(1, MANY).forEach(group -> add(table, -1, group));
      int[] found = table.find(-1);
      assertTrue(found.length >= 100 && found.length < MANY, found.length + " groups");
      assertArrayEquals(IntStream.rangeClosed(1, found.length).toArray(), found);
      add(table, 3, 7);
      assertArrayEquals(new int[] {7}, table.find(3));
    }
  }

  private static void add(HashTable table, int hash, int group) {
    try {
      table.add(hash, group);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
