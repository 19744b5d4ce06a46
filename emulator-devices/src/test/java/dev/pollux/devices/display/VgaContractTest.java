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
  private Vga vga;

  @Override
  protected Device makeDevice() throws IOException {
    memory = new RamBlock("vga.vram", 1 << 20, false);
    vga = new Vga(memory);
    return new VgaCard(vga, Optional.of(Edid.of(640, 480)));
  }

  @AfterEach
  void unmap() {
    memory.close();
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of(
        vga.ports(),
        vga.window(),
        vga.vbePorts(),
        vga.pieces().getFirst().region(),
        vga.pieces().getLast().region());
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
