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

/** The standard VGA, whatever is written to it; its picture can always be made. */
class VgaContractTest extends DeviceContractTest {
  private RamBlock memory;

  @Override
  protected Device makeDevice() throws IOException {
    memory = new RamBlock("vga.vram", 1 << 20, false);
    return new VgaCard(memory, Optional.of(Edid.of(640, 480)));
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  @Override
  protected List<Region> regions(Device device) {
    VgaCard card = (VgaCard) device;
    return List.of(
        card.ports(), card.window(), card.vbePorts(), card.portsInMemory(), card.vbeInMemory());
  }

  @Override
  protected void disturb(Device device, Random random) {
    VgaCard card = (VgaCard) device;
    if (random.nextInt(64) == 0) {
      card.screen();
    }
    card.text();
  }
}
