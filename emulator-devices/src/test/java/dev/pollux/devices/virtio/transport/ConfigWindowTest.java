package dev.pollux.devices.virtio.transport;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciDevice;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A driver reaches the registers while the BAR has no address, as iPXE wants it. */
class ConfigWindowTest {
  private static final int BAR = 4;
  private static final int STATUS = 0x14;
  private static final int MAC = 0x2000;

  private PciFixture pci;
  private PciFunction function;
  private int window;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    function = ((PciDevice) pci.add("virtio-net-pci,mac=52:54:00:12:34:56").device()).pci();
    window = pci.locked(() -> capability(5));
  }

  @AfterEach
  void close() {
    pci.close();
  }

  /** Where the structure of a type is. */
  private int capability(int type) {
    int at = function.read(PciConfig.CAPABILITIES, 1);
    while (function.read(at, 1) != 9 || function.read(at + 3, 1) != type) {
      at = function.read(at + 1, 1);
    }
    return at;
  }

  private void select(int bar, int offset, int length) {
    function.write(window + 4, 1, bar);
    function.write(window + 8, 4, offset);
    function.write(window + 12, 4, length);
  }

  private int read(int offset, int length) {
    return pci.locked(
        () -> {
          select(BAR, offset, length);
          return function.read(window + 16, length);
        });
  }

  private void write(int bar, int offset, int length, int value) {
    int _ =
        pci.locked(
            () -> {
              select(bar, offset, length);
              function.write(window + 16, 4, value);
              return 0;
            });
  }

  @Test
  void reachesTheRegisters() {
    assertEquals(20, pci.locked(() -> function.read(window + 2, 1)));
    assertEquals(3, read(0x12, 2), "queues");
    assertEquals(0x1200_5452, read(MAC, 4));
    assertEquals(0x5634, read(MAC + 4, 2));
    write(BAR, STATUS, 1, 1);
    write(BAR, STATUS, 1, 3);
    assertEquals(3, read(STATUS, 1));
    write(BAR, STATUS, 1, 0);
    assertEquals(0, read(STATUS, 1));
  }

  @Test
  void ofOtherAccessesNothingComes() {
    write(BAR, STATUS, 1, 1);
    write(0, STATUS, 1, 3);
    write(BAR, STATUS, 3, 3);
    write(BAR, STATUS, 8, 3);
    write(BAR, STATUS - 1, 2, 0x300);
    write(BAR, 0x7fff_fff0, 4, 3);
    write(BAR, -4, 4, 3);
    assertEquals(1, read(STATUS, 1));
    assertEquals(-1, read(-4, 4), "there is nothing");
  }
}
