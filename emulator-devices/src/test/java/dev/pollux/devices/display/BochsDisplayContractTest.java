package dev.pollux.devices.display;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;

/** The display without a VGA, whatever is written to it; its picture can always be made. */
class BochsDisplayContractTest extends DeviceContractTest {
  private RamBlock memory;

  @Override
  protected Device makeDevice() throws IOException {
    memory = new RamBlock("bochs-display0.vram", 1 << 20, false);
    return new BochsDisplay(memory, Optional.of(Edid.of(640, 480)));
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((BochsDisplay) device).vbeInMemory(), Monitor.region(Edid.of(800, 600)));
  }

  @Override
  protected void disturb(Device device, Random random) {
    if (random.nextInt(64) == 0) {
      var _ = ((BochsDisplay) device).screen();
    }
  }
}
