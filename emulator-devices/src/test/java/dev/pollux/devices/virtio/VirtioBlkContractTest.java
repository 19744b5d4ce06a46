package dev.pollux.devices.virtio;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.storage.DriveProperties;
import java.util.List;
import java.util.Random;

/** The contract of devices for a disk. */
class VirtioBlkContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    VirtioBlk disk =
        new VirtioBlk(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            new BlockBackend("", Runnable::run, new BlockListener() {}),
            new BlkConfig(new DriveProperties(512, 512, 0, 0), 126, 2, 1 << 20, 1 << 20),
            -1,
            "serial",
            128);
    disk.connect(new NoTransport());
    return disk;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioBlk disk = (VirtioBlk) device;
    switch (random.nextInt(3)) {
      case 0 -> disk.setStatus(random.nextInt(256));
      case 1 -> disk.setGuestFeatures(random.nextLong());
      default -> disk.writeConfig(random.nextInt(64), 1 << random.nextInt(3), random.nextInt());
    }
  }
}
