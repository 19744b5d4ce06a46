package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.mmu.Mmu;

/**
 * FXSAVE, FXRSTOR and the XSAVE family (Intel SDM vol. 1, 10.5 and chapter 13): 512 bytes of x87
 * and SSE state, and for XSAVE a header of 64 bytes, the upper halves of the YMM registers at 576,
 * and PKRU at 2688, or behind what comes before it in a compacted area.
 *
 * <p>As on AMD's processors the x87 component always counts as in use, and the pointers to the last
 * x87 instruction are saved as zero unless an exception is pending.
 */
final class ExtendedStateOps {
  private static final int X87 = 1;
  private static final int SSE = 2;
  private static final int AVX = 4;
  private static final int PKRU = CpuModel.XSAVE_PKRU;

  private static final int LEGACY_SIZE = 512;
  private static final int HEADER_SIZE = 64;
  private static final int AVX_OFFSET = 576;
  private static final int AVX_SIZE = 256;
  private static final int PKRU_SIZE = 8;

  /** Bit 63 of XCOMP_BV: the area is compacted. */
  private static final long COMPACTED = Long.MIN_VALUE;

  private static final int INITIAL_MXCSR = 0x1f80;
  private static final int CR0_EM_TS = 1 << 2 | 1 << 3;
  private static final int CR0_TS = 1 << 3;
  private static final int CR4_OSXSAVE = 1 << 18;

