package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.bus.AddressSpace;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/**
 * Drivers that write anything anywhere: rings, requests, BARs and the configuration space. The
 * device stays usable after a reset, and nothing of ours fails. {@code -Dpollux.virtio.fuzz=N}
 * makes N steps for each device, {@code -Dpollux.virtio.seed=N} begins elsewhere.
 */
class VirtioNoiseTest {
  private static final int STEPS = Integer.getInteger("pollux.virtio.fuzz", 3_000);
  private static final long SEED = Long.getLong("pollux.virtio.seed", 1);
  private static final long BAR = 0xc000_0000L;
  private static final int[] ODD = {0, 1, 2, 7, 8, 9, 0x7fff, 0x8000, 0xffff, -1, 0x7fff_ffff};

  @TempDir private Path folder;
  private final ListAppender<ILoggingEvent> messages = new ListAppender<>();
  private final Logger logger = (Logger) LoggerFactory.getLogger("dev.pollux");
  private PciFixture pci;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    pci.devices
        .services()
        .blocks()
        .add(
            BlockOptions.of(
                "test", Map.of("driver", "null-co", "size", "1048576", "node-name", "disk")));
    logger.setLevel(Level.ERROR);
    messages.start();
    logger.addAppender(messages);
  }

  @AfterEach
  void close() {
    logger.detachAppender(messages);
    logger.setLevel(null);
    pci.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "virtio-balloon-pci,free-page-reporting=on",
        "virtio-blk-pci,drive=disk,num-queues=2,queue-size=128",
        "virtio-fs-pci,tag=t,path=%s",
        "virtio-gpu-pci,max_hostmem=1M,max_outputs=2",
        "virtio-net-pci",
        "virtio-rng-pci,packed=on",
        "virtio-scsi-pci,num_queues=2",
        "virtio-serial-pci,max_ports=2"
      })
  void noiseHarmsNothing(String device) {
    DeviceNode node = pci.add(device.formatted(folder));
    int queues = 3;
    QueueDriver driver = new QueueDriver(pci, node, 0, queues);
    Random random = new Random(SEED);
    for (int step = 0; step < STEPS; step++) {
      if (step % 50 == 0) {
        restore(node);
        driver.start(0);
      }
      disturb(driver, PciFixture.function(node), random, queues);
    }
    restore(node);
    driver.start(0);
    assertEquals(0xf, driver.status(), "starts again");
    List<String> failures =
        messages.list.stream()
            .filter(event -> event.getLevel() == Level.ERROR)
            .map(ILoggingEvent::getFormattedMessage)
            .toList();
    assertTrue(failures.isEmpty(), () -> "seed " + SEED + ": " + failures);
  }

  /** Has the BAR where the driver expects it. */
  private void restore(DeviceNode node) {
    PciFunction function = PciFixture.function(node);
    pci.machine.lock().lock();
    try {
      function.write(0x20, 4, (int) BAR);
      function.write(0x24, 4, 0);
      function.write(0x04, 2, 7);
    } finally {
      pci.machine.lock().unlock();
    }
  }

  private void disturb(QueueDriver driver, PciFunction function, Random random, int queues) {
    AddressSpace memory = pci.machine.memory();
    int queue = random.nextInt(queues);
    switch (random.nextInt(8)) {
      case 0, 1 -> {
        byte[] request = new byte[random.nextInt(200)];
        random.nextBytes(request);
        for (int i = 0; i < request.length && random.nextBoolean(); i++) {
          request[i] = (byte) random.nextInt(4);
        }
        driver.offer(queue, request, random.nextInt(3) == 0 ? 0 : random.nextInt(5_000));
      }
      case 2 -> { // a descriptor
        long at = 0x1_0000L + queue * 0x1000L + random.nextInt(8) * 16L;
        memory.write(at, 8, random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(1 << 22));
        memory.write(at + 8, 4, odd(random));
        memory.write(at + 12, 2, random.nextInt(8));
        memory.write(at + 14, 2, random.nextInt(9));
      }
      case 3 -> { // indices and events of the rings
        long at = 0x1_0400L + queue * 0x1000L + random.nextInt(2) * 0x400L;
        memory.write(at + random.nextInt(12) * 2L, 2, odd(random));
      }
      case 4 -> driver.write(random.nextInt(0x3800) & ~3, 4, odd(random));
      case 5 -> driver.write(random.nextInt(0x40), 1, odd(random));
      case 6 -> {
        pci.machine.lock().lock();
        try {
          function.write(random.nextInt(64) * 4, 4, random.nextInt());
        } finally {
          pci.machine.lock().unlock();
        }
      }
      default -> driver.kick(random.nextInt(8));
    }
  }

  private static int odd(Random random) {
    return random.nextBoolean() ? ODD[random.nextInt(ODD.length)] : random.nextInt();
  }
}
