package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.pollux.core.bus.Region;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Option ROMs where the guest maps them. */
class OptionRomTest {
  private static final long ADDRESS = 0xe000_0000L;
  private static final int ENABLE = 1;

  @TempDir private Path folder;

  /** The engines of vCPUs ask the machine whose memory they execute. */
  @Test
  void machineKnowsMemoryThatMayBeExecuted() throws IOException {
    Path file = Files.write(folder.resolve("rom"), new byte[] {0x55, (byte) 0xaa, 1, (byte) 0xcb});
    try (PciFixture fixture = new PciFixture()) {
      PciFunction card = PciFixture.function(fixture.add("edu,romfile=" + file));
      fixture.machine.lock().lock();
      try {
        card.write(0x30, 4, (int) ADDRESS | ENABLE);
        card.write(4, 2, 2); // memory
        assertEquals(0xaa55, fixture.machine.memory().read(ADDRESS, 2));
        RamBlock rom =
            assertInstanceOf(
                    Region.RamRegion.class, fixture.machine.memory().view().find(ADDRESS).region())
                .block();
        assertEquals(rom, fixture.machine.blockAt(rom.hostAddress()));
      } finally {
        fixture.machine.lock().unlock();
      }
    }
  }

  /** Firmware wants the device's own number in it, and all bytes to sum up to zero. */
  @ParameterizedTest
  @ValueSource(ints = {0x1234, 0x1af4})
  void romForAnotherDeviceOfTheMakerBecomesThisOnes(int vendor) throws IOException {
    ByteBuffer rom = ByteBuffer.allocate(512).order(ByteOrder.LITTLE_ENDIAN);
    rom.putShort((short) 0xaa55).put((byte) 1).putShort(0x18, (short) 0x1c);
    rom.put(0x1c, new byte[] {'P', 'C', 'I', 'R'});
    rom.putShort(0x20, (short) vendor).putShort(0x22, (short) 0x7fff);
    rom.put(6, (byte) -sum(rom));
    Path file = Files.write(folder.resolve("rom"), rom.array());
    try (PciFixture fixture = new PciFixture()) {
      PciFunction card = PciFixture.function(fixture.add("edu,romfile=" + file));
      fixture.machine.lock().lock();
      try {
        card.write(0x30, 4, (int) ADDRESS | ENABLE);
        card.write(4, 2, 2); // memory
        ByteBuffer seen = ByteBuffer.allocate(512).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < seen.capacity(); i += 4) {
          seen.putInt(i, (int) fixture.machine.memory().read(ADDRESS + i, 4));
        }
        boolean same = vendor == (card.read(0, 2) & 0xffff);
        assertEquals(vendor, seen.getShort(0x20) & 0xffff);
        assertEquals(same ? card.read(2, 2) & 0xffff : 0x7fff, seen.getShort(0x22) & 0xffff);
        assertEquals(0, sum(seen) & 0xff);
      } finally {
        fixture.machine.lock().unlock();
      }
    }
  }

  private static int sum(ByteBuffer bytes) {
    int sum = 0;
    for (int i = 0; i < bytes.capacity(); i++) {
      sum += bytes.get(i);
    }
    return sum;
  }
}
