package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * The code of instructions that look at or change what an operating system sees: segment and
 * control registers, time, flags that are not arithmetic. Each has a common case here; whatever is
 * rare or raises an exception is left to the interpreter before anything has changed.
 */
final class SystemCode {
  private static final int CR4_TSD = 1 << 2;
  private static final int CR4_FSGSBASE = 1 << 16;
  private static final int RFLAGS_DF = 1 << 10;

  private final BlockCompiler compiler;
  private final X86Assembler asm;

  SystemCode(BlockCompiler compiler) {
    this.compiler = compiler;
    this.asm = compiler.assembler();
  }

  /** A field of a segment register. */
  private static Mem segment(int segment, int field) {
    return state(CpuLayout.SEG + segment * CpuLayout.SEG_SIZE + field);
  }

  /** CLD and STD: the host's own direction flag stays clear. */
  void direction(boolean down) {
    compiler.clobberFlags();
    if (down) {
      asm.or(DWORD, state(CpuLayout.RFLAGS), RFLAGS_DF);
    } else {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~RFLAGS_DF);
    }
  }

  /**
   * RDTSC and RDTSCP: the host's counter, scaled to guest time as {@link JitLayout#CLOCK_TSC}
   * tells. RAX and RDX are destroyed before the decision: the interpreter writes them, too.
   */
  void readClock(Insn insn, boolean supervisor) {
    compiler.clobberFlags();
    Label slow = compiler.slowExit();
    if (!supervisor) {
      asm.test(DWORD, state(CpuLayout.CR4), CR4_TSD);
      asm.jcc(Cond.NE, slow);
    }
    if (insn.op == Op.RDTSCP) {
      asm.op(NullaryOp.LFENCE);
    }
    asm.op(NullaryOp.RDTSC);
    asm.shl(QWORD, Gpr.RDX, 32);
    asm.or(QWORD, Gpr.RAX, Gpr.RDX);
    asm.sub(QWORD, Gpr.RAX, state(JitLayout.CLOCK_TSC));
    asm.cmp(QWORD, Gpr.RAX, state(JitLayout.CLOCK_SPAN));
    asm.jcc(Cond.AE, slow);
    asm.mov(QWORD, Gpr.RDX, state(JitLayout.CLOCK_SCALE));
    asm.op(GprOp.IMUL, QWORD, Gpr.RAX, Gpr.RDX);
    asm.shr(QWORD, Gpr.RAX, 32);
    asm.add(QWORD, Gpr.RAX, state(JitLayout.CLOCK_NANOS));
    asm.add(QWORD, Gpr.RAX, state(CpuLayout.TSC_OFFSET));
    asm.mov(QWORD, Gpr.RDX, Gpr.RAX);
    asm.shr(QWORD, Gpr.RDX, 32);
    asm.mov(DWORD, Gpr.RAX, Gpr.RAX);
    if (insn.op == Op.RDTSCP) {
      asm.mov(DWORD, Gpr.RCX, state(CpuLayout.TSC_AUX));
    }
  }

  /** MOV from a control register. */
  void readControl(Insn insn) {
    int field =
        switch (insn.reg1) {
          case 0 -> CpuLayout.CR0;
          case 2 -> CpuLayout.CR2;
          case 3 -> CpuLayout.CR3;
          default -> CpuLayout.CR4;
        };
    asm.mov(QWORD, S2, state(field));
    compiler.storeGpr(insn.reg0, 8, S2);
  }

  /** MOV from a segment register. */
  void readSelector(Insn insn) {
    if (insn.hasMemory()) {
      compiler.access(insn, 2, true, false);
      asm.mov(DWORD, S2, segment(insn.reg1, CpuLayout.SEG_SELECTOR));
      asm.mov(WORD, Mem.of(S1), S2);
    } else {
      asm.mov(DWORD, S2, segment(insn.reg1, CpuLayout.SEG_SELECTOR));
      compiler.storeGpr(insn.reg0, insn.size0, S2);
    }
  }

  /** MOV of a null selector to ES, DS, FS or GS; others need a descriptor. */
  void writeSelector(Insn insn) {
    if (insn.hasMemory()) {
      compiler.access(insn, 2, false, false);
      asm.movzx(DWORD, S2, WORD, Mem.of(S1));
    } else {
      compiler.clobberFlags();
      compiler.loadGpr(insn.reg1, S2);
      asm.movzx(DWORD, S2, WORD, S2);
    }
    asm.test(DWORD, S2, 0xfffc);
    asm.jcc(Cond.NE, compiler.slowExit());
    asm.mov(DWORD, segment(insn.reg0, CpuLayout.SEG_SELECTOR), S2);
    asm.mov(DWORD, segment(insn.reg0, CpuLayout.SEG_ATTR), 0);
    asm.mov(QWORD, segment(insn.reg0, CpuLayout.SEG_BASE), 0);
    asm.mov(DWORD, segment(insn.reg0, CpuLayout.SEG_LIMIT), 0);
  }

  /** RDFSBASE and RDGSBASE. */
  void readBase(Insn insn, int segment) {
    requireFsGsBase();
    asm.mov(insn.size0 == 4 ? DWORD : QWORD, S2, segment(segment, CpuLayout.SEG_BASE));
    compiler.storeGpr(insn.reg0, insn.size0, S2);
  }

  /** WRFSBASE and WRGSBASE. */
  void writeBase(Insn insn, int segment) {
    requireFsGsBase();
    compiler.loadGpr(insn.reg0, S2);
    if (insn.size0 == 4) {
      asm.mov(DWORD, S2, S2);
    } else {
      requireCanonical(S2);
    }
    asm.mov(QWORD, segment(segment, CpuLayout.SEG_BASE), S2);
  }

  private void requireFsGsBase() {
    compiler.clobberFlags();
    asm.test(DWORD, state(CpuLayout.CR4), CR4_FSGSBASE);
    asm.jcc(Cond.E, compiler.slowExit());
  }

  /** Leaves for the interpreter unless {@code address} is canonical; destroys scratch 1. */
  private void requireCanonical(Gpr address) {
    asm.mov(QWORD, S1, address);
    asm.shl(QWORD, S1, 16);
    asm.shift(ShiftOp.SAR, QWORD, S1, 16);
    asm.cmp(QWORD, S1, address);
    asm.jcc(Cond.NE, compiler.slowExit());
  }
}
