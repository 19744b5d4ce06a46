package dev.pollux.devices.irqchip;

import dev.pollux.core.bus.Region;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import java.util.Random;

class IoApicTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    ApicBus bus = new ApicBus(machine.memory(), new Pic8259(IrqLine.none()));
    machine.vcpus().forEach(vcpu -> machine.add(new LocalApic(bus, vcpu)));
    return new IoApic(bus);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((IoApic) device).registers());
  }

  @Override
  protected void disturb(Device device, Random random) {
    ((IoApic) device).setPin(random.nextInt(IoApic.PINS), random.nextBoolean());
  }
}
