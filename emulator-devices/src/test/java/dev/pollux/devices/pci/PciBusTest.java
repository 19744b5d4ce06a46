package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.FlatView;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.irq.MsiMessage;
import dev.pollux.devices.model.DeviceNode;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class PciBusTest {
  private static final int BAR1 = PciConfig.BAR0 + 4;
  private static final int BAR4 = PciConfig.BAR0 + 16;
  private static final long WINDOW = 0xc000_0000L;

  private PciFixture pci;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    pci.machine.lock().lock();
  }

  @AfterEach
  void close() {
    pci.machine.lock().unlock();
    pci.close();
  }

  private PciFunction rng(String properties) {
    return PciFixture.function(pci.add("virtio-rng-pci" + properties));
  }

  private String nameAt(long address) {
    FlatView.Range range = pci.memory().view().find(address);
    return range == null ? "" : range.region().name();
  }

  @Test
  void slotsAreTakenFromTheLowestAndByAddress() {
    assertEquals(0, rng("").devfn());
    assertEquals(0x1f << 3, rng(",addr=1f").devfn());
    assertEquals(1 << 3, rng("").devfn());
    assertEquals(2 << 3, rng(",addr=2.0,multifunction=on").devfn());
    assertEquals(2 << 3 | 5, rng(",addr=2.5").devfn());
    assertEquals(3 << 3, rng("").devfn());
    ConfigException taken = assertThrows(ConfigException.class, () -> rng(",addr=2.5"));
    assertTrue(taken.getMessage().contains("slot 2 function 5 is taken"), taken.getMessage());
    ConfigException alone = assertThrows(ConfigException.class, () -> rng(",addr=1.1"));
    assertTrue(alone.getMessage().contains("multifunction=on"), alone.getMessage());
    assertThrows(ConfigException.class, () -> rng(",addr=20"));
    assertThrows(ConfigException.class, () -> rng(",addr=1.8"));
  }

  @Test
  void aFullBusSaysSo() {
    for (int i = 0; i < 32; i++) {
      rng("");
    }
    ConfigException full = assertThrows(ConfigException.class, () -> rng(""));
    assertTrue(full.getMessage().contains("No 'PCI' bus found"), full.getMessage());
  }

  @Test
  void barsTellTheirSizeAndKind() {
    PciFunction function = rng("");
    function.write(PciConfig.BAR0, 4, -1);
    assertEquals(0xffff_ffe1, function.read(PciConfig.BAR0, 4), "32 ports");
    function.write(BAR1, 4, -1);
    assertEquals(0xffff_f000, function.read(BAR1, 4), "4 KiB of memory");
    function.write(BAR4, 4, -1);
    function.write(BAR4 + 4, 4, -1);
    assertEquals(0xffff_c00c, function.read(BAR4, 4), "16 KiB, 64 bits, prefetchable");
    assertEquals(-1, function.read(BAR4 + 4, 4));
  }

  @Test
  void barsAreMappedWhereTheyAreDecodedAndBelowRam() {
    PciFunction function = rng("");
    function.write(BAR4, 4, (int) WINDOW);
    assertEquals("", nameAt(WINDOW), "decoding is off");
    function.write(PciConfig.COMMAND, 2, PciConfig.COMMAND_MEMORY);
    assertEquals("virtio-pci-common", nameAt(WINDOW));
    function.write(BAR4, 4, (int) WINDOW + 0x4000);
    assertEquals("", nameAt(WINDOW));
    assertEquals("virtio-pci-common", nameAt(WINDOW + 0x4000));
    function.write(BAR4, 4, 0x10_0000);
    assertEquals("ram", nameAt(0x10_0000), "RAM hides a BAR");
    function.write(BAR4 + 4, 4, 1);
    function.write(BAR4, 4, 0);
    assertEquals("virtio-pci-common", nameAt(1L << 32));
    function.write(BAR4 + 4, 4, -1);
    assertEquals(-1, function.bars().getLast().address(), "beyond all physical addresses");
    function.reset();
    assertEquals(-1, function.bars().getLast().address());
  }

  @Test
  void bridgesPassWhatIsInTheirWindows() {
    DeviceNode bridge = pci.add("pci-bridge,id=br,chassis_nr=1,addr=3");
    PciFunction inner = rng(",bus=br,addr=4");
    PciFunction outer = PciFixture.function(bridge);
    outer.write(0x19, 1, 7);
    outer.write(0x1a, 1, 7);
    assertEquals(0x1af4, pci.bus.readConfig(7, 4 << 3, 0, 2));
    assertEquals(0xffff, pci.bus.readConfig(6, 4 << 3, 0, 2));
    inner.write(BAR4, 4, (int) WINDOW);
    inner.write(PciConfig.COMMAND, 2, 7);
    assertEquals("", nameAt(WINDOW), "the bridge passes nothing yet");
    outer.write(0x20, 2, 0xc000);
    outer.write(0x22, 2, 0xc000);
    outer.write(PciConfig.COMMAND, 2, 7);
    assertEquals("virtio-pci-common", nameAt(WINDOW));
    outer.write(0x20, 2, 0xfff0);
    assertEquals("", nameAt(WINDOW), "the window is closed");
    outer.write(0x24, 2, 0xc000);
    outer.write(0x26, 2, 0xc000);
    outer.write(0x28, 4, 0);
    outer.write(0x2c, 4, 0);
    assertEquals("virtio-pci-common", nameAt(WINDOW), "through the other window");
    inner.setInterrupt(true);
    assertTrue(pci.wires[3 + 4 & 3], "slot 4 behind slot 3 turns twice");
    assertEquals("0000:00:03.0:04.0", inner.path());
  }

  @Test
  void wiresObeyTheCommandRegister() {
    PciFunction function = rng(",addr=1");
    function.setInterrupt(true);
    assertTrue(pci.wires[1]);
    function.write(PciConfig.COMMAND, 2, PciConfig.COMMAND_INTX_DISABLE);
    assertFalse(pci.wires[1]);
    assertTrue((function.read(PciConfig.STATUS, 2) & PciConfig.STATUS_INTERRUPT) != 0);
    function.write(PciConfig.COMMAND, 2, 0);
    assertTrue(pci.wires[1]);
    function.setInterrupt(false);
    assertFalse(pci.wires[1]);
  }

  @Test
  void maskedVectorsWaitAndAreSentOnce() {
    PciFunction function = rng("");
    Msix msix = function.msix().orElseThrow();
    function.write(BAR1, 4, (int) WINDOW);
    function.write(PciConfig.COMMAND, 2, 6);
    int capability = function.read(PciConfig.CAPABILITIES, 1);
    while (function.read(capability, 1) != Msix.CAPABILITY) {
      capability = function.read(capability + 1, 1);
    }
    pci.memory().write(WINDOW + 16, 4, 0xfee0_1000L);
    pci.memory().write(WINDOW + 24, 4, 0x4041);
    msix.notify(1);
    assertEquals(List.of(), pci.messages, "MSI-X is off");
    function.write(capability + 2, 2, 0x8000);
    msix.notify(1);
    assertEquals(List.of(), pci.messages, "the vector is masked");
    assertEquals(2, pci.memory().read(WINDOW + 0x800, 8), "and pending");
    pci.memory().write(WINDOW + 28, 4, 0);
    assertEquals(List.of(new MsiMessage(0xfee0_1000L, 0x4041)), pci.messages);
    assertEquals(0, pci.memory().read(WINDOW + 0x800, 8));
    function.write(capability + 2, 2, 0xc000);
    msix.notify(1);
    assertEquals(1, pci.messages.size(), "all are masked");
    function.write(capability + 2, 2, 0x8000);
    assertEquals(2, pci.messages.size());
    msix.notify(2);
    msix.notify(-1);
    assertEquals(2, pci.messages.size(), "there are no such vectors");
  }

  /**
   * Configuration spaces of everything there is, written at random, with accesses to BARs. {@code
   * -Dpollux.pci.fuzz=N} makes N steps, {@code -Dpollux.pci.seed=N} begins elsewhere.
   */
  @Test
  void randomAccessesDoNoHarm() {
    pci.add("pci-bridge,id=b1");
    pci.add("pci-bridge,id=b2,bus=b1");
    pci.add("pcie-root-port,id=rp");
    rng("");
    rng(",bus=b2");
    rng(",bus=rp");
    ConfigPorts ports = new ConfigPorts(pci.bus);
    pci.io().map(ConfigPorts.ADDRESS_PORT, ports.addressPort());
    pci.io().map(ConfigPorts.DATA_PORT, ports.dataPort());
    Random random = new Random(Long.getLong("pollux.pci.seed", 11));
    int steps = Integer.getInteger("pollux.pci.fuzz", 20_000);
    for (int i = 0; i < steps; i++) {
      int address =
          0x8000_0000
              | random.nextInt(4) << 16
              | random.nextInt(8) << 11
              | random.nextInt(4) / 3 << 8
              | random.nextInt(64) << 2;
      pci.io().write(ConfigPorts.ADDRESS_PORT, 4, address);
      int size = 1 << random.nextInt(3);
      long port = ConfigPorts.DATA_PORT + random.nextInt(4 / size) * size;
      if (random.nextInt(4) == 0) {
        pci.io().read(port, size);
      } else {
        pci.io().write(port, size, random.nextInt() >>> random.nextInt(32));
      }
      List<FlatView.Range> ranges = pci.memory().view().ranges();
      FlatView.Range range = ranges.get(random.nextInt(ranges.size()));
      if (!range.region().name().equals("ram")) {
        long at = range.start() + (random.nextLong(range.size()) & -8);
        pci.memory().write(at, 4, random.nextInt());
        pci.memory().read(at, 8);
      }
    }
    pci.machine.resetDevices();
    assertEquals(1, pci.memory().view().ranges().size(), "after a reset only RAM is there");
  }

  @Test
  void whatIsRemovedIsGone() {
    DeviceNode node = pci.add("virtio-rng-pci,id=r");
    PciFunction function = PciFixture.function(node);
    function.write(BAR4, 4, (int) WINDOW);
    function.write(PciConfig.COMMAND, 2, 7);
    assertNotNull(pci.machine.states().find("0000:00:00.0/virtio-rng", 0));
    pci.devices.remove(node);
    assertEquals("", nameAt(WINDOW));
    assertNull(pci.machine.states().find("0000:00:00.0/virtio-rng", 0));
    assertNull(pci.machine.states().find("0000:00:00.0/virtio-pci", 0));
    assertEquals(0xffff, pci.bus.readConfig(0, 0, 0, 2));
    assertTrue(pci.devices.tree().peripheral().child("r").isEmpty());
  }
}
