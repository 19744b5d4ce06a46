package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.machine.IoThread;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rings as a driver, good or bad, drives them; the device fills buffers with random bytes. */
class VirtqueueTest {
  private static final int SIZE = 8;
  private static final int NEXT = 1;
  private static final int WRITE = 2;
  private static final int INDIRECT = 4;
  private static final int AVAILABLE = 1 << 7;
  private static final int USED = 1 << 15;
  private static final int NEEDS_RESET = 0x40;

  private PciFixture pci;
  private DeviceNode node;
  private VirtioDriver driver;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    node = pci.add("virtio-rng-pci,packed=on");
    pci.machine.lock().lock();
    try {
      pci.machine.start();
    } finally {
      pci.machine.lock().unlock();
    }
    driver = new VirtioDriver(pci, PciFixture.function(node), SIZE);
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private void startSplit(long more) {
    driver.start(VirtioFeature.VERSION_1 | VirtioFeature.INDIRECT | more);
  }

  private void startPacked(long more) {
    startSplit(VirtioFeature.PACKED_RING | more);
  }

  private boolean isFilled(long address) {
    return pci.machine.memory().read(address, 8) != 0;
  }

  private void assertStillWorks() {
    startSplit(0);
    pci.machine.memory().write(VirtioDriver.BUFFERS, 8, 0);
    driver.descriptor(0, VirtioDriver.BUFFERS, 64, WRITE, 0);
    driver.offer(0);
    driver.kick();
    driver.awaitUsed(1);
    assertTrue(isFilled(VirtioDriver.BUFFERS));
  }

  private void assertNeedsReset() {
    driver.kick();
    driver.await(() -> (driver.status() & NEEDS_RESET) != 0, "the device to ask for a reset");
    assertStillWorks();
  }

