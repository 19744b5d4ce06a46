package dev.pollux.devices.usb;

import dev.pollux.core.machine.Device;

class UsbKeyboardContractTest extends UsbContractTest {
  @Override
  Device plug() {
    return pci.add("usb-kbd").device();
  }
}
