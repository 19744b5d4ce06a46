package dev.pollux.devices.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.devices.display.Display;
import dev.pollux.devices.display.Screen;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A virtio-vga as firmware finds it, and how its driver takes over. */
class VirtioVgaTest {
  private static final long VIDEO_MEMORY = 0xd000_0000L;
  private static final long REGISTERS = 0xe000_0000L;
  private static final long VBE = REGISTERS + 0x500;
  private static final long STATUS = REGISTERS + 0x1014;

  private PciFixture pci;
  private PciFunction function;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    function = PciFixture.function(pci.add("virtio-vga,max_hostmem=1M,vgamem_mb=4"));
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private int config(int offset, int size) {
    return pci.locked(() -> function.read(offset, size));
  }

  private int sizeOf(int bar) {
    return pci.locked(
        () -> {
          function.write(PciConfig.BAR0 + bar * 4, 4, -1);
          return -(function.read(PciConfig.BAR0 + bar * 4, 4) & ~0xf);
        });
  }

  /** The values are those of QEMU 7.2. */
  @Test
  void isLaidOutAsQemus() {
    assertEquals(0x1050_1af4, config(0, 4));
    assertEquals(0x0300_0001, config(PciConfig.REVISION, 4));
    assertEquals(8, config(PciConfig.BAR0, 4) & 0xf);
    assertEquals(4 << 20, sizeOf(0));
    assertEquals(0xc, config(PciConfig.BAR0 + 8, 4) & 0xf);
    assertEquals(0x4000, sizeOf(2));
    assertEquals(0x1000, sizeOf(4));
    int[][] places = {{0x1000, 0x800}, {0x3000, 0x1000}, {0x1800, 0x800}, {0x2000, 0x1000}};
    int found = 0;
    for (int at = config(PciConfig.CAPABILITIES, 1); at != 0; at = config(at + 1, 1)) {
      int type = config(at + 3, 1);
      if (config(at, 1) == 9 && type <= places.length) {
        assertEquals(2, config(at + 4, 1));
        assertEquals(places[type - 1][0], config(at + 8, 4), "type " + type);
        assertEquals(places[type - 1][1], config(at + 12, 4), "type " + type);
        found++;
      }
    }
    assertEquals(places.length, found);
  }

  private Screen screen() {
    return pci.locked(
        () ->
            pci.machine.devices().stream()
                .filter(Display.class::isInstance)
                .map(Display.class::cast)
                .findFirst()
                .orElseThrow()
                .screen());
  }

  private void vbe(int register, int value) {
    pci.machine.memory().write(VBE + register * 2L, 2, value);
  }

  @Test
  void isAVgaUntilItsDriverBegins() {
    int _ =
        pci.locked(
            () -> {
              function.write(PciConfig.BAR0, 4, (int) VIDEO_MEMORY);
              function.write(PciConfig.BAR0 + 8, 4, (int) REGISTERS);
              function.write(PciConfig.BAR0 + 12, 4, 0);
              function.write(PciConfig.COMMAND, 2, 7);
              return 0;
            });
    vbe(1, 160);
    vbe(2, 100);
    vbe(3, 32);
    vbe(4, 1);
    pci.machine.memory().write(VIDEO_MEMORY + 4, 4, 0x12_3456);
    assertEquals(160, screen().width());
    assertEquals(0x12_3456, screen().pixels()[1]);
    pci.machine.memory().write(STATUS, 1, 0xf);
    assertTrue(screen().width() != 160, "the driver has shown nothing yet");
    pci.machine.memory().write(STATUS, 1, 0);
    assertEquals(0x12_3456, screen().pixels()[1]);
  }

  @Test
  void aMachineHasOneVga() {
    ConfigException second = assertThrows(ConfigException.class, () -> pci.add("VGA"));
    assertTrue(second.getMessage().contains("there is a VGA already"), second.getMessage());
  }
}
