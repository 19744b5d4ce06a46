package dev.pollux.core.interp;

import static dev.pollux.core.interp.VectorUnit.checkSse;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/** SSE moves, insertions and extractions, MXCSR (Intel SDM vol. 2). */
final class SseMoves {
  /** MXCSR bits that exist. */
  static final int MXCSR_MASK = 0xffff;

  private SseMoves() {}

  static void register(HandlerTable t) {
    for (Op op : new Op[] {Op.MOVUPS, Op.MOVUPD, Op.MOVDQU, Op.LDDQU}) {
      t.bindByForm(op, insn -> wholeMove(insn, false));
    }
    for (Op op :
        new Op[] {
          Op.MOVAPS, Op.MOVAPD, Op.MOVDQA, Op.MOVNTPS, Op.MOVNTPD, Op.MOVNTDQ, Op.MOVNTDQA
        }) {
      t.bindByForm(op, insn -> wholeMove(insn, true));
    }
    t.bindByForm(Op.MOVSS, SseMoves::singleMove);
    t.bindByForm(Op.MOVSD, SseMoves::doubleMove);
    for (Op op : new Op[] {Op.MOVLPS, Op.MOVLPD}) {
      t.bindByForm(op, insn -> insn.kind0 == Insn.MEM ? SseMoves::storeLow : SseMoves::loadLow);
    }
    for (Op op : new Op[] {Op.MOVHPS, Op.MOVHPD}) {
      t.bindByForm(op, insn -> insn.kind0 == Insn.MEM ? SseMoves::storeHigh : SseMoves::loadHigh);
    }
    t.bind(Op.MOVHLPS, SseMoves::movhlps);
    t.bind(Op.MOVLHPS, SseMoves::loadHigh);
    t.bind(Op.MOVSLDUP, SseMoves::movsldup);
    t.bind(Op.MOVSHDUP, SseMoves::movshdup);
    t.bind(Op.MOVDDUP, SseMoves::movddup);
    t.bind(Op.MOVMSKPS, SseMoves::movmskps);
    t.bind(Op.MOVMSKPD, SseMoves::movmskpd);
    t.bind(Op.MASKMOVDQU, SseMoves::maskmovdqu);
    t.bind(Op.MOVNTI, SseMoves::movnti);
    t.bind(Op.PEXTRB, SseMoves::extract);
    t.bind(Op.PEXTRD, SseMoves::extract);
    t.bind(Op.EXTRACTPS, SseMoves::extract);
    t.bind(Op.PINSRB, SseMoves::insert);
    t.bind(Op.PINSRD, SseMoves::insert);
    t.bind(Op.INSERTPS, SseMoves::insertps);
    t.bind(Op.LDMXCSR, SseMoves::ldmxcsr);
    t.bind(Op.STMXCSR, SseMoves::stmxcsr);
    for (Op op :
        new Op[] {Op.PREFETCH, Op.PREFETCHNTA, Op.PREFETCHT0, Op.PREFETCHT1, Op.PREFETCHT2}) {
      t.bind(op, (cpu, insn) -> {});
    }
  }

  // ---- 16 bytes ---------------------------------------------------------------------------------

  private static InsnHandler wholeMove(Insn insn, boolean aligned) {
    if (insn.kind0 == Insn.MEM) {
      return aligned ? SseMoves::storeAligned : SseMoves::storeUnaligned;
    }
    if (insn.kind1 == Insn.MEM) {
      return aligned ? SseMoves::loadAligned : SseMoves::loadUnaligned;
    }
    return SseMoves::copy;
  }

