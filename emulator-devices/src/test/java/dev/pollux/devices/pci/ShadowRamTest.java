package dev.pollux.devices.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.bus.Region;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The memory below 1 MiB as the attribute map has it. */
class ShadowRamTest {
  private static final int PAM = 0x90;
  private static final int ROM_SIZE = 256 << 10;

  private final AddressSpace memory = new AddressSpace("memory", new ReentrantLock());
  private final PciConfig config = new PciConfig(new PciIdentity(1, 2, 3, 0), false);
  private RamBlock ram;
  private RamBlock rom;
  private ShadowRam shadow;

  @BeforeEach
  void create() throws IOException {
    ram = new RamBlock("ram", 2 << 20, false);
    rom = new RamBlock("rom", ROM_SIZE, true);
    memory.map(0, new Region.RamRegion(ram, 0, ram.size()));
    for (int i = 0; i < ROM_SIZE; i += 0x4000) {
      rom.write(i, new byte[] {(byte) (0x80 + i / 0x4000)}, 0, 1);
    }
    shadow = new ShadowRam(memory, ram, rom);
    set(0);
  }

  @AfterEach
  void close() {
    ram.close();
    rom.close();
  }

  private void set(long registers) {
    config.set(PAM, 4, registers);
    config.set(PAM + 4, 3, registers >>> 32);
    shadow.update(config, PAM);
  }

  private int byteAt(long address) {
    return (int) memory.read(address, 1);
  }

  @Test
  void theEndOfTheRomIsSeenBelowOneMegabyteAndNothingBelowThat() {
    assertEquals(0x80 + 8, byteAt(0xe_0000));
    assertEquals(0x80 + 15, byteAt(0xf_c000));
    assertEquals(0xff, byteAt(0xc_0000));
    assertEquals(0xff, byteAt(0xd_ffff));
    assertEquals(0, byteAt(0x10_0000));
    memory.write(0xf_c000, 1, 1);
    memory.write(0xc_0000, 1, 1);
    assertEquals(0x80 + 15, byteAt(0xf_c000));
    set(0x33_3333_3333_3330L);
    assertEquals(0, byteAt(0xf_c000), "the write went to RAM");
    assertEquals(0, byteAt(0xc_0000));
  }

  @Test
  void eachHalfOfARegisterHasItsSegment() {
    for (int segment = 0; segment < 12; segment++) {
      long at = 0xc_0000 + segment * 0x4000L;
      set(3L << 8 + segment * 4);
      memory.write(at, 1, 0x11 + segment);
      memory.write(at + 0x4000, 1, 0x55);
      assertEquals(0x11 + segment, byteAt(at));
      set(1L << 8 + segment * 4);
      memory.write(at, 1, 0x77);
      assertEquals(0x11 + segment, byteAt(at), "may be read only");
      set(2L << 8 + segment * 4);
      assertEquals(segment < 8 ? 0xff : 0x80 + segment, byteAt(at));
    }
  }

  @Test
  void ramThatIsOnlyReadKeepsWhatDevicesWrite() {
    set(0x30);
    memory.write(0xf_0000, new byte[] {1, 2, 3, 4}, 0, 4);
    set(0x10);
    memory.write(0xf_0000, new byte[] {5, 6, 7, 8}, 0, 4);
    assertEquals(0x0403_0201, memory.read(0xf_0000, 4));
    set(0x30);
    memory.write(0xf_0000, 4, 9);
    assertEquals(9, memory.read(0xf_0000, 4));
  }
}
