package dev.pollux.devices.virtio.transport;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.List;
import java.util.Random;

/** The contract of devices for a virtio-vga: its configuration, and its VGA's ports and memory. */
class VirtioVgaContractTest extends DeviceContractTest {
  private static final int VGA_PORTS = 0x3b0;
  private static final int VBE_PORTS = 0x1ce;
  private static final int WINDOW = 0xa_0000;

  private PciFixture pci;

  @Override
  protected Device makeDevice() throws IOException {
    pci = new PciFixture(machine);
    return pci.add("virtio-vga,max_hostmem=1M,vgamem_mb=1").device();
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    VirtioVga card = (VirtioVga) device;
    switch (random.nextInt(4)) {
      case 0 -> card.pci().write(random.nextInt(64) * 4, 4, random.nextInt());
      case 1 -> machine.io().write(VGA_PORTS + random.nextInt(0x30), 1, random.nextInt());
      case 2 -> machine.io().write(VBE_PORTS + random.nextInt(2), 2, random.nextInt(0x400));
      default -> machine.memory().write(WINDOW + random.nextInt(0x2_0000), 1, random.nextInt());
    }
  }
}