  @ParameterizedTest
  @ValueSource(longs = {0, VirtioFeature.EVENT_INDEX})
  void splitRingGoesRoundMoreThanOnce(long features) {
    startSplit(features);
    int requests = features == 0 ? 1_000 : 66_000; // event indices past the end of 16 bits
    for (int i = 0; i < requests; i += SIZE) {
      for (int j = 0; j < SIZE; j++) {
        driver.descriptor(j, VirtioDriver.BUFFERS + j * 64L, 64, WRITE, 0);
        driver.offer(j);
      }
      driver.kick();
      driver.awaitUsed(driver.nextAvailable);
    }
    assertTrue(isFilled(VirtioDriver.BUFFERS + (SIZE - 1) * 64L));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, VirtioFeature.EVENT_INDEX})
  void packedRingTurnsItsWrapCounters(long features) {
    startPacked(features);
    int at = 0;
    boolean wrap = true;
    for (int i = 0; i < 1_000; i++) {
      int first = at;
      int mark = wrap ? AVAILABLE : USED;
      int second = (at + 1) % SIZE;
      int secondMark = second == 0 ? wrap ? USED : AVAILABLE : mark;
      driver.packed(second, VirtioDriver.BUFFERS + 64, 64, i & 0xff, WRITE | secondMark);
      driver.packed(first, VirtioDriver.BUFFERS, 64, 0, WRITE | NEXT | mark);
      driver.kick();
      int used = wrap ? AVAILABLE | USED : 0;
      driver.await(
          () -> (driver.packedFlags(first) & (AVAILABLE | USED)) == used, "a used descriptor");
      assertEquals(
          i & 0xff,
          (int) pci.machine.memory().read(VirtioDriver.DESCRIPTORS + 16L * first + 12, 2),
          "the buffer's id");
      at = (at + 2) % SIZE;
      wrap = at < 2 ? !wrap : wrap;
    }
  }

  @Test
  void indirectTablesAreFollowed() {
    startSplit(0);
    long table = 0x2_0000;
    for (int i = 0; i < 100; i++) {
      pci.machine.memory().write(table + 16L * i, 8, VirtioDriver.BUFFERS + 4096L * i);
      pci.machine.memory().write(table + 16L * i + 8, 4, 32);
      pci.machine.memory().write(table + 16L * i + 12, 2, WRITE | (i < 99 ? NEXT : 0));
      pci.machine.memory().write(table + 16L * i + 14, 2, i + 1);
    }
    driver.descriptor(3, table, 1600, INDIRECT, 0);
    driver.offer(3);
    driver.kick();
    driver.awaitUsed(1);
    assertTrue(isFilled(VirtioDriver.BUFFERS + 4096L * 99));
    assertEquals(3200, pci.machine.memory().read(VirtioDriver.DEVICE_AREA + 8, 4));
  }

  @Test
  void loopsAreFound() {
    startSplit(0);
    driver.descriptor(0, VirtioDriver.BUFFERS, 64, WRITE | NEXT, 1);
    driver.descriptor(1, VirtioDriver.BUFFERS, 64, WRITE | NEXT, 0);
    driver.offer(0);
    assertNeedsReset();
  }

  @Test
  void headsBeyondTheRingAreFound() {
    startSplit(0);
    driver.offer(SIZE);
    assertNeedsReset();
  }

  @Test
  void indicesThatRunAwayAreFound() {
    startSplit(0);
    pci.machine.memory().write(VirtioDriver.DRIVER_AREA + 2, 2, SIZE + 1);
    assertNeedsReset();
  }

  @Test
  void buffersOutsideRamAreFound() {
    startSplit(0);
    driver.descriptor(0, PciFixture.RAM - 32, 64, WRITE, 0);
    driver.offer(0);
    assertNeedsReset();
    startSplit(0);
    driver.descriptor(0, -1L << 12, 64, WRITE, 0);
    driver.offer(0);
    assertNeedsReset();
    startSplit(0);
    driver.descriptor(0, VirtioDriver.BAR, 64, WRITE, 0);
    driver.offer(0);
    assertNeedsReset();
  }

  @Test
  void indirectInIndirectIsFound() {
    startSplit(0);
    long table = 0x2_0000;
    pci.machine.memory().write(table, 8, table);
    pci.machine.memory().write(table + 8, 4, 16);
    pci.machine.memory().write(table + 12, 4, INDIRECT);
    driver.descriptor(0, table, 16, INDIRECT, 0);
    driver.offer(0);
    assertNeedsReset();
  }

  @Test
  void readableAfterWritableIsFound() {
    startSplit(0);
    driver.descriptor(0, VirtioDriver.BUFFERS, 64, WRITE | NEXT, 1);
    driver.descriptor(1, VirtioDriver.BUFFERS, 64, 0, 0);
    driver.offer(0);
    assertNeedsReset();
  }

  @Test
  void ringsOutsideRamAreFound() {
    startSplit(0);
    driver.write(0x28, 4, 0xd000_0000L);
    assertNeedsReset();
  }

  @Test
  void packedChainsWithoutEndAreFound() {
    startPacked(0);
    for (int i = 0; i < SIZE; i++) {
      driver.packed(i, VirtioDriver.BUFFERS, 16, 0, WRITE | NEXT | AVAILABLE);
    }
    assertNeedsReset();
  }

  @Test
  void packedRulesThatAreBrokenAreFound() {
    long table = 0x2_0000;
    long free = VirtioDriver.BUFFERS;
    record Broken(long address, int length, int flags) {}
    Broken[] alone = {
      new Broken(table, 16, INDIRECT | NEXT),
      new Broken(table, 16, INDIRECT), // which holds another
      new Broken(table, 0, INDIRECT),
      new Broken(table, 15, INDIRECT),
      new Broken(table, -16, INDIRECT),
      new Broken(PciFixture.RAM - 16, 32, INDIRECT),
      new Broken(PciFixture.RAM - 32, 64, WRITE),
      new Broken(VirtioDriver.BAR, 64, WRITE),
    };
    pci.machine.memory().write(table, 8, table);
    pci.machine.memory().write(table + 8, 4, 16);
    pci.machine.memory().write(table + 14, 2, INDIRECT);
    for (Broken broken : alone) {
      startPacked(0);
      driver.packed(0, broken.address, broken.length, 0, broken.flags | AVAILABLE);
      assertNeedsReset();
    }
    pci.machine.memory().write(table, 8, free);
    pci.machine.memory().write(table + 14, 2, WRITE);
    Broken[] seconds = {new Broken(table, 16, INDIRECT), new Broken(free, 64, 0)};
    for (Broken second : seconds) {
      startPacked(0);
      driver.packed(1, second.address, second.length, 0, second.flags | AVAILABLE);
      driver.packed(0, free, 64, 0, WRITE | NEXT | AVAILABLE);
      assertNeedsReset();
    }
  }

  @Test
  void packedDescriptorsOfAnotherRoundAreNotTakenAndIdsAreTheDriversOwn() {
    startPacked(0);
    for (int flags : new int[] {AVAILABLE | USED, USED, 0}) {
      driver.packed(0, VirtioDriver.BUFFERS, 64, 5, WRITE | flags);
      driver.kick();
    }
    driver.packed(0, VirtioDriver.BUFFERS, 64, 0xffff, WRITE | AVAILABLE);
    driver.kick();
    driver.await(
        () -> (driver.packedFlags(0) & (AVAILABLE | USED)) == (AVAILABLE | USED), "a used one");
    assertEquals(0xffff, pci.machine.memory().read(VirtioDriver.DESCRIPTORS + 12, 2));
    assertTrue(isFilled(VirtioDriver.BUFFERS));
    assertEquals(0, driver.status() & NEEDS_RESET);
  }

  @Test
  void featuresThatWereNotOfferedAreRefused() {
    driver.write(0x14, 1, 0);
    driver.write(0x14, 1, 3);
    driver.write(0x08, 4, 1);
    driver.write(0x0c, 4, 0x8000_0001L);
    driver.write(0x14, 1, 0xb);
    assertEquals(3, driver.status());
  }

  @Test
  void interruptsComeUnlessTheDriverWantsNone() {
    startSplit(0);
    driver.descriptor(0, VirtioDriver.BUFFERS, 8, WRITE, 0);
    pci.machine.memory().write(VirtioDriver.DRIVER_AREA, 2, 1);
    driver.offer(0);
    driver.kick();
    driver.awaitUsed(1);
    assertEquals(0, driver.read(0x1000, 1), "suppressed");
    pci.machine.memory().write(VirtioDriver.DRIVER_AREA, 2, 0);
    driver.offer(0);
    driver.kick();
    driver.await(() -> pci.wires[0], "an interrupt");
    assertEquals(1, driver.read(0x1000, 1));
    assertEquals(0, driver.read(0x1000, 1), "reading acknowledges");
    assertTrue(!pci.wires[0]);
  }

  @Test
  void whatIsWrittenIsLogged() {
    startSplit(0);
    DirtyLog log = new DirtyLog(pci.machine.ramBlocks().getFirst());
    pci.machine.lock().lock();
    try {
      log.start();
    } finally {
      pci.machine.lock().unlock();
    }
    driver.descriptor(0, VirtioDriver.BUFFERS + 4090, 12, WRITE, 0);
    driver.offer(0);
    long[] before = log.emptySet();
    log.take(before);
    log.start();
    driver.kick();
    driver.awaitUsed(1);
    long[] pages = log.emptySet();
    log.take(pages);
    for (long page : new long[] {0x100, 0x101, VirtioDriver.DEVICE_AREA >> 12}) {
      assertNotEquals(0, pages[(int) (page >> 6)] >> (page & 63) & 1, "page " + page);
    }
    log.stop();
  }

  @Test
  void aStoppedMachineTakesUpNothing() {
    startSplit(0);
    pci.machine.lock().lock();
    try {
      pci.machine.pause();
      driver.descriptor(0, VirtioDriver.BUFFERS, 8, WRITE, 0);
      driver.offer(0);
      driver.kick();
      pci.devices.services().ioThread().awaitIdle(idleWork());
      assertEquals(0, driver.usedIndex());
      pci.machine.start();
    } finally {
      pci.machine.lock().unlock();
    }
    driver.awaitUsed(1);
  }

  private static IoThread.Work idleWork() {
    return new IoThread.Work() {
      @Override
      public String name() {
        return "nothing";
      }

      @Override
      public boolean isIdle() {
        return true;
      }
    };
  }

  /**
   * Rings of random bytes: the device may ask for a reset, and works after one. {@code
   * -Dpollux.virtio.fuzz=N} tries N rings of each kind.
   */
  @ParameterizedTest
  @ValueSource(longs = {0, VirtioFeature.EVENT_INDEX, VirtioFeature.PACKED_RING})
  void randomRingsDoNoHarm(long features) {
    Random random = new Random(features + Long.getLong("pollux.virtio.seed", 5));
    int rounds = Integer.getInteger("pollux.virtio.fuzz", 1_500);
    for (int round = 0; round < rounds; round++) {
      startSplit(features);
      for (int i = 0; i < 20; i++) {
        long area =
            switch (random.nextInt(3)) {
              case 0 -> VirtioDriver.DESCRIPTORS + random.nextInt(16 * SIZE);
              case 1 -> VirtioDriver.DRIVER_AREA + random.nextInt(4 + 2 * SIZE);
              default -> VirtioDriver.DEVICE_AREA + random.nextInt(4 + 8 * SIZE);
            };
        long value =
            switch (random.nextInt(4)) {
              case 0 -> random.nextInt(SIZE * 2);
              case 1 -> VirtioDriver.BUFFERS;
              case 2 -> WRITE | random.nextInt(8) | (random.nextBoolean() ? AVAILABLE : USED);
              default -> random.nextLong() >>> random.nextInt(64);
            };
        pci.machine.memory().write(area, 1 << random.nextInt(4), value);
        if (random.nextInt(4) == 0) {
          driver.kick();
        }
      }
      driver.kick();
    }
    assertStillWorks();
  }
}
