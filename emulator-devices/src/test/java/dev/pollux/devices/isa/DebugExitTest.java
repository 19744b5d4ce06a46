package dev.pollux.devices.isa;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.List;

class DebugExitTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new DebugExit(machine, 4);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((DebugExit) device).ports());
  }
}
