package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;

/**
 * The registers by which a card shows linear pictures of any size: the Bochs display interface
 * (QEMU documentation, "QEMU Standard VGA"; Bochs VBE extension). Machine lock held.
 */
final class BochsVbe implements BusDevice {
  static final int FIRST_PORT = 0x1ce;

  /** Index, data, and data again. */
  static final int PORTS = 3;

  private static final int REGISTERS = 11;

  private static final int ID = 0;
  private static final int WIDTH = 1;
  private static final int HEIGHT = 2;
  private static final int BITS = 3;
  private static final int ENABLE = 4;
  private static final int BANK = 5;
  private static final int VIRTUAL_WIDTH = 6;
  private static final int VIRTUAL_HEIGHT = 7;
  private static final int X_OFFSET = 8;
  private static final int Y_OFFSET = 9;
  private static final int MEMORY_64K = 10;

  private static final int ENABLED = 0x01;
  private static final int TELL_MOST = 0x02;
  private static final int EIGHT_BIT_DAC = 0x20;
  private static final int KEEP_MEMORY = 0x80;

  private static final int FIRST_ID = 0xb0c0;
  private static final int LAST_ID = 0xb0c5;
  static final int MOST_WIDTH = 16_000;
  static final int MOST_HEIGHT = 12_000;
  private static final int MOST_BITS = 32;

  static final StateDescriptor<BochsVbe> STATE =
      StateDescriptor.of(BochsVbe.class, "bochs-vbe", 1)
          .u16("index", v -> v.index, (v, n) -> v.index = n)
          .u32Array("registers", REGISTERS, v -> v.registers)
          .afterLoad(BochsVbe::check);

  private final long memoryBytes;
  private final Card card;
  private int index;
  private final int[] registers = new int[REGISTERS];

  /** What the registers control. */
  interface Card {
    /** A linear picture is shown from now on. */
    void begin(boolean clear);

    void setBank(int number);

    void setEightBits(boolean on);
  }

  BochsVbe(long memoryBytes, Card card) {
    this.memoryBytes = memoryBytes;
    this.card = card;
  }

  void reset() {
    index = 0;
    Arrays.fill(registers, 0);
    registers[ID] = LAST_ID;
  }

  boolean isOn() {
    return (registers[ENABLE] & ENABLED) != 0;
  }

  int width() {
    return registers[WIDTH];
  }

  int height() {
    return registers[HEIGHT];
  }

  /** Bits of a pixel: 4, 8, 15, 16, 24 or 32. */
  int bits() {
    return registers[BITS];
  }

  /** Bytes of a row in memory; of 4 bits in each plane. */
  int rowBytes() {
    return bits() == 4
        ? registers[VIRTUAL_WIDTH] / 8
        : registers[VIRTUAL_WIDTH] * ((bits() + 7) / 8);
  }

  /** The first byte of the picture, of 4 bits in each plane. */
  long start() {
    long x = registers[X_OFFSET];
    return (long) registers[Y_OFFSET] * rowBytes() + (bits() == 4 ? x / 8 : x * ((bits() + 7) / 8));
  }

  /** The registers one behind the other, as a card's memory BAR has them. */
  Region inMemory() {
    return new Region.DeviceRegion(
        "bochs dispi interface", REGISTERS * 2L, 2, 2, new Shifted.Indexed(this));
  }

  @Override
  public long read(long offset, int size) {
    return offset == 0 ? index : value(index);
  }

  @Override
  public void write(long offset, int size, long value) {
    if (offset == 0) {
      index = (int) value & 0xffff;
    } else {
      set(index, (int) value & 0xffff);
    }
  }

  int value(int register) {
    if (register >= REGISTERS) {
      return 0;
    }
    if ((registers[ENABLE] & TELL_MOST) != 0) {
      switch (register) {
        case WIDTH -> {
          return MOST_WIDTH;
        }
        case HEIGHT -> {
          return MOST_HEIGHT;
        }
        case BITS -> {
          return MOST_BITS;
        }
        default -> {}
      }
    }
    return register == MEMORY_64K ? (int) (memoryBytes >> 16) : registers[register];
  }

  void set(int register, int value) {
    switch (register) {
      case ID -> {
        if (value >= FIRST_ID && value <= LAST_ID) {
          registers[ID] = value;
        }
      }
      case WIDTH, HEIGHT, BITS, VIRTUAL_WIDTH, X_OFFSET, Y_OFFSET -> {
        registers[register] = value;
        fit();
      }
      case BANK -> {
        long banks = bits() == 4 && isOn() ? memoryBytes >> 18 : memoryBytes >> 16;
        registers[BANK] = (int) (value % banks);
        card.setBank(registers[BANK]);
      }
      case ENABLE -> enable(value);
      default -> {}
    }
  }

  private void enable(int value) {
    boolean was = isOn();
    registers[ENABLE] = value;
    card.setEightBits((value & EIGHT_BIT_DAC) != 0);
    if ((value & ENABLED) != 0 && !was) {
      registers[VIRTUAL_WIDTH] = 0;
      registers[X_OFFSET] = 0;
      registers[Y_OFFSET] = 0;
      fit();
      card.begin((value & KEEP_MEMORY) == 0);
    } else if ((value & ENABLED) == 0) {
      registers[BANK] = 0;
      card.setBank(0);
    }
  }

  private void check() {
    for (int i = 0; i < REGISTERS; i++) {
      registers[i] &= 0xffff;
    }
    fit();
    card.setEightBits((registers[ENABLE] & EIGHT_BIT_DAC) != 0);
  }

  /** Makes the registers of a picture fit one another and the memory, as the hardware does. */
  private void fit() {
    if (!isOn()) {
      return;
    }
    registers[WIDTH] = Math.clamp(registers[WIDTH] & ~7L, 8, MOST_WIDTH & ~7);
    registers[HEIGHT] = Math.clamp(registers[HEIGHT], 1, MOST_HEIGHT);
    switch (registers[BITS]) {
      case 4, 8, 15, 16, 24, 32 -> {}
      default -> registers[BITS] = 8;
    }
    registers[VIRTUAL_WIDTH] =
        Math.clamp(registers[VIRTUAL_WIDTH] & ~7L, registers[WIDTH], MOST_WIDTH & ~7);
    registers[X_OFFSET] = Math.clamp(registers[X_OFFSET], 0, MOST_WIDTH);
    registers[Y_OFFSET] = Math.clamp(registers[Y_OFFSET], 0, 0xffff);
    long bytes = bits() == 4 ? memoryBytes / 4 : memoryBytes;
    long rows = bytes / rowBytes();
    registers[VIRTUAL_HEIGHT] = Math.clamp(rows, 1, 0xffff);
    registers[HEIGHT] = (int) Math.min(registers[HEIGHT], Math.max(1, rows));
    registers[Y_OFFSET] =
        (int) Math.min(registers[Y_OFFSET], Math.max(0, rows - registers[HEIGHT]));
    registers[BANK] = Math.clamp(registers[BANK], 0, (int) (memoryBytes >> 16) - 1);
  }
}
