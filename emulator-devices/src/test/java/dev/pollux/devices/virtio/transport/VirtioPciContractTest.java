package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.util.List;
import java.util.Random;

/** The contract of devices for a transitional device on PCI. */
class VirtioPciContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    VirtioSetup setup =
        new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1);
    return new VirtioPci(
        new VirtioMmioContractTest.Idle(setup),
        0x00ff00,
        new VirtioPci.Variant(true, true, 0x1005),
        3);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioPci transport = (VirtioPci) device;
    switch (random.nextInt(3)) {
      case 0 -> transport.pci().write(random.nextInt(64) * 4, 4, random.nextInt());
      case 1 -> transport.notifyQueue(random.nextInt(2));
      default -> transport.takeIsr();
    }
  }
}
