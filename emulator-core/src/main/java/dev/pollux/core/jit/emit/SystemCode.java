package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * What an operating system uses besides: flags that are not arithmetic, time, control registers.
 * What is rare or raises an exception is left to the interpreter before anything has changed.
 */
final class SystemCode {
  private static final int CR4_TSD = 1 << 2;
  private static final int CR4_PKE = 1 << 22;

  private final BlockDraft draft;
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final GuestRegisters registers;
  private final X86Assembler asm;

  SystemCode(BlockDraft draft, LiveFlags flags, OutOfLine outOfLine, GuestRegisters registers) {
    this.draft = draft;
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.registers = registers;
    this.asm = draft.asm();
  }

  /** CLI. */
  void disableInterrupts() {
    flags.clobber();
    asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.IF);
  }

  /**
   * STI. With nothing pending there is nothing that the interrupt shadow would hold up: what comes
   * later is seen at the next poll, and that is behind the next instruction, which belongs to the
   * same block.
   */
  void enableInterrupts() {
    flags.clobber();
    asm.cmp(DWORD, state(CpuLayout.PENDING), 0);
    asm.jcc(Cond.NE, outOfLine.slowExit());
    asm.or(DWORD, state(CpuLayout.RFLAGS), Eflags.IF);
  }

  /** PAUSE: leaves after so many that whoever is waited for may need the host's processor. */
  void pause() {
    flags.clobber();
    asm.op(NullaryOp.PAUSE);
    asm.sub(DWORD, state(JitLayout.SPINS), 1);
    asm.jcc(Cond.S, outOfLine.slowExit());
  }

  /**
   * SERIALIZE. Every write to code by this vCPU has had its effect by now. That another vCPU has
   * written is a request to this one, which the interpreter's way looks at.
   */
  void serialize() {
    flags.clobber();
    draft.common().poll(outOfLine.slowExit());
  }

  /** CLD and STD: the host's own direction flag stays clear. */
  void direction(boolean down) {
    flags.clobber();
    if (down) {
      asm.or(DWORD, state(CpuLayout.RFLAGS), Eflags.DF);
    } else {
      asm.and(DWORD, state(CpuLayout.RFLAGS), ~Eflags.DF);
    }
  }

  /**
   * RDTSC and RDTSCP: the host's counter, scaled to guest time as {@link JitLayout#CLOCK_TSC}
   * tells. RAX and RDX are destroyed before the decision: the interpreter writes them, too.
   */
  void readClock(Insn insn) {
    flags.clobber();
    Label slow = outOfLine.slowExit();
    if (!draft.context().supervisor()) {
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

  /** RDPKRU: the rights of user pages' protection keys. */
  void readKeyRights() {
    flags.clobber();
    Label slow = outOfLine.slowExit();
    asm.test(DWORD, state(CpuLayout.CR4), CR4_PKE);
    asm.jcc(Cond.E, slow);
    asm.test(DWORD, Gpr.RCX, Gpr.RCX);
    asm.jcc(Cond.NE, slow);
    asm.mov(DWORD, Gpr.RAX, state(CpuLayout.PKRU));
    asm.xor(DWORD, Gpr.RDX, Gpr.RDX);
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
    registers.store(insn.reg0, 8, S2);
  }
}
