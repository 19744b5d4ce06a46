package dev.pollux.devices.board;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import dev.pollux.devices.display.Screen;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Firmware tells where its picture is, by DMA of the firmware configuration device. */
class RamFramebufferTest extends DeviceContractTest {
  private static final int XR24 = 0x3432_5258;
  private static final long RAM = 1 << 20;
  private static final long PICTURE = 0x4_0000;

  @Override
  protected Device makeDevice() {
    return new RamFramebuffer(new GuestMemory(machine.memory()));
  }

  @Override
  protected List<Region> regions(Device device) {
    return List.of();
  }

  @Override
  protected void disturb(Device device, Random random) {
    RamFramebuffer framebuffer = (RamFramebuffer) device;
    ByteBuffer file = ByteBuffer.wrap(framebuffer.file());
    file.putLong(random.nextLong()).putInt(random.nextBoolean() ? XR24 : random.nextInt());
    file.putInt(0).putInt(random.nextInt(1 << random.nextInt(30)));
    file.putInt(random.nextInt(100)).putInt(random.nextInt());
    var _ = framebuffer.screen();
  }

  private int dma(int control, int length, long address) {
    byte[] command =
        ByteBuffer.allocate(16).putInt(control).putInt(length).putLong(address).array();
    machine.memory().write(0x1000, command, 0, 16);
    machine.io().write(FwCfg.DMA_PORT + 4, 4, Integer.reverseBytes(0x1000) & 0xffff_ffffL);
    return Integer.reverseBytes((int) machine.memory().read(0x1000, 4));
  }

  @Test
  void showsWhatFirmwareTellsOf() throws IOException {
    try (RamBlock ram = new RamBlock("ram", RAM, false)) {
      machine.memory().map(0, new Region.RamRegion(ram, 0, RAM));
      FwCfg fwCfg = new FwCfg(machine.memory());
      machine.io().map(FwCfg.DMA_PORT, fwCfg.dmaPort());
      fwCfg.putFile("etc/fixed", new byte[RamFramebuffer.FILE_BYTES]);
      RamFramebuffer framebuffer = new RamFramebuffer(new GuestMemory(machine.memory()));
      fwCfg.putWritableFile(RamFramebuffer.FILE, framebuffer.file());
      assertEquals(640, framebuffer.screen().width(), "nothing yet");

      ByteBuffer said = ByteBuffer.allocate(28).putLong(PICTURE).putInt(XR24).putInt(0);
      said.putInt(32).putInt(20).putInt(256);
      machine.memory().write(0x2000, said.array(), 0, 28);
      int file = 0x21 << 16 | 8;
      assertEquals(1, dma(0x20 << 16 | 8 | 16, 28, 0x2000), "another file is not writable");
      assertEquals(1, dma(file | 16, 29, 0x2000), "longer than the file");
      assertEquals(1, dma(file | 16, 28, 0x7000_0000), "from nowhere");
      assertEquals(640, framebuffer.screen().width(), "nothing yet");
      assertEquals(0, dma(file | 16, 28, 0x2000));
      assertEquals(0, dma(file | 2, 28, 0x3000), "it can be read again");
      assertEquals(32, Integer.reverseBytes((int) machine.memory().read(0x3010, 4)));

      machine.memory().write(PICTURE + 256 + 4, 4, 0xff11_2233L);
      Screen screen = framebuffer.screen();
      assertEquals(32, screen.width());
      assertEquals(20, screen.height());
      assertEquals(0x11_2233, screen.pixels()[33]);

      said.putLong(0, RAM - 300);
      machine.memory().write(0x2000, said.array(), 0, 28);
      assertEquals(0, dma(file | 16, 28, 0x2000));
      assertEquals(0, framebuffer.screen().pixels()[32 * 20 - 1], "beyond RAM it is black");
      framebuffer.reset();
      assertEquals(640, framebuffer.screen().width());
    }
  }
}
