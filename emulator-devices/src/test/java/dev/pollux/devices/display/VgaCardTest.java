package dev.pollux.devices.display;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Modes as a BIOS sets them, and what is seen then. */
class VgaCardTest {
  private static final int RED = 0xff_0000;
  private static final int WHITE = 0xff_ffff;

  private RamBlock memory;
  private Vga card;

  @BeforeEach
  void create() throws IOException {
    memory = new RamBlock("vga.vram", 2 << 20, false);
    card = new Vga(memory);
    card.reset();
  }

  @AfterEach
  void close() {
    memory.close();
  }

  private void out(int port, int value) {
    device(card.ports()).write(port - VgaRegisters.FIRST_PORT, 1, value);
  }

  private int in(int port) {
    return (int) device(card.ports()).read(port - VgaRegisters.FIRST_PORT, 1);
  }

  private static BusDevice device(Region region) {
    return ((Region.DeviceRegion) region).device();
  }

  private void indexed(int port, int index, int value) {
    out(port, index);
    out(port + 1, value);
  }

  private void poke(int offset, int value) {
    device(card.window()).write(offset, 1, value);
  }

  private int peek(int offset) {
    return (int) device(card.window()).read(offset, 1) & 0xff;
  }

  private void vbe(int index, int value) {
    device(card.vbePorts()).write(0, 2, index);
    device(card.vbePorts()).write(1, 2, value);
  }

  /** Palette entry 15 white, 4 red, the attribute controller shows them as they are. */
  private void setPalette() {
    out(0x3c8, 4);
    for (int v : new int[] {0x3f, 0, 0}) {
      out(0x3c9, v);
    }
    out(0x3c8, 15);
    for (int i = 0; i < 3; i++) {
      out(0x3c9, 0x3f);
    }
    in(0x3da);
    for (int i = 0; i < 16; i++) {
      out(0x3c0, i);
      out(0x3c0, i);
    }
    out(0x3c0, 0x12);
    out(0x3c0, 0x0f);
    out(0x3c0, 0x20); // the screen is on
  }

  private void setSize(int columns, int lines, int cellHeight) {
    out(0x3c2, 1); // color
    indexed(0x3d4, 1, columns - 1);
    indexed(0x3d4, 0x12, lines - 1 & 0xff);
    indexed(0x3d4, 7, (lines - 1 >> 8 & 1) << 1 | (lines - 1 >> 9 & 1) << 6);
    indexed(0x3d4, 9, cellHeight - 1);
    indexed(0x3d4, 0x13, columns / 2);
    indexed(0x3d4, 0x17, 3);
  }

  private void setTextMode() {
    setSize(80, 400, 16);
    setPalette();
    indexed(0x3c4, 1, 1);
    indexed(0x3c4, 2, 3);
    indexed(0x3c4, 4, 2);
    indexed(0x3ce, 5, 0x10);
    indexed(0x3ce, 6, 0x0e);
  }

  @Test
  void textIsSeenAsCharactersAndAsPixels() {
    setTextMode();
    // A character set in plane 2: the letter A is a full block in its first line.
    indexed(0x3c4, 2, 4);
    indexed(0x3c4, 4, 6);
    indexed(0x3ce, 5, 0);
    indexed(0x3ce, 6, 4);
    indexed(0x3ce, 8, 0xff);
    poke('A' * 32, 0xf0);
    setTextMode();
    String text = "Aha";
    for (int i = 0; i < text.length(); i++) {
      poke(0x1_8000 + (80 * 24 + i) * 2, text.charAt(i));
      poke(0x1_8000 + (80 * 24 + i) * 2 + 1, 0x4f);
    }
    indexed(0x3d4, 0x0e, 7);
    indexed(0x3d4, 0x0f, 0x83);
    TextScreen seen = card.text().orElseThrow();
    assertEquals(80, seen.columns());
    assertEquals(25, seen.rows());
    assertEquals("Aha", seen.row(24));
    assertEquals(80 * 24 + 3, seen.cursor());
    Screen screen = card.screen();
    assertEquals(640, screen.width());
    assertEquals(400, screen.height());
    int at = 24 * 16 * 640;
    assertEquals(WHITE, screen.pixels()[at + 3]);
    assertEquals(RED, screen.pixels()[at + 4]);
    assertEquals(RED, screen.pixels()[at + 640]);
    assertEquals('h', peek(0x1_8000 + (80 * 24 + 1) * 2));
  }

  @Test
  void planesAreCombined() {
    setSize(80, 480, 1);
    setPalette();
    indexed(0x3c4, 2, 0x0f);
    indexed(0x3c4, 4, 6);
    indexed(0x3ce, 6, 5);
    indexed(0x3ce, 5, 2); // write mode 2: a color
    indexed(0x3ce, 8, 0x80);
    peek(0);
    poke(0, 4);
    indexed(0x3ce, 5, 0);
    indexed(0x3ce, 0, 15); // set/reset
    indexed(0x3ce, 1, 15);
    indexed(0x3ce, 8, 0x01);
    peek(0);
    poke(0, 0);
    Screen screen = card.screen();
    assertEquals(640 * 480, screen.pixels().length);
    assertEquals(RED, screen.pixels()[0]);
    assertEquals(0, screen.pixels()[1]);
    assertEquals(WHITE, screen.pixels()[7]);
    indexed(0x3ce, 5, 8); // reads compare
    indexed(0x3ce, 2, 4);
    indexed(0x3ce, 7, 15);
    assertEquals(0x80, peek(0));
    assertEquals(Optional.empty(), card.text());
  }

  @Test
  void linearPicturesOfSeveralDepths() {
    vbe(1, 320);
    vbe(2, 200);
    vbe(3, 32);
    vbe(4, 0x41);
    memory.write(4 * 321, new byte[] {0x33, 0x22, 0x11, 0}, 0, 4);
    Screen screen = card.screen();
    assertEquals(320, screen.width());
    assertEquals(200, screen.height());
    assertEquals(0x11_2233, screen.pixels()[321]);
    vbe(4, 0);
    vbe(3, 16);
    vbe(4, 0x41);
    assertEquals(0, card.screen().pixels()[321], "switching on clears");
    memory.write(2 * 321, new byte[] {(byte) 0xe0, 7}, 0, 2);
    assertEquals(0xff00, card.screen().pixels()[321]);
    vbe(9, 1);
    assertEquals(0xff00, card.screen().pixels()[1], "moved up by a row");
  }

  @Test
  void largerThanMemoryIsCutDown() {
    vbe(1, 0xffff);
    vbe(2, 0xffff);
    vbe(3, 32);
    vbe(4, 1);
    Screen screen = card.screen();
    assertTrue((long) screen.width() * screen.height() * 4 <= memory.size());
    vbe(4, 3);
    device(card.vbePorts()).write(0, 2, 1);
    assertEquals(BochsVbe.MOST_WIDTH, device(card.vbePorts()).read(1, 2));
  }
}
