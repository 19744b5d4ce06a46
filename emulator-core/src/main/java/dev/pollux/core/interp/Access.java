package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;

/** Loads and stores whose size is a constant where they are called. */
final class Access {
  private Access() {}

  /** Zero-extended. */
  static long load(int size, long host) {
    return switch (size) {
      case 1 -> RawMemory.getByte(host) & 0xffL;
      case 2 -> RawMemory.getShort(host) & 0xffffL;
      case 4 -> RawMemory.getInt(host) & 0xffff_ffffL;
      default -> RawMemory.getLong(host);
    };
  }

  static void store(int size, long host, long value) {
    switch (size) {
      case 1 -> RawMemory.putByte(host, (byte) value);
      case 2 -> RawMemory.putShort(host, (short) value);
      case 4 -> RawMemory.putInt(host, (int) value);
      default -> RawMemory.putLong(host, value);
    }
  }

  /** Stores into a general register: 4 bytes clear the upper half. */
  static void storeRegister(int size, long host, long value) {
    if (size == 4) {
      RawMemory.putLong(host, value & 0xffff_ffffL);
    } else {
      store(size, host, value);
    }
  }

  /** Offset in the state block of a register operand. */
  static int register(Insn insn, int operand) {
    return insn.reg(operand) * 8 + (insn.kind(operand) == Insn.GPR8H ? 1 : 0);
  }

  static boolean isRegister(Insn insn, int operand) {
    int kind = insn.kind(operand);
    return kind == Insn.GPR || kind == Insn.GPR8H;
  }

  static long read(Interpreter cpu, int size, long linear) {
    return switch (size) {
      case 1 -> cpu.mmu.read8(linear);
      case 2 -> cpu.mmu.read16(linear);
      case 4 -> cpu.mmu.read32(linear) & 0xffff_ffffL;
      default -> cpu.mmu.read64(linear);
    };
  }

  static void write(Interpreter cpu, int size, long linear, long value) {
    switch (size) {
      case 1 -> cpu.mmu.write8(linear, (int) value);
      case 2 -> cpu.mmu.write16(linear, (int) value);
      case 4 -> cpu.mmu.write32(linear, (int) value);
      default -> cpu.mmu.write64(linear, value);
    }
  }
}
