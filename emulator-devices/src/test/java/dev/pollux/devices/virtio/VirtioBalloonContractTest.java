package dev.pollux.devices.virtio;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import java.util.Random;

/** The contract of devices for a balloon. */
class VirtioBalloonContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    VirtioBalloon balloon =
        new VirtioBalloon(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            -1,
            actual -> {});
    balloon.connect(new NoTransport());
    return balloon;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioBalloon balloon = (VirtioBalloon) device;
    switch (random.nextInt(3)) {
      case 0 -> balloon.setStatus(random.nextInt(256));
      case 1 -> balloon.setGuestFeatures(random.nextLong());
      default -> balloon.writeConfig(random.nextInt(12), 1 << random.nextInt(3), random.nextInt());
    }
  }
}
