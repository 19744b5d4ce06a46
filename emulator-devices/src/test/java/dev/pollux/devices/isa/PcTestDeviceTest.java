package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The values are those that QEMU 7.2's monitor shows after the same writes. */
class PcTestDeviceTest extends DeviceContractTest {
  private final List<String> wires = new ArrayList<>();

  @Override
  protected Device makeDevice() {
    return new PcTestDevice(Collections.nCopies(16, IrqLine.none()));
  }

  @Override
  protected List<Region> regions(Device device) {
    PcTestDevice test = (PcTestDevice) device;
    return List.of(
        test.dataPorts(), test.flushPort(), test.bytePorts(), test.irqPorts(), test.memoryRegion());
  }

  /** A reset keeps everything. */
  @Override
  protected byte[] resetState(byte[] state) {
    return new byte[0];
  }

  private void map() {
    List<IrqLine> irqs = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      int irq = i;
      irqs.add(level -> wires.add(irq + (level ? " up" : " down")));
    }
    PcTestDevice device = new PcTestDevice(irqs);
    device.map(machine.io()::map, machine.memory()::map);
  }

  @Test
  void portsKeepWhatIsWrittenAtAnyWidth() {
    map();
    machine.io().write(0xe0, 1, 0x12);
    machine.io().write(0xe1, 1, 0x34);
    assertEquals(0x3412, machine.io().read(0xe0, 4));
    assertEquals(0x34, machine.io().read(0xe9, 2), "the same bytes one by one");
    machine.io().write(0xe8, 4, 0x8765_4321L);
    assertEquals(0x8765_4321L, machine.io().read(0xe0, 4));
    assertEquals(0x6543, machine.io().read(0xe1, 2));
  }

  @Test
  void flushPortTakesPagesAndHoldsNothing() {
    map();
    machine.io().write(0xe4, 4, 0x10_0000);
    assertEquals(0, machine.io().read(0xe4, 4));
    assertEquals(0, machine.io().read(0xe4, 1));
  }

  @Test
  void memoryKeepsWhatIsWrittenToItsLastByte() {
    map();
    machine.memory().write(0xff00_0000L, 8, 0x1122_3344_5566_7788L);
    assertEquals(0x4455, machine.memory().read(0xff00_0002L + 1, 2));
    machine.memory().write(0xff00_ffffL, 1, 0xab);
    assertEquals(0xab, machine.memory().read(0xff00_ffffL, 1));
    assertEquals(0xffab, machine.memory().read(0xff00_ffffL, 2), "beyond is nothing");
  }

  @Test
  void wiresFollowTheirPorts() {
    map();
    machine.io().write(0x2005, 1, 1);
    machine.io().write(0x2005, 1, 0);
    machine.io().write(0x200e, 2, 0x0180); // two ports at once
    machine.io().write(0x2010, 4, -1); // no such wires
    assertEquals(0, machine.io().read(0x2005, 1));
    assertEquals(List.of("5 up", "5 down", "14 up", "15 up"), wires);
  }
}
