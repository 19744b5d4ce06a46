package dev.pollux.devices.virtio;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.DeviceContractTest;
import java.security.SecureRandom;
import java.util.List;
import java.util.Random;

/** The state that all virtio devices share. */
class VirtioContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    IoThread io = machine.addIoThread("IO test");
    VirtioRng device =
        VirtioRng.of(
            new VirtioSetup(machine, io, VirtioFeature.VERSION_1 | VirtioFeature.RING_RESET),
            new SecureRandom()::nextBytes);
    device.connect(new NoTransport());
    return device;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioDevice virtio = (VirtioDevice) device;
    switch (random.nextInt(5)) {
      case 0 -> virtio.setStatus(random.nextInt(256));
      case 1 -> virtio.setGuestFeatures(random.nextLong());
      case 2 ->
          virtio.setUp(
              () -> {
                Virtqueue queue = virtio.queues().getFirst();
                queue.setSize(random.nextInt(16));
                queue.setAreas(random.nextLong(), random.nextLong(), random.nextLong());
                queue.setEnabled(random.nextBoolean());
              });
      case 3 -> virtio.writeConfig(random.nextInt(64), 4, random.nextInt());
      default -> virtio.resetQueue(virtio.queues().getFirst());
    }
  }
}
