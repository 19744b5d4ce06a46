package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;

/**
 * What the handlers of MMX, SSE and AVX instructions share: whether the unit may be used, operands,
 * the change to MMX state.
 *
 * <p>A source operand is given as a host address: a register's own place in the state block, or for
 * memory the scratch area of the state block, into which it has been read.
 */
final class VectorUnit {
  private static final int CR0_EM = 1 << 2;
  private static final int CR0_TS = 1 << 3;
  private static final int CR4_OSFXSR = 1 << 9;
  private static final int CR4_OSXSAVE = 1 << 18;
  private static final int XCR0_SSE_AVX = 6;

  private VectorUnit() {}

  // ---- may the unit be used ---------------------------------------------------------------------

  /** #UD if SSE is not enabled, #NM if the state has to be switched first. */
  static void checkSse(Interpreter cpu) {
    int cr0 = RawMemory.getInt(cpu.s + CpuLayout.CR0);
    int cr4 = RawMemory.getInt(cpu.s + CpuLayout.CR4);
    if ((cr0 & (CR0_EM | CR0_TS)) != 0 || (cr4 & CR4_OSFXSR) == 0) {
      throw unavailable(cpu, cr0, (cr0 & CR0_EM) != 0 || (cr4 & CR4_OSFXSR) == 0);
    }
  }

  /** #UD unless the operating system has enabled AVX state, #NM if it has to be switched first. */
  static void checkAvx(Interpreter cpu) {
    int cr0 = RawMemory.getInt(cpu.s + CpuLayout.CR0);
    int cr4 = RawMemory.getInt(cpu.s + CpuLayout.CR4);
    int xcr0 = RawMemory.getInt(cpu.s + CpuLayout.XCR0);
    boolean disabled = (cr4 & CR4_OSXSAVE) == 0 || (xcr0 & XCR0_SSE_AVX) != XCR0_SSE_AVX;
    if (disabled || (cr0 & CR0_TS) != 0) {
      throw unavailable(cpu, cr0, disabled);
    }
  }

  /** #UD under emulation, #NM if the state has to be switched first, #MF if one is pending. */
  static void checkMmx(Interpreter cpu) {
    int cr0 = RawMemory.getInt(cpu.s + CpuLayout.CR0);
    if ((cr0 & (CR0_EM | CR0_TS)) != 0) {
      throw unavailable(cpu, cr0, (cr0 & CR0_EM) != 0);
    }
    X87Unit.checkPending(cpu);
  }

  private static CpuException unavailable(Interpreter cpu, int cr0, boolean undefined) {
    if (undefined) {
      return cpu.fault(CpuException.UD);
    }
    assert (cr0 & CR0_TS) != 0;
    return cpu.fault(CpuException.NM);
  }

  // ---- operands ---------------------------------------------------------------------------------

  static long mmxAddress(Interpreter cpu, int register) {
    return cpu.s + CpuLayout.FPR + (register & 7) * 16L;
  }

  static long scratch(Interpreter cpu) {
    return cpu.s + CpuLayout.SCRATCH;
  }

  /** Operand {@code i} in a register, or in memory at any alignment. */
  static long source(Interpreter cpu, Insn insn, int i) {
    return switch (insn.kind(i)) {
      case Insn.XMM -> cpu.vectorAddress(insn.reg(i));
      case Insn.MMX -> mmxAddress(cpu, insn.reg(i));
      default -> {
        int size = insn.size(i);
        yield load(cpu, cpu.address(insn, size, false), size);
      }
    };
  }

  /** As {@link #source}, with #GP for a 16- or 32-byte memory operand that is not aligned. */
  static long alignedSource(Interpreter cpu, Insn insn, int i) {
    if (insn.kind(i) != Insn.MEM) {
      return source(cpu, insn, i);
    }
    int size = insn.size(i);
    long linear = cpu.address(insn, size, false);
    requireAligned(cpu, linear, size);
    return load(cpu, linear, size);
  }

  static void requireAligned(Interpreter cpu, long linear, int size) {
    if (size >= 16 && (linear & size - 1) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }

  /** Reads {@code size} bytes (at most 8, 16 or 32) of guest memory into the scratch area. */
  private static long load(Interpreter cpu, long linear, int size) {
    long scratch = scratch(cpu);
    if (size <= 8) {
      RawMemory.putLong(scratch, cpu.mmu().read(linear, size));
      return scratch;
    }
    for (int at = 0; at < size; at += 8) {
      RawMemory.putLong(scratch + at, cpu.mmu().read64(linear + at));
    }
    return scratch;
  }

  /** Writes {@code size} bytes, 16 or 32, at a host address to guest memory. */
  static void store(Interpreter cpu, long linear, long from, int size) {
    if ((linear & 0xfff) > 0x1000 - size) {
      cpu.mmu().probeWrite(linear, size);
    }
    for (int at = 0; at < size; at += 8) {
      cpu.mmu().write64(linear + at, RawMemory.getLong(from + at));
    }
  }

  // ---- MMX state --------------------------------------------------------------------------------

  /** What every MMX instruction but EMMS does to the x87 state: all registers valid, top 0. */
  static void enterMmx(Interpreter cpu) {
    int fsw = RawMemory.getShort(cpu.s + CpuLayout.FSW);
    RawMemory.putShort(cpu.s + CpuLayout.FSW, (short) (fsw & ~0x3800));
    RawMemory.putByte(cpu.s + CpuLayout.FTW, (byte) 0xff);
  }

  /** Writes an MMX register, whose sign and exponent become all ones. */
  static void setMmx(Interpreter cpu, int register, long value) {
    long address = mmxAddress(cpu, register);
    RawMemory.putLong(address, value);
    RawMemory.putShort(address + 8, (short) 0xffff);
  }
}
