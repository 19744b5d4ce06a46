package dev.pollux.devices.display;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * Video memory as it is seen from a0000 to bffff: four planes behind the graphics controller. A
 * byte of plane p at address a lies at {@code 4 a + p} of the memory. Machine lock held.
 */
final class VgaMemory implements BusDevice {
  static final long START = 0xa_0000;
  static final int SIZE = 0x2_0000;

  private static final int CHAIN_4 = 0x08;
  private static final int ODD_EVEN = 0x10;
  private static final int READ_COMPARES = 0x08;

  static final StateDescriptor<VgaMemory> STATE =
      StateDescriptor.of(VgaMemory.class, "vga-memory", 1)
          .u32("latches", m -> m.latches, (m, v) -> m.latches = v)
          .u32("bank", m -> m.bank, (m, v) -> m.bank = v);

  @HostOnly("reset and saved by the card")
  private final VgaRegisters registers;

  private final RamBlock memory;

  /** What the last read left in the latches, a byte for each plane. */
  private int latches;

  /** Offset of the window in the memory, in bytes. */
  private int bank;

  VgaMemory(VgaRegisters registers, RamBlock memory) {
    this.registers = registers;
    this.memory = memory;
  }

  void reset() {
    latches = 0;
    bank = 0;
  }

  void setBank(int number) {
    bank = number << 16;
  }

  int bank() {
    return bank >>> 16;
  }

  /** A byte in each of the four planes where bit i of {@code value} stands for plane i. */
  private static int spread(int value) {
    return (value & 1) * 0xff
        | (value >> 1 & 1) * 0xff00
        | (value >> 2 & 1) * 0xff_0000
        | (value >> 3 & 1) * 0xff00_0000;
  }

  private static int fourfold(int value) {
    return (value & 0xff) * 0x0101_0101;
  }

  /** The offset in the window that the memory map shows, or -1. */
  private long address(long offset) {
    return switch (registers.graphics(6) >> 2 & 3) {
      case 0 -> offset;
      case 1 -> offset < 0x1_0000 ? offset + (bank & 0xffff_ffffL) : -1;
      case 2 -> offset >= 0x1_0000 && offset < 0x1_8000 ? offset - 0x1_0000 : -1;
      default -> offset >= 0x1_8000 ? offset - 0x1_8000 : -1;
    };
  }

  private boolean isInside(long offset, int bytes) {
    return offset >= 0 && offset <= memory.size() - bytes;
  }

  private int byteAt(long offset) {
    return isInside(offset, 1) ? RawMemory.getByte(memory.hostAddress() + offset) & 0xff : 0xff;
  }

  private void setByte(long offset, int value) {
    if (isInside(offset, 1)) {
      memory.beforeWrite(offset, 1);
      RawMemory.putByte(memory.hostAddress() + offset, (byte) value);
      memory.beforeWrite(offset, 1);
    }
  }

  private static long oddEven(long address, int plane) {
    return (address & ~1) << 1 | plane;
  }

  private int oddEvenPlane(long address) {
    return registers.graphics(4) & 2 | (int) address & 1;
  }

  @Override
  public long read(long offset, int size) {
    long address = address(offset);
    if (address < 0) {
      return 0xff;
    }
    if ((registers.sequencer(4) & CHAIN_4) != 0) {
      return byteAt(address);
    }
    if ((registers.graphics(5) & ODD_EVEN) != 0) {
      return byteAt(oddEven(address, oddEvenPlane(address)));
    }
    if (!isInside(address * 4, 4)) {
      return 0xff;
    }
    latches = RawMemory.getInt(memory.hostAddress() + address * 4);
    if ((registers.graphics(5) & READ_COMPARES) == 0) {
      return latches >>> registers.graphics(4) * 8 & 0xff;
    }
    int differ = (latches ^ spread(registers.graphics(2))) & spread(registers.graphics(7));
    differ |= differ >>> 16;
    differ |= differ >>> 8;
    return ~differ & 0xff;
  }

  @Override
  public void write(long offset, int size, long value) {
    long address = address(offset);
    if (address < 0) {
      return;
    }
    int planes = registers.sequencer(2);
    int v = (int) value & 0xff;
    if ((registers.sequencer(4) & CHAIN_4) != 0) {
      if ((planes >> (int) (address & 3) & 1) != 0) {
        setByte(address, v);
      }
    } else if ((registers.graphics(5) & ODD_EVEN) != 0) {
      int plane = oddEvenPlane(address);
      if ((planes >> plane & 1) != 0) {
        setByte(oddEven(address, plane), v);
      }
    } else if (isInside(address * 4, 4)) {
      long at = address * 4;
      int mask = spread(planes);
      memory.beforeWrite(at, 4);
      long host = memory.hostAddress() + at;
      RawMemory.putInt(host, RawMemory.getInt(host) & ~mask | combine(v) & mask);
      memory.beforeWrite(at, 4);
    }
  }

  /** What the graphics controller makes of a byte, by its write mode (registers 0 to 3, 5, 8). */
  private int combine(int value) {
    int rotated = fourfold((value | value << 8) >>> (registers.graphics(3) & 7));
    int setReset = spread(registers.graphics(0));
    int bits = registers.graphics(8);
    int data;
    switch (registers.graphics(5) & 3) {
      case 0 -> {
        int enable = spread(registers.graphics(1));
        data = rotated & ~enable | setReset & enable;
      }
      case 1 -> {
        return latches;
      }
      case 2 -> data = spread(value);
      default -> {
        bits &= rotated;
        data = setReset;
      }
    }
    data =
        switch (registers.graphics(3) >> 3) {
          case 1 -> data & latches;
          case 2 -> data | latches;
          case 3 -> data ^ latches;
          default -> data;
        };
    int mask = fourfold(bits);
    return data & mask | latches & ~mask;
  }
}
