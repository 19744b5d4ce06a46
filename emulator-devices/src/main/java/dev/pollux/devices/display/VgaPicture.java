package dev.pollux.devices.display;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.util.Arrays;
import java.util.Optional;

/**
 * Makes a picture of a card's registers and memory. Nothing is remembered between pictures. Machine
 * lock held.
 */
final class VgaPicture {
  private static final int MOST_WIDTH = 2048;
  private static final int MOST_HEIGHT = 2048;

  // Register bits.
  private static final int GRAPHICS_MODE = 1;
  private static final int EIGHT_DOTS = 1;
  private static final int CURSOR_OFF = 0x20;
  private static final int LINE_GRAPHICS = 0x04;
  private static final int BLINK = 0x08;
  private static final int PALETTE_SELECT = 0x80;

  private final VgaRegisters registers;
  private final BochsVbe vbe;
  private final RamBlock memory;

  VgaPicture(VgaRegisters registers, BochsVbe vbe, RamBlock memory) {
    this.registers = registers;
    this.vbe = vbe;
    this.memory = memory;
  }

  Screen screen() {
    if (vbe.isOn() && vbe.bits() > 4) {
      return linear();
    }
    if (!registers.isOn()) {
      return Screen.blank(640, 480);
    }
    return (registers.graphics(6) & GRAPHICS_MODE) == 0 ? drawText() : graphics();
  }

  private boolean isText() {
    return registers.isOn() && !vbe.isOn() && (registers.graphics(6) & GRAPHICS_MODE) == 0;
  }

  private long inMemory(long offset) {
    return memory.hostAddress() + Math.floorMod(offset, memory.size());
  }

  private int byteAt(long offset) {
    return RawMemory.getByte(inMemory(offset)) & 0xff;
  }

  /** Four planes at an address; it is a multiple of 4 in memory, whose size is one too. */
  private int planesAt(long address) {
    return RawMemory.getInt(inMemory(address * 4));
  }

  // ---- sizes of the VGA's modes ----

  private int scanLines() {
    int overflow = registers.crtc(7);
    int lines = registers.crtc(0x12) | (overflow & 2) << 7 | (overflow & 0x40) << 3;
    return Math.clamp(lines + 1, 1, MOST_HEIGHT);
  }

  private int columns() {
    return Math.clamp(registers.crtc(1) + 1, 1, MOST_WIDTH / 8);
  }

  private int cellHeight() {
    return (registers.crtc(9) & 0x1f) + 1;
  }

  private int startAddress() {
    return registers.crtc(0x0c) << 8 | registers.crtc(0x0d);
  }

  /** Addresses from row to row. */
  private int rowOffset() {
    return registers.crtc(0x13) * 2;
  }

  /** The color of a value of the attribute controller's palette. */
  private int attributeColor(int value) {
    int color = registers.attribute(value);
    if ((registers.attribute(0x10) & PALETTE_SELECT) != 0) {
      color = color & 0xf | registers.attribute(0x14) << 4 & 0xf0;
    } else {
      color = color & 0x3f | registers.attribute(0x14) << 4 & 0xc0;
    }
    return registers.color(color);
  }

  private int[] sixteenColors() {
    int[] colors = new int[16];
    Arrays.setAll(colors, this::attributeColor);
    return colors;
  }

  // ---- text ----

