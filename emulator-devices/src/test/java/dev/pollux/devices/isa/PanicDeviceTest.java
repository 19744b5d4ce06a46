package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;
import org.junit.jupiter.api.Test;

class PanicDeviceTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new PanicDevice(machine, 3);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((PanicDevice) device).port());
  }

  @Test
  void tellsWhatItMayBeTold() {
    assertEquals(2, new PanicDevice(machine, 2).read(0, 1));
  }
}
