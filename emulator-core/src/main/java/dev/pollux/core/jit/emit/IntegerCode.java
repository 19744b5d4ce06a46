package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;
import static dev.pollux.core.jit.emit.RegisterMap.state;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;

/** Integer instructions that the host cannot execute just as they are. */
final class IntegerCode {
  private final LiveFlags flags;
  private final OutOfLine outOfLine;
  private final MemoryCode memory;
  private final GuestRegisters registers;
  private final OrdinaryCode ordinary;
  private final X86Assembler asm;

  IntegerCode(
      BlockDraft draft,
      LiveFlags flags,
      OutOfLine outOfLine,
      MemoryCode memory,
      GuestRegisters registers,
      OrdinaryCode ordinary) {
    this.flags = flags;
    this.outOfLine = outOfLine;
    this.memory = memory;
    this.registers = registers;
    this.ordinary = ordinary;
    this.asm = draft.asm();
  }

  /** BSWAP. */
  void bswap(Insn insn) {
    OpSize size = BlockCompiler.size(insn.size0);
    Gpr host = RegisterMap.host(insn.reg0);
    if (host != null) {
      asm.bswap(size, host);
    } else {
      asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
      asm.bswap(size, S1);
      asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
    }
  }

  /** LEA. */
  void lea(Insn insn) {
    Gpr host = RegisterMap.host(insn.reg0);
    Gpr target = host != null ? host : S1;
    boolean keepsProbed = memory.holdsProbed() && host != null && memory.needsNoScratch(insn);
    memory.effectiveAddress(insn, target, insn.opSize == 4 ? DWORD : QWORD);
    if (host == null) {
      asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
    } else if (keepsProbed) {
      memory.keepsProbed();
    }
  }

  /**
   * BT, BTS, BTR and BTC. With a register as bit number the operand in memory is the one that holds
   * the bit, in either direction; there the number's upper part is added to the address.
   */
  void bitTest(Insn insn) {
    if (!insn.hasMemory() || insn.kind1 == Insn.IMM) {
      ordinary.emit(insn);
      return;
    }
    int bytes = insn.size0;
    flags.clobber();
    memory.effectiveAddress(insn, S1, QWORD);
    registers.load(insn.reg1, S2);
    if (bytes < 8) {
      asm.movsx(QWORD, S2, BlockCompiler.size(bytes), S2);
    }
    asm.shift(ShiftOp.SAR, QWORD, S2, Integer.numberOfTrailingZeros(bytes * 8));
    asm.lea(QWORD, S1, Mem.of(S1, S2, bytes, 0));
    memory.addSegmentBase(insn);
    memory.probe(bytes, insn.op != Op.BT, false);
    registers.load(insn.reg1, S2);
    asm.and(DWORD, S2, bytes * 8 - 1);
    if (flags.needed(insn)) {
      asm.mov(QWORD, state(CpuLayout.SCRATCH), S2);
      flags.restore(insn);
      asm.mov(QWORD, S2, state(CpuLayout.SCRATCH));
    }
    ordinary.bitTestAtScratch(insn);
  }

  /**
   * DIV and IDIV, on the host where it does not raise #DE: unsigned with the upper half below the
   * divisor; signed with a dividend that fits its lower half and a divisor other than 0 and -1. The
   * interpreter has the rest. The flags are the host's, which may depend on those before.
   */
  void divide(Insn insn) {
    OpSize size = BlockCompiler.size(insn.size0);
    if (insn.hasMemory()) {
      memory.access(insn, insn.memSize(), false, false);
      asm.mov(size, S1, Mem.of(S1));
    } else {
      flags.clobber();
      registers.load(insn.reg0, S1);
    }
    Label slow = outOfLine.slowExit();
    if (insn.op == Op.DIV) {
      asm.cmp(size, Gpr.RDX, S1);
      asm.jcc(Cond.AE, slow);
    } else {
      asm.lea(size, S2, Mem.of(S1, 1));
      asm.cmp(size, S2, 1);
      asm.jcc(Cond.BE, slow);
      asm.mov(size, S2, Gpr.RAX);
      asm.shift(ShiftOp.SAR, size, S2, insn.size0 * 8 - 1);
      asm.cmp(size, S2, Gpr.RDX);
      asm.jcc(Cond.NE, slow);
    }
    flags.restore(insn);
    asm.unary(insn.op == Op.DIV ? UnaryOp.DIV : UnaryOp.IDIV, size, S1);
    flags.wrote(insn);
  }
}
