package dev.pollux.devices.virtio.serial;

import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.NoTransport;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** The contract of devices for a controller of ports. */
class VirtioSerialContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    VirtioSerial controller =
        new VirtioSerial(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            3,
            true);
    controller.connect(new NoTransport());
    controller.plug(
        new SerialPort(controller, 0, true, "", Optional.of(new MemoryBackend("chr")), open -> {}));
    return controller;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioSerial controller = (VirtioSerial) device;
    switch (random.nextInt(4)) {
      case 0 -> controller.setStatus(random.nextInt(256));
      case 1 -> controller.setGuestFeatures(random.nextLong());
      case 2 -> controller.writeConfig(random.nextInt(16), 4, random.nextInt());
      default -> controller.setUp(() -> controller.sendOpen(controller.port(0), true));
    }
  }
}