  private ExtendedStateOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.FXSAVE, ExtendedStateOps::fxsave);
    t.bind(Op.FXRSTOR, ExtendedStateOps::fxrstor);
    t.bind(Op.XSAVE, (cpu, insn) -> xsave(cpu, insn, false, false));
    t.bind(Op.XSAVEOPT, (cpu, insn) -> xsave(cpu, insn, true, false));
    t.bind(Op.XSAVEC, (cpu, insn) -> xsave(cpu, insn, true, true));
    t.bind(Op.XRSTOR, ExtendedStateOps::xrstor);
  }

  private static boolean wide(Insn insn) {
    return (insn.rex & 8) != 0;
  }

  private static int vectorRegisters(Interpreter cpu) {
    return cpu.codeSize() == 64 ? 16 : 8;
  }

  // ---- FXSAVE, FXRSTOR --------------------------------------------------------------------------

  private static long fxsaveArea(Interpreter cpu, Insn insn, boolean write) {
    if ((cpu.state().cr0() & CR0_EM_TS) != 0) {
      throw cpu.fault(CpuException.NM);
    }
    long linear = cpu.address(insn, LEGACY_SIZE, write);
    if ((linear & 15) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    return linear;
  }

  private static void fxsave(Interpreter cpu, Insn insn) {
    long linear = fxsaveArea(cpu, insn, true);
    cpu.mmu().probeWrite(linear, LEGACY_SIZE);
    storeX87(cpu, linear, wide(insn));
    storeMxcsr(cpu, linear);
    storeXmm(cpu, linear);
  }

  private static void fxrstor(Interpreter cpu, Insn insn) {
    long linear = fxsaveArea(cpu, insn, false);
    cpu.mmu().probeRead(linear, LEGACY_SIZE);
    int mxcsr = checkedMxcsr(cpu, linear);
    loadX87(cpu, linear, wide(insn));
    RawMemory.putInt(cpu.s + CpuLayout.MXCSR, mxcsr);
    loadXmm(cpu, linear);
  }

  private static int checkedMxcsr(Interpreter cpu, long linear) {
    int mxcsr = cpu.mmu().read32(linear + 24);
    if ((mxcsr & ~SseMoves.MXCSR_MASK) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    return mxcsr;
  }

  // ---- components -------------------------------------------------------------------------------

  private static void storeX87(Interpreter cpu, long linear, boolean wide) {
    Mmu mmu = cpu.mmu();
    int fsw = X87Unit.fsw(cpu);
    boolean pending = (fsw & X87Unit.ES) != 0;
    long ip = pending ? RawMemory.getLong(cpu.s + CpuLayout.FIP) : 0;
    long dp = pending ? RawMemory.getLong(cpu.s + CpuLayout.FDP) : 0;
    long opcode = pending ? RawMemory.getInt(cpu.s + CpuLayout.FOP) & 0x7ffL : 0;
    if (!wide) {
      long cs = pending ? RawMemory.getInt(cpu.s + CpuLayout.FCS) & 0xffffL : 0;
      long ds = pending ? RawMemory.getInt(cpu.s + CpuLayout.FDS) & 0xffffL : 0;
      ip = ip & 0xffff_ffffL | cs << 32;
      dp = dp & 0xffff_ffffL | ds << 32;
    }
    long tags = X87Unit.tags(cpu);
    mmu.write64(linear, X87Unit.fcw(cpu) | (long) fsw << 16 | tags << 32 | opcode << 48);
    mmu.write64(linear + 8, ip);
    mmu.write64(linear + 16, dp);
    for (int i = 0; i < 8; i++) {
      long register = X87Unit.st(cpu, i);
      mmu.write64(linear + 32 + 16L * i, X87Unit.sig(register));
      mmu.write64(linear + 40 + 16L * i, X87Unit.se(register));
    }
  }

  private static void loadX87(Interpreter cpu, long linear, boolean wide) {
    Mmu mmu = cpu.mmu();
    X87Unit.setTags(cpu, mmu.read8(linear + 4));
    X87Unit.setFsw(cpu, mmu.read16(linear + 2));
    X87Unit.setFcw(cpu, mmu.read16(linear));
    RawMemory.putInt(cpu.s + CpuLayout.FOP, mmu.read16(linear + 6) & 0x7ff);
    long ip = mmu.read64(linear + 8);
    long dp = mmu.read64(linear + 16);
    RawMemory.putInt(cpu.s + CpuLayout.FCS, wide ? 0 : (int) (ip >>> 32) & 0xffff);
    RawMemory.putInt(cpu.s + CpuLayout.FDS, wide ? 0 : (int) (dp >>> 32) & 0xffff);
    RawMemory.putLong(cpu.s + CpuLayout.FIP, wide ? ip : ip & 0xffff_ffffL);
    RawMemory.putLong(cpu.s + CpuLayout.FDP, wide ? dp : dp & 0xffff_ffffL);
    for (int i = 0; i < 8; i++) {
      long register = X87Unit.st(cpu, i);
      RawMemory.putLong(register, mmu.read64(linear + 32 + 16L * i));
      RawMemory.putShort(register + 8, (short) mmu.read16(linear + 40 + 16L * i));
    }
  }

  private static void initialiseX87(Interpreter cpu) {
    X87Ops.initialise(cpu);
    RawMemory.fill(cpu.s + CpuLayout.FPR, 8 * 16, (byte) 0);
  }

  private static void storeMxcsr(Interpreter cpu, long linear) {
    long mxcsr = RawMemory.getInt(cpu.s + CpuLayout.MXCSR) & 0xffff_ffffL;
    cpu.mmu().write64(linear + 24, mxcsr | (long) SseMoves.MXCSR_MASK << 32);
  }

  private static void storeXmm(Interpreter cpu, long linear) {
    for (int i = 0; i < vectorRegisters(cpu); i++) {
      long register = cpu.vectorAddress(i);
      cpu.mmu().write64(linear + 160 + 16L * i, RawMemory.getLong(register));
      cpu.mmu().write64(linear + 168 + 16L * i, RawMemory.getLong(register + 8));
    }
  }

  private static void loadXmm(Interpreter cpu, long linear) {
    for (int i = 0; i < vectorRegisters(cpu); i++) {
      long register = cpu.vectorAddress(i);
      RawMemory.putLong(register, cpu.mmu().read64(linear + 160 + 16L * i));
      RawMemory.putLong(register + 8, cpu.mmu().read64(linear + 168 + 16L * i));
    }
  }

  private static void storeUpperYmm(Interpreter cpu, long linear) {
    for (int i = 0; i < vectorRegisters(cpu); i++) {
      long register = cpu.vectorAddress(i) + 16;
      cpu.mmu().write64(linear + 16L * i, RawMemory.getLong(register));
      cpu.mmu().write64(linear + 16L * i + 8, RawMemory.getLong(register + 8));
    }
  }

  private static void loadUpperYmm(Interpreter cpu, long linear) {
    for (int i = 0; i < vectorRegisters(cpu); i++) {
      long register = cpu.vectorAddress(i) + 16;
      RawMemory.putLong(register, cpu.mmu().read64(linear + 16L * i));
      RawMemory.putLong(register + 8, cpu.mmu().read64(linear + 16L * i + 8));
    }
  }

  /** Clears halves of the vector registers: offset 0 the lower, 16 the upper ones. */
  private static void clearHalves(Interpreter cpu, int offset) {
    for (int i = 0; i < vectorRegisters(cpu); i++) {
      long register = cpu.vectorAddress(i) + offset;
      RawMemory.putLong(register, 0);
      RawMemory.putLong(register + 8, 0);
    }
  }

  private static boolean halvesInUse(Interpreter cpu, int offset) {
    long bits = 0;
    for (int i = 0; i < 16; i++) {
      long register = cpu.vectorAddress(i) + offset;
      bits |= RawMemory.getLong(register) | RawMemory.getLong(register + 8);
    }
    return bits != 0;
  }

  /** The components that are not in their initial state, as XGETBV with ECX = 1 tells them. */
  static int inUse(Interpreter cpu) {
    return X87
        | (halvesInUse(cpu, 0) ? SSE : 0)
        | (halvesInUse(cpu, 16) ? AVX : 0)
        | (cpu.state().u32(CpuLayout.PKRU) != 0 ? PKRU : 0);
  }

  // ---- XSAVE, XSAVEOPT, XSAVEC, XRSTOR ----------------------------------------------------------

  /** The linear address of the area, after the checks that all these instructions make. */
  private static long xsaveArea(Interpreter cpu, Insn insn, boolean write) {
    if ((cpu.state().cr4() & CR4_OSXSAVE) == 0) {
      throw cpu.fault(CpuException.UD);
    }
    if ((cpu.state().cr0() & CR0_TS) != 0) {
      throw cpu.fault(CpuException.NM);
    }
    long linear = cpu.address(insn, LEGACY_SIZE + HEADER_SIZE, write);
    if ((linear & 63) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    return linear;
  }

  /** The components asked for in EDX:EAX that XCR0 enables. */
  private static int requested(Interpreter cpu) {
    return cpu.gpr32(0) & (int) cpu.state().u64(CpuLayout.XCR0) & (X87 | SSE | AVX | PKRU);
  }

  private static void xsave(Interpreter cpu, Insn insn, boolean onlyInUse, boolean compact) {
    long linear = xsaveArea(cpu, insn, true);
    int requested = requested(cpu);
    int inUse = inUse(cpu) & requested;
    boolean changedMxcsr = RawMemory.getInt(cpu.s + CpuLayout.MXCSR) != INITIAL_MXCSR;
    if (compact && changedMxcsr) {
      inUse |= SSE & requested;
    }
    int saved = onlyInUse ? inUse : requested;
    int size = (saved & AVX) != 0 ? AVX_OFFSET + AVX_SIZE : LEGACY_SIZE + HEADER_SIZE;
    cpu.mmu().probeWrite(linear, size);
    long pkru = linear + pkruOffset(compact, requested);
    if ((saved & PKRU) != 0) {
      cpu.mmu().probeWrite(pkru, PKRU_SIZE);
    }
    if ((saved & X87) != 0) {
      storeX87(cpu, linear, wide(insn));
    }
    boolean savesMxcsr = compact ? (saved & SSE) != 0 : (requested & (SSE | AVX)) != 0;
    if (savesMxcsr) {
      storeMxcsr(cpu, linear);
    }
    if ((saved & SSE) != 0) {
      storeXmm(cpu, linear);
    }
    if ((saved & AVX) != 0) {
      storeUpperYmm(cpu, linear + AVX_OFFSET);
    }
    if ((saved & PKRU) != 0) {
      cpu.mmu().write64(pkru, cpu.state().u32(CpuLayout.PKRU) & 0xffff_ffffL);
    }
    if (compact) {
      cpu.mmu().write64(linear + LEGACY_SIZE, inUse);
      cpu.mmu().write64(linear + LEGACY_SIZE + 8, COMPACTED | requested);
    } else {
      long old = cpu.mmu().read64(linear + LEGACY_SIZE);
      cpu.mmu().write64(linear + LEGACY_SIZE, old & ~(long) requested | inUse);
    }
  }

  /**
   * Where an area has PKRU; a compacted one has room for the {@code components} it is laid out for.
   */
  private static int pkruOffset(boolean compact, long components) {
    if (!compact) {
      return CpuModel.XSAVE_PKRU_OFFSET;
    }
    return (components & AVX) != 0 ? AVX_OFFSET + AVX_SIZE : AVX_OFFSET;
  }

  private static void xrstor(Interpreter cpu, Insn insn) {
    long linear = xsaveArea(cpu, insn, false);
    int requested = requested(cpu);
    Mmu mmu = cpu.mmu();
    mmu.probeRead(linear, LEGACY_SIZE + HEADER_SIZE);
    long present = mmu.read64(linear + LEGACY_SIZE);
    long layout = mmu.read64(linear + LEGACY_SIZE + 8);
    boolean compact = layout < 0;
    checkHeader(cpu, linear, present, layout);
    boolean restoresMxcsr =
        compact ? (requested & SSE) != 0 && (present & SSE) != 0 : (requested & (SSE | AVX)) != 0;
    int mxcsr = restoresMxcsr ? checkedMxcsr(cpu, linear) : INITIAL_MXCSR;
    boolean hasAvx = (requested & present & AVX) != 0;
    if (hasAvx) {
      mmu.probeRead(linear + AVX_OFFSET, AVX_SIZE);
    }
    int pkru = 0;
    if ((requested & present & PKRU) != 0) {
      pkru = mmu.read32(linear + pkruOffset(compact, layout));
    }
    if ((requested & X87) != 0) {
      if ((present & X87) != 0) {
        loadX87(cpu, linear, wide(insn));
      } else {
        initialiseX87(cpu);
      }
    }
    if (restoresMxcsr || (compact && (requested & SSE) != 0)) {
      RawMemory.putInt(cpu.s + CpuLayout.MXCSR, mxcsr);
    }
    if ((requested & SSE) != 0) {
      if ((present & SSE) != 0) {
        loadXmm(cpu, linear);
      } else {
        clearHalves(cpu, 0);
      }
    }
    if (hasAvx) {
      loadUpperYmm(cpu, linear + AVX_OFFSET);
    } else if ((requested & AVX) != 0) {
      clearHalves(cpu, 16);
    }
    if ((requested & PKRU) != 0) {
      // Last: what follows from the area's own pages has been read.
      cpu.state().setU32(CpuLayout.PKRU, pkru);
      mmu.updateProtectionKeys();
    }
  }

  /** #GP for a header that XRSTOR does not accept (Intel SDM vol. 1, 13.8). */
  private static void checkHeader(Interpreter cpu, long linear, long present, long layout) {
    long enabled = cpu.state().u64(CpuLayout.XCR0);
    boolean bad;
    if (layout < 0) {
      long components = layout & ~COMPACTED;
      bad =
          !cpu.vcpu().model().has(CpuFeature.XSAVEC)
              || (components & ~enabled) != 0
              || (present & ~components) != 0;
    } else {
      bad = layout != 0 || (present & ~enabled) != 0;
    }
    int reservedWords = layout < 0 ? 6 : 1;
    for (int i = 0; i < reservedWords; i++) {
      bad |= cpu.mmu().read64(linear + LEGACY_SIZE + 16 + 8L * i) != 0;
    }
    if (bad) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }
}
