package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.devices.model.Balloon;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A balloon as a driver and users see it. */
class VirtioBalloonTest {
  private static final int STATISTICS = 2;
  private static final int REPORTING = 1 << 5;
  private static final int STATISTICS_QUEUE = 2;
  private static final int REPORTING_QUEUE = 3;
  private static final long PAGE = 0x30_0000;

  private PciFixture pci;
  private DeviceNode node;
  private QueueDriver driver;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    node = pci.add("virtio-balloon-pci,free-page-reporting=on");
    driver = new QueueDriver(pci, node, STATISTICS | REPORTING, 4);
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private static byte[] numbers(int... pages) {
    ByteBuffer bytes = ByteBuffer.allocate(pages.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int page : pages) {
      bytes.putInt(page);
    }
    return bytes.array();
  }

  private void write(long address) {
    pci.machine.memory().write(address, 8, -1L);
  }

  private long read(long address) {
    return pci.machine.memory().read(address, 8);
  }

  private <T> T locked(Supplier<T> work) {
    pci.machine.lock().lock();
    try {
      return work.get();
    } finally {
      pci.machine.lock().unlock();
    }
  }

  @Test
  void pagesThatAreGivenUpAreGoneAndTold() {
    for (int i = 0; i < 5; i++) {
      write(PAGE + i * 4096L);
    }
    RamBlock ram = pci.machine.ramBlocks().getFirst();
    ram.setWatcher(WriteClient.MIGRATION, (block, page) -> {});
    ram.watch(WriteClient.MIGRATION, PAGE + 4096 >> 12);
    ram.watch(WriteClient.MIGRATION, PAGE + 3 * 4096 >> 12);
    driver.ask(0, numbers(0x302, 0x301, 0x7fff_ffff, -1, 0x304, 0x301), 0);
    assertEquals(-1, read(PAGE));
    assertEquals(0, read(PAGE + 4096));
    assertEquals(0, read(PAGE + 2 * 4096));
    assertEquals(-1, read(PAGE + 3 * 4096));
    assertEquals(0, read(PAGE + 4 * 4096));
    assertFalse(ram.isWatched(WriteClient.MIGRATION, PAGE + 4096 >> 12), "told of");
    assertTrue(ram.isWatched(WriteClient.MIGRATION, PAGE + 3 * 4096 >> 12));
    driver.ask(1, numbers(0x301, 0x302), 0);
    write(PAGE + 4096);
    assertEquals(-1, read(PAGE + 4096));
  }

  @Test
  void freePagesThatAreToldOfAreGone() {
    long buffer = QueueDriver.buffer(REPORTING_QUEUE) + 0x1_0000;
    write(buffer);
    write(buffer + 4096);
    driver.ask(REPORTING_QUEUE, new byte[0], 4096);
    assertEquals(0, read(buffer));
    assertEquals(-1, read(buffer + 4096));
  }

  @Test
  void targetAndActualSizeAreTold() {
    Balloon balloon = pci.devices.services().balloon().orElseThrow();
    assertEquals(PciFixture.RAM, locked(balloon::actual));
    locked(
        () -> {
          balloon.setTarget(PciFixture.RAM - 0x5000);
          return null;
        });
    assertEquals(5, driver.config(0, 4));
    driver.write(0x2004, 4, 5);
    assertEquals(PciFixture.RAM - 0x5000, locked(balloon::actual));
    driver.write(0x2004, 4, -1);
    assertEquals(0, locked(balloon::actual), "a guest that lies");
    assertThrows(ConfigException.class, () -> pci.add("virtio-balloon-pci"), "a second one");
  }

  @Test
  void statisticsAreAskedForAgainAndAgain() {
    LiveProperty interval = node.property("guest-stats-polling-interval");
    LiveProperty figures = node.property("guest-stats");
    byte[] entry =
        ByteBuffer.allocate(20)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putShort((short) 4)
            .putLong(12345)
            .putShort((short) 99)
            .putLong(1)
            .array();
    driver.offer(STATISTICS_QUEUE, entry, 0);
    pci.await(() -> shown(figures).equals(12345L), "the figures");
    assertEquals(0, driver.used(STATISTICS_QUEUE), "the buffer stays");
    locked(
        () -> {
          interval.set().accept(2L);
          return null;
        });
    driver.answer(STATISTICS_QUEUE);
    driver.offer(STATISTICS_QUEUE, entry, 0);
    long end = pci.machine.clocks().virtualNow() + TimeUnit.SECONDS.toNanos(20);
    while (driver.used(STATISTICS_QUEUE) < 2 && pci.machine.clocks().virtualNow() < end) {
      locked(
          () -> {
            pci.machine.clocks().runDue();
            return null;
          });
    }
    driver.answer(STATISTICS_QUEUE);
    assertThrows(ConfigException.class, () -> interval.set().accept(-1L));
  }

  private Object shown(LiveProperty figures) {
    Map<?, ?> all = (Map<?, ?>) locked(() -> figures.get().get());
    return ((Map<?, ?>) all.get("stats")).get("stat-free-memory");
  }

  @Test
  void listsThatAreNoneAreFound() {
    driver.offer(0, new byte[3], 0);
    driver.awaitNeedsReset();
    driver.start(STATISTICS | REPORTING);
    driver.ask(0, numbers(0x300), 0);
  }

  /** The machine stops although it will never be answered, and the driver begins anew. */
  @Test
  @Timeout(60)
  void aRequestThatBrokeARuleIsNotInFlight() {
    driver.offer(0, new byte[3], 0);
    pci.await(() -> (driver.status() & VirtioDevice.STATUS_NEEDS_RESET) != 0, "needs a reset");
    pci.machine.lock().lock();
    try {
      pci.machine.pause();
      pci.machine.start();
    } finally {
      pci.machine.lock().unlock();
    }
    driver.start(STATISTICS | REPORTING);
    write(PAGE);
    driver.offer(0, numbers((int) (PAGE >> 12)), 0);
    pci.await(() -> read(PAGE) == 0, "the page to be gone");
  }
}
