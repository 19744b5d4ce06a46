package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * FLDCW, FNSTCW and LDMXCSR. That all exceptions are masked is part of what a translation depends
 * on, so a word that unmasks some is the interpreter's.
 *
 * <p>The x87 control word in the state block is right wherever the x87 registers are. So neither of
 * its instructions needs them loaded.
 */
final class FloatControlCode {
  private static final int X87_MASKS = 0x3f;

  /** Bits of the control word that exist, and the one that always reads 1. */
  private static final int FCW_BITS = 0x1f7f;

  private static final int FCW_FIXED = 0x40;
  private static final int MXCSR_MASKS = 0x1f80;
  private static final int MXCSR_RESERVED = 0xffff_0000;

  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final X86Assembler asm;

  FloatControlCode(BlockDraft draft, OutOfLine outOfLine, MemoryCode memory) {
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.asm = draft.asm();
  }

  /** FLDCW. */
  void loadX87(Insn insn) {
    memory.access(insn, Short.BYTES, false, false);
    asm.movzx(DWORD, S2, WORD, Mem.of(S1));
    leaveUnlessSet(X87_MASKS);
    asm.and(DWORD, S2, FCW_BITS);
    asm.or(DWORD, S2, FCW_FIXED);
    asm.mov(WORD, state(CpuLayout.FCW), S2);
    Label notLoaded = new Label();
    asm.cmp(DWORD, state(JitLayout.X87_LOADED), 0);
    asm.jcc(Cond.E, notLoaded);
    asm.op(MemOp.FLDCW, state(CpuLayout.FCW));
    asm.bind(notLoaded);
  }

  /** FNSTCW. */
  void storeX87(Insn insn) {
    memory.access(insn, Short.BYTES, true, false);
    asm.movzx(DWORD, S2, WORD, state(CpuLayout.FCW));
    asm.mov(WORD, Mem.of(S1), S2);
  }

  /** LDMXCSR, by way of the state block, as another vCPU may write to the operand meanwhile. */
  void loadSimd(Insn insn) {
    memory.access(insn, Integer.BYTES, false, false);
    asm.mov(DWORD, S2, Mem.of(S1));
    asm.test(DWORD, S2, MXCSR_RESERVED);
    asm.jcc(Cond.NE, outOfLine.slowExit());
    leaveUnlessSet(MXCSR_MASKS);
    asm.mov(DWORD, state(CpuLayout.MXCSR), S2);
    asm.op(MemOp.LDMXCSR, state(CpuLayout.MXCSR));
  }

  /** Scratch 2 stays. */
  private void leaveUnlessSet(int masks) {
    asm.mov(DWORD, S1, S2);
    asm.and(DWORD, S1, masks);
    asm.cmp(DWORD, S1, masks);
    asm.jcc(Cond.NE, outOfLine.slowExit());
  }
}
