package dev.pollux.backend.block.image;

/** A set of numbers that are not negative, in 16 bytes or less for each. */
final class LongSet {
  private long[] slots = new long[64];
  private int size;

  boolean contains(long value) {
    return slots[slot(slots, value)] == value + 1;
  }

  void add(long value) {
    int slot = slot(slots, value);
    if (slots[slot] == 0) {
      slots[slot] = value + 1;
      size++;
      if (size > slots.length / 2) {
        grow();
      }
    }
  }

  void addRange(long first, long count) {
    for (long i = 0; i < count; i++) {
      add(first + i);
    }
  }

  /** Takes a value out; those behind it move up. */
  void remove(long value) {
    int slot = slot(slots, value);
    if (slots[slot] == 0) {
      return;
    }
    slots[slot] = 0;
    size--;
    for (int i = slot + 1 & slots.length - 1; slots[i] != 0; i = i + 1 & slots.length - 1) {
      long moved = slots[i] - 1;
      slots[i] = 0;
      slots[slot(slots, moved)] = moved + 1;
    }
  }

  private void grow() {
    long[] larger = new long[slots.length * 2];
    for (long stored : slots) {
      if (stored != 0) {
        larger[slot(larger, stored - 1)] = stored;
      }
    }
    slots = larger;
  }

  /** Where a value is, or belongs. */
  private static int slot(long[] slots, long value) {
    int i = (int) (value * 0x9e37_79b9_7f4a_7c15L >>> 32) & slots.length - 1;
    while (slots[i] != 0 && slots[i] != value + 1) {
      i = i + 1 & slots.length - 1;
    }
    return i;
  }
}
