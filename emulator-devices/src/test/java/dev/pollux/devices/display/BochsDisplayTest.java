package dev.pollux.devices.display;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Cards with the Bochs interface as a driver without a BIOS finds them: all of it in memory. */
class BochsDisplayTest {
  private static final long VIDEO = 0xc000_0000L;
  private static final long REGISTERS = 0xd000_0000L;
  private static final long VBE = REGISTERS + 0x500;

  private PciFixture pci;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
  }

  @AfterEach
  void close() {
    pci.close();
  }

  private Display find(String device) {
    DeviceNode node = pci.add(device);
    PciFunction function = PciFixture.function(node);
    pci.machine.lock().lock();
    try {
      function.write(PciConfig.BAR0, 4, (int) VIDEO);
      function.write(PciConfig.BAR0 + 8, 4, (int) REGISTERS);
      function.write(PciConfig.COMMAND, 2, 7);
    } finally {
      pci.machine.lock().unlock();
    }
    return pci.machine.devices().stream()
        .filter(Display.class::isInstance)
        .map(Display.class::cast)
        .findFirst()
        .orElseThrow();
  }

  private Screen screen(Display display) {
    pci.machine.lock().lock();
    try {
      return display.screen();
    } finally {
      pci.machine.lock().unlock();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"bochs-display,vgamem=4M,xres=1000,yres=700", "VGA,xres=1000,yres=700"})
  void pictureIsSetUpByRegistersInMemory(String device) {
    Display display = find(device);
    assertEquals(640, screen(display).width(), "off");
    byte[] edid = edid();
    assertEquals(1000, edid[56] & 0xff | (edid[58] & 0xf0) << 4, "active pixels");
    assertEquals(700, edid[59] & 0xff | (edid[61] & 0xf0) << 4, "active lines");
    assertEquals(0xb0c5, pci.machine.memory().read(VBE, 2));
    int[] mode = {1, 320, 2, 200, 3, 32, 4, 0x41};
    for (int i = 0; i < mode.length; i += 2) {
      pci.machine.memory().write(VBE + mode[i] * 2L, 2, mode[i + 1]);
    }
    pci.machine.memory().write(VIDEO + 321 * 4, 4, 0x12_3456);
    Screen seen = screen(display);
    assertEquals(320, seen.width());
    assertEquals(0x12_3456, seen.pixels()[321]);
  }

  private byte[] edid() {
    int sum = 0;
    byte[] edid = new byte[Edid.BYTES];
    for (int i = 0; i < edid.length; i++) {
      edid[i] = (byte) pci.machine.memory().read(REGISTERS + i, 1);
      sum += edid[i];
    }
    assertEquals(0, sum & 0xff);
    return edid;
  }

  /** Established and standard timings as QEMU 7.2 has them for the same properties. */
  @ParameterizedTest
  @CsvSource({
    "'', 210800 e1c0d1c0d100a940b300950081808140",
    "'xmax=1024,ymax=768', 210800 01010101010101010101010101010101",
    "'ymax=600', 210000 01010101010101010101010101010101",
    "'xmax=1900', 210800 a940b300950081808140c940c1400101",
    "'xmax=4294967295,ymax=1080', 210800 d1c0b300950081808140010101010101",
    "'xmax=1', 000000 01010101010101010101010101010101"
  })
  void modesBesideItsOwnAreNoLargerThanAsked(String properties, String expected)
      throws IOException {
    for (String card : List.of("VGA", "bochs-display")) {
      close();
      make();
      var _ = find(properties.isEmpty() ? card : card + "," + properties);
      String modes = HexFormat.of().formatHex(edid(), 35, 54);
      assertEquals(expected.replace(" ", ""), modes, card);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'', 75000",
    "',refresh_rate=60000', 60000",
    "',refresh_rate=120000', 120000",
    "',refresh_rate=1', 8", // the slowest clock that can be said
    "',refresh_rate=4294967295', 545034", // the fastest
  })
  void itsOwnModeHasTheRateThatIsAskedFor(String rate, int milliHertz) {
    var _ = find("VGA,xres=1280,yres=800" + rate);
    byte[] edid = edid();
    double clock = (edid[54] & 0xff | (edid[55] & 0xff) << 8) * 1e7;
    assertEquals(milliHertz, clock / ((1280 + 160) * (800 + 35)), Math.max(9, milliHertz / 1e3));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bochs-display,edid=off", "VGA,edid=off"})
  void withoutAMonitorThereIsNothing(String device) {
    var _ = find(device);
    long first = pci.machine.memory().read(REGISTERS, 4);
    assertTrue(first != 0xffff_ff00L, Long.toHexString(first));
  }
}
