package dev.pollux.devices.irqchip;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class Pic8259Test extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new Pic8259(IrqLine.none());
  }

  @Override
  protected List<Region> regions(Device device) {
    Pic8259 pic = (Pic8259) device;
    return List.of(pic.masterPorts(), pic.slavePorts(), pic.elcrPorts());
  }

  private boolean intr;
  private final Pic8259 pic = new Pic8259(level -> intr = level);

  private void out(int port, int value) {
    Region region =
        port < 0xa0 ? pic.masterPorts() : port < 0x4d0 ? pic.slavePorts() : pic.elcrPorts();
    ((Region.DeviceRegion) region).device().write(port & 1, 1, value);
  }

  private int in(int port) {
    Region region = port < 0xa0 ? pic.masterPorts() : pic.slavePorts();
    return (int) ((Region.DeviceRegion) region).device().read(port & 1, 1);
  }

  /** As Linux does: vectors 0x30 and 0x38, cascade at input 2, all unmasked. */
  private void initialize(int icw4) {
    for (int port : new int[] {0x20, 0xa0}) {
      out(port, 0x11);
      out(port + 1, port == 0x20 ? 0x30 : 0x38);
      out(port + 1, port == 0x20 ? 4 : 2);
      out(port + 1, icw4);
      out(port + 1, 0);
    }
  }

  private void edge(int irq) {
    pic.setInput(irq, true);
    pic.setInput(irq, false);
  }

  @Test
  void higherPriorityInterruptsLowerUntilEnd() {
    initialize(1);
    edge(4);
    assertTrue(intr);
    assertEquals(0x34, pic.acknowledge());
    edge(6);
    assertFalse(intr);
    edge(1);
    assertTrue(intr);
    assertEquals(0x31, pic.acknowledge());
    out(0x20, 0x20);
    assertFalse(intr);
    out(0x20, 0x20);
    assertEquals(0x36, pic.acknowledge());
    out(0x20, 0x66);
    assertFalse(intr);
  }

  @Test
  void slaveInterruptsThroughTheCascade() {
    initialize(1);
    edge(12);
    edge(8);
    assertEquals(0x38, pic.acknowledge());
    out(0xa0, 0x20);
    assertFalse(intr, "input 2 of the master is in service");
    out(0x20, 0x20);
    assertTrue(intr);
    assertEquals(0x3c, pic.acknowledge());
  }

  @Test
  void anInterruptThatVanishedIsSpurious() {
    initialize(1);
    out(0x4d0, 0x20);
    out(0x4d1, 0x08);
    pic.setInput(5, true);
    pic.setInput(5, false);
    assertFalse(intr);
    assertEquals(0x37, pic.acknowledge());
    out(0x20, 0x0b);
    assertEquals(0, in(0x20), "spurious interrupts are not in service");
    edge(9);
    pic.setInput(11, true);
    out(0xa1, 0xff);
    assertEquals(0x3f, pic.acknowledge(), "the master has latched its cascade");
    out(0xa0, 0x0b);
    assertEquals(0, in(0xa0));
    out(0x20, 0x0b);
    assertEquals(4, in(0x20));
  }

  @Test
  void levelInterruptsAgainWhileTheLineIsHigh() {
    initialize(1);
    out(0x4d0, 0x20);
    pic.setInput(5, true);
    assertEquals(0x35, pic.acknowledge());
    out(0x20, 0x20);
    assertTrue(intr);
    pic.setInput(5, false);
    assertFalse(intr);
  }

  @Test
  void maskedEdgeWaits() {
    initialize(1);
    out(0x21, 0xff);
    edge(3);
    assertFalse(intr);
    assertEquals(8, in(0x20));
    out(0x21, 0);
    assertTrue(intr);
  }

  @Test
  void automaticEndAndRotation() {
    initialize(3);
    edge(0);
    assertEquals(0x30, pic.acknowledge());
    edge(0);
    assertEquals(0x30, pic.acknowledge());
    out(0x20, 0x80);
    edge(3);
    assertEquals(0x33, pic.acknowledge());
    edge(3);
    edge(5);
    assertEquals(0x35, pic.acknowledge(), "3 has the lowest priority now");
  }

  @Test
  void pollTakesTheInterrupt() {
    initialize(1);
    edge(6);
    out(0x20, 0x0c);
    assertEquals(0x86, in(0x20));
    assertFalse(intr);
    out(0x20, 0x0c);
    assertEquals(0, in(0x20));
  }

  @Test
  void specialMaskLetsLowerPrioritiesIn() {
    initialize(1);
    edge(1);
    assertEquals(0x31, pic.acknowledge());
    edge(4);
    assertFalse(intr);
    out(0x21, 0x02);
    out(0x20, 0x68);
    assertTrue(intr);
    assertEquals(0x34, pic.acknowledge());
  }

  @Test
  void specialFullyNestedTakesASecondOfTheSlave() {
    initialize(0x11);
    edge(12);
    assertEquals(0x3c, pic.acknowledge());
    edge(8);
    assertTrue(intr);
    assertEquals(0x38, pic.acknowledge());
  }
}
