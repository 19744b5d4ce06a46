package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;

class UsbMouseContractTest extends UsbContractTest {
  @Override
  Device plug() {
    return pci.add("usb-mouse").device();
  }
}
