package dev.pollux.devices.board;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.Region;
import dev.pollux.core.machine.Device;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.DeviceContractTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class FwCfgTest extends DeviceContractTest {
  @Override
  protected Device makeDevice() {
    return new FwCfg(machine.memory());
  }

  @Override
  protected List<Region> regions(Device device) {
    FwCfg f = (FwCfg) device;
    return List.of(f.ports(), f.dmaPort());
  }

  private FwCfg start() throws IOException {
    FwCfg config = new FwCfg(machine.memory());
    machine.io().map(FwCfg.PORT, config.ports());
    machine.io().map(FwCfg.DMA_PORT, config.dmaPort());
    RamBlock ram = new RamBlock("ram", 1 << 20, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, ram.size()));
    config.reset();
    return config;
  }

  private byte[] readByPort(int key, int count) {
    machine.io().write(FwCfg.PORT, 2, key);
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      bytes[i] = (byte) machine.io().read(FwCfg.PORT + 1, 1);
    }
    return bytes;
  }

  private int dma(int control, int length, long address) {
    byte[] command =
        ByteBuffer.allocate(16).putInt(control).putInt(length).putLong(address).array();
    machine.memory().write(0x1000, command, 0, 16);
    machine.io().write(FwCfg.DMA_PORT, 4, 0);
    machine.io().write(FwCfg.DMA_PORT + 4, 4, Integer.reverseBytes(0x1000) & 0xffff_ffffL);
    return Integer.reverseBytes((int) machine.memory().read(0x1000, 4));
  }

  @Test
  void signatureAndDirectoryAreReadThroughThePort() throws IOException {
    FwCfg config = start();
    config.putFile("etc/b", new byte[] {1, 2, 3});
    config.putFile("etc/a", "hello".getBytes(StandardCharsets.US_ASCII));
    assertEquals("QEMU", new String(readByPort(0, 4), StandardCharsets.US_ASCII));
    ByteBuffer directory = ByteBuffer.wrap(readByPort(0x19, 4 + 2 * 64));
    assertEquals(2, directory.getInt());
    assertEquals(5, directory.getInt());
    int key = directory.getShort();
    directory.getShort();
    byte[] name = new byte[56];
    directory.get(name);
    assertEquals("etc/a", new String(name, StandardCharsets.US_ASCII).trim());
    assertEquals("hello", new String(readByPort(key, 5), StandardCharsets.US_ASCII));
  }

  @Test
  void itemsAreReadByDma() throws IOException {
    FwCfg config = start();
    assertEquals("QEMU CFG", dmaSignature());
    config.putFile("etc/a", "hello".getBytes(StandardCharsets.US_ASCII));
    machine.memory().write(0x2000, 8, -1);
    assertEquals(0, dma(0x20 << 16 | 8 | 2, 7, 0x2000));
    assertEquals(0xff00006f6c6c6568L, machine.memory().read(0x2000, 8), "zeros after the end");
    assertEquals(0, dma(0x20 << 16 | 8 | 4, 3, 0));
    assertEquals(0, dma(2, 2, 0x3000));
    assertEquals(0x6f6c, machine.memory().read(0x3000, 2));
    assertEquals(1, dma(0x20 << 16 | 8 | 16, 3, 0x2000), "not writable");
    assertEquals(1, dma(0x20 << 16 | 8 | 2, -1, 0x2000), "too long");
  }

  /** QEMU 7.2 sets the error bit too; it must not take the time of a large item, byte by byte. */
  @Test
  void dmaToNowhereIsAnError() throws IOException {
    FwCfg config = start();
    config.putFile("etc/large", new byte[128 << 20]);
    for (int i = 0; i < 50; i++) {
      assertEquals(1, dma(0x20 << 16 | 8 | 2, 128 << 20, 1L << 40));
    }
    assertEquals(1, dma(0x20 << 16 | 8 | 2, 0x2000, 0xf_f000), "beyond the end of RAM");
    assertEquals(0, dma(0x20 << 16 | 8 | 2, 0x1000, 0xf_f000));
    assertEquals(1, dma(0x21 << 16 | 8 | 2, 16, 1L << 40), "zeros of no item");
  }

  private String dmaSignature() {
    byte[] bytes = new byte[8];
    for (int i = 0; i < 8; i += 4) {
      ByteBuffer.wrap(bytes)
          .putInt(i, Integer.reverseBytes((int) machine.io().read(FwCfg.DMA_PORT + i, 4)));
    }
    return new String(bytes, StandardCharsets.US_ASCII);
  }
}
