package dev.pollux.devices.virtio.fs;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.virtio.NoTransport;
import dev.pollux.devices.virtio.VirtioFeature;
import dev.pollux.devices.virtio.VirtioSetup;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;

/** The contract of devices for a shared folder. */
class VirtioFsContractTest extends DeviceContractTest {
  @TempDir private Path folder;

  @Override
  protected Device makeDevice() throws IOException {
    VirtioFs device =
        new VirtioFs(
            new VirtioSetup(machine, machine.addIoThread("IO test"), VirtioFeature.VERSION_1),
            "tag",
            new FuseServer(folder, false),
            64);
    device.connect(new NoTransport());
    return device;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioFs shared = (VirtioFs) device;
    switch (random.nextInt(3)) {
      case 0 -> shared.setStatus(random.nextInt(256));
      case 1 -> shared.setGuestFeatures(random.nextLong());
      default -> shared.writeConfig(random.nextInt(12) * 4, 4, random.nextInt(300));
    }
  }
}
