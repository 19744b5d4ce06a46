package dev.pollux.devices.isa;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;

class Port92Test extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new Port92(machine, new A20Gate(machine));
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((Port92) device).port());
  }
}
