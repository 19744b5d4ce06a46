package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Networks;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import java.util.Random;

/** The contract of devices for a network card, with what a guest chooses over the control queue. */
class VirtioNetContractTest extends DeviceContractTest {
  private static final int PAIRS = 3;

  @Override
  protected Device makeDevice() {
    IoThread io = machine.addIoThread("IO test");
    Networks networks = new Networks();
    networks.add(new VirtioNetQueuesTest.Backend(PAIRS));
    VirtioNet card =
        VirtioNet.of(
            new VirtioSetup(machine, io, VirtioFeature.VERSION_1),
            networks.claim("", "n0", new byte[] {0x52, 0x54, 0, 1, 2, 3}));
    card.connect(new NoTransport());
    return card;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioNet card = (VirtioNet) device;
    switch (random.nextInt(6)) {
      case 0 -> card.setStatus(random.nextInt(256));
      case 1 -> card.setGuestFeatures(random.nextLong());
      case 2 -> card.writeConfig(random.nextInt(16), 4, random.nextInt());
      case 3 -> card.control().offloads(random.nextLong());
      case 4 -> card.control().setPairs(1 + random.nextInt(PAIRS));
      default -> card.control().filterVlans(random.nextBoolean());
    }
  }
}