  private static void copy(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long from = cpu.vectorAddress(insn.reg1);
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, RawMemory.getLong(from));
    RawMemory.putLong(to + 8, RawMemory.getLong(from + 8));
  }

  private static void loadUnaligned(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    load(cpu, insn, cpu.address(insn, 16, false));
  }

  private static void loadAligned(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long linear = cpu.address(insn, 16, false);
    VectorUnit.requireAligned(cpu, linear, 16);
    load(cpu, insn, linear);
  }

  private static void load(Interpreter cpu, Insn insn, long linear) {
    long lo = cpu.mmu().read64(linear);
    long hi = cpu.mmu().read64(linear + 8);
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, lo);
    RawMemory.putLong(to + 8, hi);
  }

  private static void storeUnaligned(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    VectorUnit.store(cpu, cpu.address(insn, 16, true), cpu.vectorAddress(insn.reg1), 16);
  }

  private static void storeAligned(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long linear = cpu.address(insn, 16, true);
    VectorUnit.requireAligned(cpu, linear, 16);
    VectorUnit.store(cpu, linear, cpu.vectorAddress(insn.reg1), 16);
  }

  // ---- 4 and 8 bytes ----------------------------------------------------------------------------

  private static InsnHandler singleMove(Insn insn) {
    if (insn.kind0 == Insn.MEM) {
      return (cpu, i) -> {
        checkSse(cpu);
        int value = RawMemory.getInt(cpu.vectorAddress(i.reg1));
        cpu.mmu().write32(cpu.address(i, 4, true), value);
      };
    }
    if (insn.kind1 == Insn.MEM) {
      return (cpu, i) -> {
        checkSse(cpu);
        int value = cpu.mmu().read32(cpu.address(i, 4, false));
        long to = cpu.vectorAddress(i.reg0);
        RawMemory.putLong(to, value & 0xffff_ffffL);
        RawMemory.putLong(to + 8, 0);
      };
    }
    return (cpu, i) -> {
      checkSse(cpu);
      RawMemory.putInt(cpu.vectorAddress(i.reg0), RawMemory.getInt(cpu.vectorAddress(i.reg1)));
    };
  }

  private static InsnHandler doubleMove(Insn insn) {
    if (insn.kind0 == Insn.MEM) {
      return SseMoves::storeLow;
    }
    if (insn.kind1 == Insn.MEM) {
      return (cpu, i) -> {
        checkSse(cpu);
        long value = cpu.mmu().read64(cpu.address(i, 8, false));
        long to = cpu.vectorAddress(i.reg0);
        RawMemory.putLong(to, value);
        RawMemory.putLong(to + 8, 0);
      };
    }
    return SseMoves::loadLow;
  }

  private static void loadLow(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(source(cpu, insn, 1));
    RawMemory.putLong(cpu.vectorAddress(insn.reg0), value);
  }

  private static void storeLow(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(cpu.vectorAddress(insn.reg1));
    cpu.mmu().write64(cpu.address(insn, 8, true), value);
  }

  private static void loadHigh(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(source(cpu, insn, 1));
    RawMemory.putLong(cpu.vectorAddress(insn.reg0) + 8, value);
  }

  private static void storeHigh(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(cpu.vectorAddress(insn.reg1) + 8);
    cpu.mmu().write64(cpu.address(insn, 8, true), value);
  }

  private static void movhlps(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(cpu.vectorAddress(insn.reg1) + 8);
    RawMemory.putLong(cpu.vectorAddress(insn.reg0), value);
  }

  private static void movnti(Interpreter cpu, Insn insn) {
    cpu.write(insn, 0, cpu.read(insn, 1));
  }

  // ---- duplications and masks -------------------------------------------------------------------

  static long evenTwice(long a) {
    return a & 0xffff_ffffL | a << 32;
  }

  static long oddTwice(long a) {
    return a >>> 32 | a & 0xffff_ffff_0000_0000L;
  }

  private static void movsldup(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long from = VectorUnit.alignedSource(cpu, insn, 1);
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, evenTwice(RawMemory.getLong(from)));
    RawMemory.putLong(to + 8, evenTwice(RawMemory.getLong(from + 8)));
  }

  private static void movshdup(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long from = VectorUnit.alignedSource(cpu, insn, 1);
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, oddTwice(RawMemory.getLong(from)));
    RawMemory.putLong(to + 8, oddTwice(RawMemory.getLong(from + 8)));
  }

  private static void movddup(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long value = RawMemory.getLong(source(cpu, insn, 1));
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, value);
    RawMemory.putLong(to + 8, value);
  }

  private static void movmskps(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long from = cpu.vectorAddress(insn.reg1);
    cpu.setGpr32(
        insn.reg0,
        signsOfSingles(RawMemory.getLong(from)) | signsOfSingles(RawMemory.getLong(from + 8)) << 2);
  }

  /** The sign bits of two singles in bits 1:0. */
  static int signsOfSingles(long a) {
    return (int) (a >>> 31 & 1 | a >>> 63 << 1);
  }

  private static void movmskpd(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long from = cpu.vectorAddress(insn.reg1);
    long signs = RawMemory.getLong(from) >>> 63 | RawMemory.getLong(from + 8) >>> 63 << 1;
    cpu.setGpr32(insn.reg0, (int) signs);
  }

  /** Stores the bytes whose mask byte has its top bit set; faults as if all were stored. */
  static void maskedBytes(
      Interpreter cpu, Insn insn, long value, long mask, long valueHi, long maskHi, int size) {
    long linear = cpu.address(insn, size, true);
    boolean any = ((mask | (size > 8 ? maskHi : 0)) & 0x8080_8080_8080_8080L) != 0;
    if (!any) {
      return;
    }
    cpu.mmu().probeWrite(linear, size);
    for (int i = 0; i < size; i++) {
      long m = i < 8 ? mask : maskHi;
      long v = i < 8 ? value : valueHi;
      if ((m >>> 8 * (i & 7) & 0x80) != 0) {
        cpu.mmu().write8(linear + i, (int) (v >>> 8 * (i & 7)) & 0xff);
      }
    }
  }

  private static void maskmovdqu(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    storeMaskedBytes(cpu, insn);
  }

  /** MASKMOVDQU after the check that the unit may be used. */
  static void storeMaskedBytes(Interpreter cpu, Insn insn) {
    long value = cpu.vectorAddress(insn.reg0);
    long mask = cpu.vectorAddress(insn.reg1);
    maskedBytes(
        cpu,
        insn,
        RawMemory.getLong(value),
        RawMemory.getLong(mask),
        RawMemory.getLong(value + 8),
        RawMemory.getLong(mask + 8),
        16);
  }

  // ---- insertions and extractions ---------------------------------------------------------------

  /** Bytes of the lane that the instruction inserts or extracts. */
  static int laneSize(Op op, Insn insn) {
    return switch (op) {
      case PINSRB, PEXTRB -> 1;
      case PINSRW, PEXTRW -> 2;
      case EXTRACTPS -> 4;
      default -> insn.size(op == Op.PEXTRD ? 0 : insn.operandCount - 2) == 8 ? 8 : 4;
    };
  }

  static void extract(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    extractLane(cpu, insn, laneSize(insn.op, insn));
  }

  /** PEXTRx to operand 0, a whole register or a lane of memory. */
  static void extractLane(Interpreter cpu, Insn insn, int size) {
    long from = cpu.vectorAddress(insn.reg1) + ((int) insn.imm & 16 / size - 1) * (long) size;
    long value =
        switch (size) {
          case 1 -> RawMemory.getByte(from) & 0xffL;
          case 2 -> RawMemory.getShort(from) & 0xffffL;
          case 4 -> RawMemory.getInt(from) & 0xffff_ffffL;
          default -> RawMemory.getLong(from);
        };
    if (insn.kind0 == Insn.MEM) {
      cpu.mmu().write(cpu.address(insn, size, true), size, value);
    } else {
      cpu.setGpr64(insn.reg0, value);
    }
  }

  static void insert(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    int size = laneSize(insn.op, insn);
    long value = laneOperand(cpu, insn, 1, size);
    putLane(cpu.vectorAddress(insn.reg0), (int) insn.imm, size, value);
  }

  /** A lane in the low bits of a general register or in memory. */
  static long laneOperand(Interpreter cpu, Insn insn, int i, int size) {
    return insn.kind(i) == Insn.MEM
        ? cpu.mmu().read(cpu.address(insn, size, false), size)
        : cpu.gpr64(insn.reg(i));
  }

  static void putLane(long register, int index, int size, long value) {
    long to = register + (index & 16 / size - 1) * (long) size;
    switch (size) {
      case 1 -> RawMemory.putByte(to, (byte) value);
      case 2 -> RawMemory.putShort(to, (short) value);
      case 4 -> RawMemory.putInt(to, (int) value);
      default -> RawMemory.putLong(to, value);
    }
  }

  private static void insertps(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    int value = insertpsSource(cpu, insn, 1);
    insertps(cpu.vectorAddress(insn.reg0), (int) insn.imm, value);
  }

  static int insertpsSource(Interpreter cpu, Insn insn, int i) {
    int lane = insn.kind(i) == Insn.MEM ? 0 : (int) insn.imm >> 6 & 3;
    return RawMemory.getInt(source(cpu, insn, i) + 4L * lane);
  }

  static void insertps(long to, int control, int value) {
    RawMemory.putInt(to + 4L * (control >> 4 & 3), value);
    for (int i = 0; i < 4; i++) {
      if ((control >> i & 1) != 0) {
        RawMemory.putInt(to + 4L * i, 0);
      }
    }
  }

  // ---- MXCSR ------------------------------------------------------------------------------------

  private static void ldmxcsr(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    loadMxcsr(cpu, insn);
  }

  /** LDMXCSR after the check that the unit may be used. */
  static void loadMxcsr(Interpreter cpu, Insn insn) {
    int value = cpu.mmu().read32(cpu.address(insn, 4, false));
    if ((value & ~MXCSR_MASK) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    RawMemory.putInt(cpu.s + CpuLayout.MXCSR, value);
  }

  private static void stmxcsr(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    storeMxcsr(cpu, insn);
  }

  /** STMXCSR after the check that the unit may be used. */
  static void storeMxcsr(Interpreter cpu, Insn insn) {
    cpu.mmu().write32(cpu.address(insn, 4, true), RawMemory.getInt(cpu.s + CpuLayout.MXCSR));
  }
}
