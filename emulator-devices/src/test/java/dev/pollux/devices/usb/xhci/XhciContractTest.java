package dev.pollux.devices.usb.xhci;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.List;
import java.util.Random;

/** The contract of devices for the controller with three devices, and rings full of noise. */
class XhciContractTest extends DeviceContractTest {
  private static final int NOISE = 0x1_0000;

  private PciFixture pci;

  @Override
  protected Device makeDevice() throws IOException {
    pci = new PciFixture(machine);
    Device controller = pci.add("qemu-xhci,p2=3,p3=2").device();
    pci.add("usb-kbd");
    pci.add("usb-tablet");
    return controller;
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((Xhci) device).registers());
  }

  @Override
  protected void disturb(Device device, Random random) {
    Xhci controller = (Xhci) device;
    switch (random.nextInt(4)) {
      case 0 -> controller.pci().write(random.nextInt(64) * 4, 4, random.nextInt());
      case 1 -> controller.pci().write(4, 2, 6);
      case 2 -> {
        byte[] noise = new byte[64];
        random.nextBytes(noise);
        machine.memory().write(random.nextInt(NOISE), noise, 0, noise.length);
      }
      default -> controller.ready(random.nextInt(4), random.nextInt(256));
    }
  }
}
