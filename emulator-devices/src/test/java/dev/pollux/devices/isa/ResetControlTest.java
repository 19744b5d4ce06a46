package dev.pollux.devices.isa;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;

class ResetControlTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new ResetControl(machine);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((ResetControl) device).port());
  }
}
