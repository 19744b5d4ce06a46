package dev.pollux.core.bus;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class AddressSpaceTest {
  private static final int PAGE = 4096;

  private final AddressSpace space = new AddressSpace("memory", new ReentrantLock());
  private final RamBlock ram = makeRam();

  private static RamBlock makeRam() {
    try {
      return new RamBlock("ram", 4 * PAGE, false);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @AfterEach
  void close() {
    ram.close();
  }

  private void mapPage(long at, long offset) {
    space.map(at, new Region.RamRegion(ram, offset, PAGE));
  }

  @Test
  void holesAreSkippedAndTold() {
    mapPage(0x1000, 0);
    mapPage(0x10_0000, PAGE);
    byte[] bytes = new byte[0x10_0000];
    bytes[0x1000 - 0x800] = 1; // at 0x1000
    bytes[0x10_0000 - 0x800] = 2;
    assertFalse(space.write(0x800, bytes, 0, bytes.length));
    assertEquals(1, space.read(0x1000, 1));
    assertEquals(2, space.read(0x10_0000, 1));
    byte[] back = new byte[bytes.length];
    assertFalse(space.read(0x800, back, 0, back.length));
    assertEquals(-1, back[0]);
    assertEquals(1, back[0x800]);
    assertEquals(0, back[0x801]);
    assertEquals(-1, back[0x1800]);
    assertEquals(2, back[0x10_0000 - 0x800]);
    assertTrue(space.read(0x1000, back, 0, PAGE));
    assertTrue(space.write(0x10_0000, back, 0, PAGE));
  }

  /** In time that does not grow with the length: a gigabyte byte by byte would take minutes. */
  @Test
  void nothingIsReachedQuickly() {
    mapPage(0x1000, 0);
    byte[] bytes = new byte[64 << 20];
    for (long at : new long[] {0x2000, 1L << 40, Long.MAX_VALUE - 100, -(64L << 20), -PAGE}) {
      for (int i = 0; i < 100; i++) {
        assertFalse(space.write(at, bytes, 0, bytes.length));
      }
    }
    // Behind the last address comes the first.
    bytes[2 * PAGE] = 7;
    assertFalse(space.write(-PAGE, bytes, 0, 3 * PAGE));
    assertEquals(7, space.read(0x1000, 1));
  }

  @Test
  void aDeviceThatFailsCostsOneAccess() {
    space.map(
        0x1000,
        new Region.DeviceRegion(
            "faulty",
            16,
            4,
            new BusDevice() {
              @Override
              public long read(long offset, int size) {
                throw new IllegalStateException("thrown by a test");
              }

              @Override
              public void write(long offset, int size, long value) {
                throw new StackOverflowError("thrown by a test");
              }
            }));
    space.write(0x1004, 4, 1);
    assertEquals(0xffff_ffffL, space.read(0x1004, 4));
    byte[] two = new byte[2];
    assertTrue(space.read(0x1008, two, 0, 2));
    assertArrayEquals(new byte[] {-1, -1}, two);
  }
}
