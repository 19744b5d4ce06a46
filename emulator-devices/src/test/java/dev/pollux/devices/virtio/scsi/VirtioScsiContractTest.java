package dev.pollux.devices.virtio.scsi;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.NoTransport;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.util.List;
import java.util.Random;

/** The contract of devices for a controller of disks. */
class VirtioScsiContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    VirtioScsi controller =
        new VirtioScsi(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            6,
            1,
            8,
            100,
            10);
    controller.connect(new NoTransport());
    return controller;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioScsi controller = (VirtioScsi) device;
    switch (random.nextInt(3)) {
      case 0 -> controller.setStatus(random.nextInt(256));
      case 1 -> controller.setGuestFeatures(random.nextLong());
      default -> controller.writeConfig(random.nextInt(10) * 4, 4, random.nextInt(300));
    }
  }
}
