package dev.pollux.devices.storage.flash;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.devices.DeviceContractTest;
import java.io.IOException;
import java.util.List;

/** Flash memory, whatever is written to it. */
class CfiFlashContractTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() throws IOException {
    FlashChip chip = FlashChip.read("-drive if=pflash", 1, CfiFlashTest.backend(16 << 10));
    machine.addRamBlock(chip.contents());
    return new CfiFlash(machine, 0xff00_0000L, chip);
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(((CfiFlash) device).registers());
  }
}
