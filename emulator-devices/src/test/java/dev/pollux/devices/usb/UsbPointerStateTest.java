package dev.pollux.devices.usb;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.state.StateOutput;
import dev.pollux.devices.input.Pointer;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The saved state of pointers in the middle of their work, as older versions wrote and read it. */
class UsbPointerStateTest {
  private static final HexFormat HEX = HexFormat.of();

  @ParameterizedTest
  @CsvSource({
    "usb-mouse,"
        + " 00010000000000000100ffffffffffffffff000000005000000000000000000000004800000000000003e8fffffed400000000000000010000004d0000012c000000c800000001000007d0fffffed400000001000000020000004d0000012c000000c800000002",
    "usb-tablet,"
        + " 00010000000000000100ffffffffffffffff00004d0000000000500000004d000000000000004800000000000003e80000012c00000000000000010000004d00000000000000c800000001000007d00000012c00000001000000020000004d00000000000000c800000002"
  })
  void isAsItWas(String driver, String expected) throws IOException {
    try (PciFixture pci = new PciFixture()) {
      pci.add("qemu-xhci");
      UsbDevice device = (UsbDevice) pci.add(driver).device();
      pci.machine.lock().lock();
      try {
        device.control(new SetupPacket(0, 9, 1, 0, 0), new UsbData(UsbData.NONE));
        Pointer pointer = (Pointer) device;
        for (int i = 0; i < 3; i++) {
          act(pointer, 1000 * i, 300, i - 1, i);
          act(pointer, 77, -300, 200, i);
        }
        device.transfer(0x81, new UsbData(UsbData.NONE));
        StateOutput out = new StateOutput();
        device.state().save(out);
        assertEquals(expected, HEX.formatHex(out.toByteArray()));
      } finally {
        pci.machine.lock().unlock();
      }
    }
  }

  private static void act(Pointer pointer, int x, int y, int wheel, int buttons) {
    switch (pointer) {
      case Pointer.Relative mouse -> mouse.move(x, y, wheel, buttons);
      case Pointer.Absolute tablet -> tablet.put(x, y, wheel, buttons);
    }
  }
}
