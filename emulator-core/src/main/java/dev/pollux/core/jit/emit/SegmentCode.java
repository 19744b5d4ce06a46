package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.SegmentAttributes;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * Segment registers and their bases. Selectors other than null ones, which need a descriptor, are
 * left to the interpreter.
 */
final class SegmentCode {
  private static final int CR4_FSGSBASE = 1 << 16;

  /** Attributes of the flat segments that 64-bit code has, but for their level. */
  private static final int CODE_ATTR = 0xa09b;

  private static final int DATA_ATTR = 0xc093;

  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final GuestRegisters registers;
  private final X86Assembler asm;

  SegmentCode(
      BlockDraft draft,
      LiveFlags flags,
      OutOfLine outOfLine,
      MemoryCode memory,
      GuestRegisters registers) {
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.registers = registers;
    this.asm = draft.asm();
  }

  /** A field of a segment register. */
  static Mem field(int segment, int field) {
    return state(CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + field);
  }

  /** MOV from a segment register. */
  void readSelector(Insn insn) {
    if (insn.hasMemory()) {
      memory.access(insn, 2, true, false);
      asm.mov(DWORD, S2, field(insn.reg1, CpuLayout.SEG_SELECTOR));
      asm.mov(WORD, Mem.of(S1), S2);
    } else {
      asm.mov(DWORD, S2, field(insn.reg1, CpuLayout.SEG_SELECTOR));
      registers.store(insn.reg0, insn.size0, S2);
    }
  }

  /** MOV of a null selector to ES, DS, FS or GS; others need a descriptor. */
  void writeSelector(Insn insn) {
    if (insn.hasMemory()) {
      memory.access(insn, 2, false, false);
      asm.movzx(DWORD, S2, WORD, Mem.of(S1));
    } else {
      flags.clobber();
      registers.load(insn.reg1, S2);
      asm.movzx(DWORD, S2, WORD, S2);
    }
    asm.test(DWORD, S2, 0xfffc);
    asm.jcc(Cond.NE, outOfLine.slowExit());
    asm.mov(DWORD, field(insn.reg0, CpuLayout.SEG_SELECTOR), S2);
    load(insn.reg0, 0, 0);
  }

  /** RDFSBASE and RDGSBASE. */
  void readBase(Insn insn, int segment) {
    requireFsGsBase();
    asm.mov(insn.size0 == 4 ? DWORD : QWORD, S2, field(segment, CpuLayout.SEG_BASE));
    registers.store(insn.reg0, insn.size0, S2);
  }

  /** WRFSBASE and WRGSBASE. */
  void writeBase(Insn insn, int segment) {
    requireFsGsBase();
    registers.load(insn.reg0, S2);
    if (insn.size0 == 4) {
      asm.mov(DWORD, S2, S2);
    } else {
      requireCanonical(S2, outOfLine.slowExit());
    }
    asm.mov(QWORD, field(segment, CpuLayout.SEG_BASE), S2);
  }

  private void requireFsGsBase() {
    flags.clobber();
    asm.test(DWORD, state(CpuLayout.CR4), CR4_FSGSBASE);
    asm.jcc(Cond.E, outOfLine.slowExit());
  }

  /** SWAPGS at privilege level 0. */
  void swapGs() {
    Mem active = field(CpuLayout.GS, CpuLayout.SEG_BASE);
    Mem other = state(CpuLayout.KERNEL_GS_BASE);
    asm.mov(QWORD, S1, active);
    asm.mov(QWORD, S2, other);
    asm.mov(QWORD, other, S1);
    asm.mov(QWORD, active, S2);
  }

  /** Leaves unless {@code address} is canonical; destroys scratch 1. */
  void requireCanonical(Gpr address, Label slow) {
    asm.mov(QWORD, S1, address);
    asm.shl(QWORD, S1, 16);
    asm.shift(ShiftOp.SAR, QWORD, S1, 16);
    asm.cmp(QWORD, S1, address);
    asm.jcc(Cond.NE, slow);
  }

  /** Loads CS with the selector in scratch 1, SS with that in scratch 2, for a privilege level. */
  void loadFlat(int level) {
    asm.and(DWORD, S1, 0xfffc);
    asm.and(DWORD, S2, 0xfffc);
    if (level != 0) {
      asm.or(DWORD, S1, level);
      asm.or(DWORD, S2, level);
    }
    asm.mov(DWORD, field(CpuLayout.CS, CpuLayout.SEG_SELECTOR), S1);
    asm.mov(DWORD, field(CpuLayout.SS, CpuLayout.SEG_SELECTOR), S2);
    flatCode(level);
    flatStack(level);
  }

  /** A flat CS for a privilege level, but for the selector. */
  void flatCode(int level) {
    load(CpuLayout.CS, CODE_ATTR | level << SegmentAttributes.DPL_SHIFT, -1);
  }

  /** The same for SS. */
  void flatStack(int level) {
    load(CpuLayout.SS, DATA_ATTR | level << SegmentAttributes.DPL_SHIFT, -1);
  }

  /** Everything of a segment register but the selector. */
  void load(int segment, int attr, int limit) {
    asm.mov(DWORD, field(segment, CpuLayout.SEG_ATTR), attr);
    asm.mov(QWORD, field(segment, CpuLayout.SEG_BASE), 0);
    asm.mov(DWORD, field(segment, CpuLayout.SEG_LIMIT), limit);
  }
}
