package dev.pollux.devices.e1000;

import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.Networks;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import java.util.Random;

/** The contract of devices for the card, with its cable plugged in and out. */
class E1000ContractTest extends DeviceContractTest {
  private NetworkClaim network;

  @Override
  protected Device makeDevice() {
    network = new Networks().claim("", "", new byte[] {0x52, 0x54, 0, 1, 2, 3});
    E1000 card = new E1000(machine, machine.addIoThread("IO test"), network, true);
    network.connect(card, "e1000");
    return card;
  }

  @Override
  protected List<Region> regions(Device device) {
    E1000 card = (E1000) device;
    return List.of(card.memoryRegisters(), card.ports());
  }

  @Override
  protected void disturb(Device device, Random random) {
    E1000 card = (E1000) device;
    switch (random.nextInt(3)) {
      case 0 -> card.linkChanged(true);
      case 1 -> card.write(Registers.ICS, 4, 1 << random.nextInt(17));
      default -> card.pci().write(random.nextInt(64) * 4, 4, random.nextInt());
    }
  }
}
