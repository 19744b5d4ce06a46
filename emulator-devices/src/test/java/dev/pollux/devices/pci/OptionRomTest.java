package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.pollux.core.bus.Region;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
}
