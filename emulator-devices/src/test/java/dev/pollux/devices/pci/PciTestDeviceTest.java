package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class PciTestDeviceTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new PciTestDevice();
  }

  @Override
  protected List<Region> regions(Device device) {
    return ((PciTestDevice) device).regions();
  }

  @Test
  void countsMatchingWrites() {
    List<Region> regions = new PciTestDevice().regions();
    BusDevice registers = ((Region.DeviceRegion) regions.getFirst()).device();
    registers.write(0, 1, 2);
    int offset = (int) registers.read(4, 4);
    int data = (int) registers.read(8, 4);
    registers.write(offset, 1, data);
    registers.write(offset, 1, data + 1);
    registers.write(offset, 2, data);
    registers.write(offset + 1, 1, data);
    assertEquals(1, registers.read(12, 4));
    registers.write(0, 1, 1);
    assertEquals(0, registers.read(12, 4));
    registers.write(registers.read(4, 4), 4, 5);
    assertEquals(1, registers.read(12, 4), "any data will do");
    registers.write(0, 1, 77);
    assertEquals(0, registers.read(4, 4));
  }
}