  Optional<TextScreen> text() {
    if (!isText()) {
      return Optional.empty();
    }
    int columns = columns();
    int rows = Math.max(1, scanLines() / cellHeight());
    int[] cells = new int[columns * rows];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        cells[row * columns + column] =
            planesAt(startAddress() + (long) row * rowOffset() + column) & 0xffff;
      }
    }
    return Optional.of(new TextScreen(columns, rows, cells, cursor(columns, rows)));
  }

  private int cursor(int columns, int rows) {
    int at = (registers.crtc(0x0e) << 8 | registers.crtc(0x0f)) - startAddress();
    if ((registers.crtc(0x0a) & CURSOR_OFF) != 0 || at < 0 || rowOffset() == 0) {
      return -1;
    }
    int row = at / rowOffset();
    int column = at % rowOffset();
    return row < rows && column < columns ? row * columns + column : -1;
  }

  private Screen drawText() {
    TextScreen text = text().orElseThrow();
    int dots = (registers.sequencer(1) & EIGHT_DOTS) != 0 ? 8 : 9;
    int height = cellHeight();
    Screen screen = Screen.blank(text.columns() * dots, text.rows() * height);
    int[] colors = sixteenColors();
    boolean blinks = (registers.attribute(0x10) & BLINK) != 0;
    int select = registers.sequencer(3);
    int fontB = font(select >> 5 & 1 | select >> 1 & 6);
    int fontA = font(select >> 4 & 1 | select << 1 & 6);
    for (int i = 0; i < text.cells().length; i++) {
      int cell = text.cells()[i];
      int font = (cell & 0x800) == 0 ? fontA : fontB;
      int foreground = colors[cell >> 8 & 0xf];
      int background = colors[cell >> 12 & (blinks ? 7 : 0xf)];
      int left = i % text.columns() * dots;
      int top = i / text.columns() * height;
      for (int line = 0; line < height; line++) {
        int bits = byteAt((font + (cell & 0xffL) * 32 + line) * 4 + 2) << 1;
        if (dots == 9 && (cell & 0xe0) == 0xc0 && lineGraphics()) {
          bits |= bits >> 1 & 1;
        }
        if (i == text.cursor() && isCursorLine(line)) {
          bits = 0x1ff;
        }
        int at = (top + line) * screen.width() + left;
        for (int dot = 0; dot < dots; dot++) {
          screen.pixels()[at + dot] = (bits >> 8 - dot & 1) != 0 ? foreground : background;
        }
      }
    }
    return screen;
  }

  private boolean lineGraphics() {
    return (registers.attribute(0x10) & LINE_GRAPHICS) != 0;
  }

  private boolean isCursorLine(int line) {
    return line >= (registers.crtc(0x0a) & 0x1f) && line <= (registers.crtc(0x0b) & 0x1f);
  }

  /** Where a character set begins in plane 2: 8 KiB for each. */
  private static int font(int number) {
    return number << 13;
  }

  // ---- graphics ----

  private Screen graphics() {
    int width = columns() * 8;
    int height = scanLines();
    boolean planar16 = vbe.isOn();
    if (planar16) {
      width = Math.min(vbe.width(), MOST_WIDTH);
      height = Math.min(vbe.height(), MOST_HEIGHT);
    }
    Screen screen = Screen.blank(width, height);
    int[] colors = sixteenColors();
    int twice = (registers.crtc(9) & 0x80) != 0 ? 2 : 1;
    boolean asCga = !planar16 && (registers.crtc(0x17) & 1) == 0;
    int repeat = planar16 ? 1 : asCga ? twice : cellHeight() * twice;
    int shift = registers.graphics(5) >> 5 & 3;
    long start = planar16 ? vbe.start() : startAddress();
    int rowOffset = planar16 ? vbe.rowBytes() : rowOffset();
    for (int y = 0; y < height; y++) {
      int line = y / repeat;
      long row = start + (long) line * rowOffset;
      if (asCga) { // odd rows lie 8 KiB behind even ones, half of that in each plane
        row = start + (long) (line >> 1) * rowOffset + (line & 1) * 0x1000L;
      }
      for (int x = 0; x < width; x++) {
        screen.pixels()[y * width + x] =
            switch (shift) {
              case 0 -> colors[planes(planesAt(row + (x >> 3)), 7 - (x & 7))];
              case 1 -> colors[pairs(row, x >> 1)];
              default -> registers.color(byteAt(row * 4 + (x >> 1)));
            };
      }
    }
    return screen;
  }

  /** A bit of each plane. */
  private int planes(int word, int bit) {
    int value = 0;
    for (int plane = 0; plane < 4; plane++) {
      value |= (word >>> plane * 8 + bit & 1) << plane;
    }
    return value & registers.attribute(0x12);
  }

  /** Two bits of a byte, even bytes in plane 0 and odd ones in plane 1. */
  private int pairs(long row, int x) {
    int word = planesAt(row + (x >> 3));
    int bits = (x >> 2 & 1) == 0 ? word : word >> 8;
    return bits >> 6 - (x & 3) * 2 & 3;
  }

  private Screen linear() {
    int width = vbe.width();
    int height = vbe.height();
    int rowBytes = vbe.rowBytes();
    Screen screen = Screen.blank(width, height);
    int bytes = (vbe.bits() + 7) / 8;
    int[] palette = new int[256];
    Arrays.setAll(palette, registers::color);
    for (int y = 0; y < height; y++) {
      long at = vbe.start() + (long) y * rowBytes;
      if (bytes == 4 && at + width * 4L <= memory.size()) {
        for (int x = 0; x < width; x++) {
          screen.pixels()[y * width + x] =
              RawMemory.getInt(memory.hostAddress() + at + x * 4L) & 0xff_ffff;
        }
        continue;
      }
      if (bytes == 1 && at + width <= memory.size()) {
        for (int x = 0; x < width; x++) {
          int color = RawMemory.getByte(memory.hostAddress() + at + x) & 0xff;
          screen.pixels()[y * width + x] = palette[color];
        }
        continue;
      }
      for (int x = 0; x < width; x++, at += bytes) {
        screen.pixels()[y * width + x] = pixel(at);
      }
    }
    return screen;
  }

  private int pixel(long at) {
    return switch (vbe.bits()) {
      case 8 -> registers.color(byteAt(at));
      case 15 -> {
        int v = byteAt(at) | byteAt(at + 1) << 8;
        yield widen(v >> 10, 5) << 16 | widen(v >> 5, 5) << 8 | widen(v, 5);
      }
      case 16 -> {
        int v = byteAt(at) | byteAt(at + 1) << 8;
        yield widen(v >> 11, 5) << 16 | widen(v >> 5, 6) << 8 | widen(v, 5);
      }
      default -> byteAt(at) | byteAt(at + 1) << 8 | byteAt(at + 2) << 16;
    };
  }

  /** A color of so many bits with 8. */
  private static int widen(int value, int bits) {
    int v = value & (1 << bits) - 1;
    return v << 8 - bits | v >> 2 * bits - 8;
  }
}
