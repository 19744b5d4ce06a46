package dev.pollux.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class RawMemoryTest {
  @Test
  void findsTheOneByteThatIsNotZero() {
    int size = 300;
    long memory = RawMemory.allocate(size);
    try {
      RawMemory.fill(memory, size, (byte) 0);
      for (int length = 0; length <= size - 20; length += length < 40 ? 1 : 19) {
        for (int from = 0; from < 9; from++) {
          assertEquals(true, RawMemory.isZero(memory + from, length));
          for (int at = 0; at < from + length + 9; at++) {
            RawMemory.putByte(memory + at, (byte) 0x80);
            boolean inside = at >= from && at < from + length;
            assertEquals(!inside, RawMemory.isZero(memory + from, length), from + "+" + length);
            RawMemory.putByte(memory + at, (byte) 0);
          }
        }
      }
    } finally {
      RawMemory.free(memory);
    }
  }
}
