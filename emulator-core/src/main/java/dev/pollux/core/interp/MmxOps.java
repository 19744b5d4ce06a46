package dev.pollux.core.interp;

import static dev.pollux.core.interp.VectorUnit.checkMmx;
import static dev.pollux.core.interp.VectorUnit.enterMmx;
import static dev.pollux.core.interp.VectorUnit.mmxAddress;
import static dev.pollux.core.interp.VectorUnit.setMmx;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * Instructions on MMX registers, which are the significands of the x87 registers (Intel SDM vol. 1,
 * chapter 9). A memory operand is read before the x87 state changes, so that it can fault.
 */
final class MmxOps {
  private MmxOps() {}

  /** Binds what exists for MMX only; {@link SseIntegerOps} binds what XMM registers share. */
  static void register(HandlerTable t) {
    t.bind(Op.EMMS, MmxOps::emms);
    t.bind(Op.PSHUFW, MmxOps::pshufw);
    t.bind(Op.MOVNTQ, MmxOps::movq);
    t.bind(Op.MASKMOVQ, MmxOps::maskmovq);
    t.bind(Op.MOVQ2DQ, MmxOps::movq2dq);
    t.bind(Op.MOVDQ2Q, MmxOps::movdq2q);
  }

  private static long operand(Interpreter cpu, Insn insn, int i) {
    return RawMemory.getLong(source(cpu, insn, i));
  }

  private static long register(Interpreter cpu, int register) {
    return RawMemory.getLong(mmxAddress(cpu, register));
  }

  private static void finish(Interpreter cpu, Insn insn, long result) {
    enterMmx(cpu);
    setMmx(cpu, insn.reg0, result);
  }

  static void lane(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    finish(cpu, insn, PackedLanes.lane(insn.op, register(cpu, insn.reg0), b));
  }

  static void pair(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    finish(cpu, insn, PackedLanes.pair(insn.op, register(cpu, insn.reg0), b));
  }

  static void interleaveLow(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    finish(cpu, insn, PackedLanes.interleaveLow(insn.op, register(cpu, insn.reg0), b));
  }

  static void interleaveHigh(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    finish(cpu, insn, PackedLanes.interleaveHigh(insn.op, register(cpu, insn.reg0), b));
  }

  static void shift(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long count = insn.kind1 == Insn.IMM ? insn.imm & 0xff : operand(cpu, insn, 1);
    finish(cpu, insn, PackedLanes.shift(insn.op, register(cpu, insn.reg0), count));
  }

  static void pshufb(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    finish(cpu, insn, Packed.pshufb(register(cpu, insn.reg0), b));
  }

  static void palignr(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long b = operand(cpu, insn, 1);
    int count = (int) insn.imm & 0xff;
    finish(cpu, insn, Packed.shiftBytesRight(b, register(cpu, insn.reg0), count));
  }

  private static void pshufw(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    finish(cpu, insn, Packed.pshufw(operand(cpu, insn, 1), (int) insn.imm));
  }

  static void pmovmskb(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    enterMmx(cpu);
    cpu.setGpr32(insn.reg0, Packed.pmovmskb(register(cpu, insn.reg1)));
  }

  static void pinsrw(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    long value = SseMoves.laneOperand(cpu, insn, 1, 2) & 0xffff;
    int shift = 16 * ((int) insn.imm & 3);
    long old = register(cpu, insn.reg0);
    finish(cpu, insn, old & ~(0xffffL << shift) | value << shift);
  }

  static void pextrw(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    enterMmx(cpu);
    long value = register(cpu, insn.reg1) >>> 16 * ((int) insn.imm & 3);
    cpu.setGpr32(insn.reg0, (int) value & 0xffff);
  }

  static void movd(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    if (insn.kind0 == Insn.MMX) {
      finish(cpu, insn, cpu.read(insn, 1));
    } else {
      cpu.write(insn, 0, register(cpu, insn.reg1));
      enterMmx(cpu);
    }
  }

  static void movq(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    if (insn.kind0 == Insn.MEM) {
      long value = register(cpu, insn.reg1);
      cpu.mmu().write64(cpu.address(insn, 8, true), value);
      enterMmx(cpu);
    } else {
      finish(cpu, insn, operand(cpu, insn, 1));
    }
  }

  private static void maskmovq(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    SseMoves.maskedBytes(cpu, insn, register(cpu, insn.reg0), register(cpu, insn.reg1), 0, 0, 8);
    enterMmx(cpu);
  }

  private static void movq2dq(Interpreter cpu, Insn insn) {
    VectorUnit.checkSse(cpu);
    checkMmx(cpu);
    enterMmx(cpu);
    long to = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(to, register(cpu, insn.reg1));
    RawMemory.putLong(to + 8, 0);
  }

  private static void movdq2q(Interpreter cpu, Insn insn) {
    VectorUnit.checkSse(cpu);
    checkMmx(cpu);
    finish(cpu, insn, RawMemory.getLong(cpu.vectorAddress(insn.reg1)));
  }

  private static void emms(Interpreter cpu, Insn insn) {
    checkMmx(cpu);
    RawMemory.putByte(cpu.s + CpuLayout.FTW, (byte) 0);
    int fsw = RawMemory.getShort(cpu.s + CpuLayout.FSW);
    RawMemory.putShort(cpu.s + CpuLayout.FSW, (short) (fsw & ~0x3800));
  }
}
