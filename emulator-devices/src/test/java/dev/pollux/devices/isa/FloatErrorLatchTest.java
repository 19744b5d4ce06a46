package dev.pollux.devices.isa;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FloatErrorLatchTest extends DeviceContractTest {
  private final List<Boolean> levels = new ArrayList<>();

  @Override
  protected Device makeDevice() {
    return new FloatErrorLatch(levels::add);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((FloatErrorLatch) device).port());
  }

  @Test
  void acknowledgedErrorIsIgnoredUntilItEnds() {
    FloatErrorLatch latch = (FloatErrorLatch) makeDevice();
    levels.clear();
    latch.setFerr(true);
    latch.write(0, 1, 0);
    latch.setFerr(true);
    assertEquals(List.of(true, false), levels);
    latch.setFerr(false);
    latch.setFerr(true);
    assertEquals(List.of(true, false, true), levels);
  }
}
