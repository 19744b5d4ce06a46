package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;

class UsbTabletContractTest extends UsbContractTest {
  @Override
  Device plug() {
    return pci.add("usb-tablet").device();
  }
}
