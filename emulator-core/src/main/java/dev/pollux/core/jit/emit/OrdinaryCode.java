package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.emit.RegisterMap.S1;
import static dev.pollux.core.jit.emit.RegisterMap.S2;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * Instructions that the host executes as they are, but for where their operands are: most of
 * integer, SSE, AVX and x87 code.
 */
final class OrdinaryCode {
  private final LiveFlags flags;
  private final MemoryCode memory;
  private final GuestRegisters registers;
  private final X87Pointers x87Pointers;
  private final Reencoder reencoder;
  private final X86Assembler asm;

  OrdinaryCode(BlockDraft draft, LiveFlags flags, MemoryCode memory, GuestRegisters registers) {
    this.flags = flags;
    this.memory = memory;
    this.registers = registers;
    this.asm = draft.asm();
    x87Pointers = new X87Pointers(draft, memory);
    reencoder = new Reencoder(asm.code());
  }

  void emit(Insn insn) {
    boolean keepsProbed = memory.holdsProbed() && isInHostRegister(insn);
    if (insn.info.hasModRm) {
      keepsProbed = withModRm(insn);
      flags.keepResult();
    } else if (insn.info.opcodeGpr) {
      opcodeRegister(insn);
    } else if (insn.hasMemory()) {
      absolute(insn);
    } else {
      flags.restore(insn);
      flags.keepOperands(insn);
      reencoder.emitWithoutModRm(insn);
      flags.wrote(insn);
      flags.keepResult();
    }
    if (Translatable.movesX87Pointers(insn)) {
      x87Pointers.keep(insn);
    } else if (keepsProbed) {
      memory.keepsProbed();
    }
  }

  /** True if an instruction without ModRM byte needs no scratch register. */
  private static boolean isInHostRegister(Insn insn) {
    return !insn.hasMemory()
        && (!insn.info.opcodeGpr
            || insn.kind0 != Insn.GPR8H && RegisterMap.host(insn.reg0) != null);
  }

  /** MOV of an immediate to a register, XCHG with the accumulator. */
  private void opcodeRegister(Insn insn) {
    switch (insn.op) {
      case MOV -> moveImmediate(insn);
      case XCHG -> {
        OpSize size = BlockCompiler.size(insn.size0);
        Gpr host = RegisterMap.host(insn.reg0);
        if (host != null) {
          asm.xchg(size, host, Gpr.RAX);
        } else {
          asm.mov(QWORD, S1, RegisterMap.slot(insn.reg0));
          asm.xchg(size, S1, Gpr.RAX);
          asm.mov(QWORD, RegisterMap.slot(insn.reg0), S1);
        }
      }
      case INC, DEC -> { // of 32-bit code: no register in memory
        flags.restore(insn);
        flags.keepOperands(insn);
        asm.unary(
            insn.op == Op.INC ? UnaryOp.INC : UnaryOp.DEC,
            BlockCompiler.size(insn.size0),
            RegisterMap.host(insn.reg0));
        flags.wrote(insn);
        flags.keepResult();
      }
      default -> throw new IllegalStateException(insn.toString());
    }
  }

  private void moveImmediate(Insn insn) {
    OpSize size = BlockCompiler.size(insn.size0);
    if (insn.kind0 == Insn.GPR8H) {
      asm.mov(BYTE, S1, insn.imm & 0xff);
      registers.storeHighByte(insn.reg0, S1);
      return;
    }
    Gpr host = RegisterMap.host(insn.reg0);
    long value = insn.size0 == 8 ? insn.imm : insn.imm & (1L << insn.size0 * 8) - 1;
    if (host != null) {
      asm.mov(size, host, value);
    } else {
      asm.mov(size, S1, value);
      asm.mov(insn.size0 == 4 ? QWORD : size, RegisterMap.slot(insn.reg0), S1);
    }
  }

  /** MOV between the accumulator and an absolute address. */
  private void absolute(Insn insn) {
    memory.access(insn, insn.memSize(), insn.memOperand == 0, false);
    OpSize size = BlockCompiler.size(insn.size0);
    if (insn.memOperand == 0) {
      asm.mov(size, Mem.of(S1), Gpr.RAX);
    } else {
      asm.mov(size, Gpr.RAX, Mem.of(S1));
    }
  }

  /**
   * An instruction with a ModRM byte: the same instruction again on the registers that hold the
   * guest's.
   *
   * @return true if scratch 1 holds what {@link MemoryCode#keepsProbed} says
   */
  private boolean withModRm(Insn insn) {
    boolean keepsProbed = memory.holdsProbed();
    int place = 0;
    int regOperand = insn.info.regOperand;
    int rmOperand = insn.info.rmOperand;
    int vvvvOperand = insn.info.vvvvOperand;
    boolean hasMemory = insn.hasMemory();
    if (hasMemory) {
      boolean aligned = Translatable.mustBeAligned(insn);
      place = memory.accessNear(insn, insn.memSize(), Translatable.writesMemory(insn), aligned);
      keepsProbed = memory.isShared() && !aligned;
    }
    flags.restore(insn);
    flags.keepOperands(insn);

    boolean byteRegister = false;
    int reg = insn.modRm >> 3 & 7;
    boolean regFromS2 = false;
    if (regOperand >= 0) {
      reg = insn.reg(regOperand);
      int kind = insn.kind(regOperand);
      if (kind == Insn.GPR || kind == Insn.GPR8H) {
        Gpr host = kind == Insn.GPR8H ? null : RegisterMap.host(reg);
        if (host != null) {
          reg = host.number();
        } else {
          registers.loadOperand(insn, regOperand, S2);
          reg = S2.number();
          regFromS2 = true;
        }
        byteRegister = insn.size(regOperand) == 1 && reg >= 4;
      }
    }

    int vvvv = vvvvOperand >= 0 ? insn.reg(vvvvOperand) : 0;
    Gpr vvvvScratch = null;
    if (vvvvOperand >= 0 && insn.kind(vvvvOperand) == Insn.GPR) {
      Gpr host = RegisterMap.host(vvvv);
      if (host == null) {
        if (regFromS2 && insn.op == Op.MULX) {
          // It is written, after everything has been read.
          vvvvScratch = S1;
        } else {
          // ModRM.reg may be the same scratch: no instruction reads both of them.
          vvvvScratch = S2;
          registers.loadOperand(insn, vvvvOperand, S2);
        }
        host = vvvvScratch;
      }
      vvvv = host.number();
    }

    Reencoder.Rm kind = hasMemory ? Reencoder.Rm.AT_SCRATCH : Reencoder.Rm.REGISTER;
    int rm = hasMemory ? place : insn.modRm & 7;
    if (hasMemory && flags.keepMemory(insn, S1, place)) {
      kind = Reencoder.Rm.REGISTER;
      rm = S1.number();
      keepsProbed = false;
    }
    boolean rmFromS1 = false;
    if (!hasMemory && rmOperand >= 0) {
      rm = insn.reg(rmOperand);
      int operandKind = insn.kind(rmOperand);
      if (operandKind == Insn.GPR || operandKind == Insn.GPR8H) {
        Gpr host = operandKind == Insn.GPR8H ? null : RegisterMap.host(rm);
        if (host != null) {
          rm = host.number();
          byteRegister |= insn.size(rmOperand) == 1 && rm >= 4;
        } else if (operandKind == Insn.GPR && usableInPlace(insn, rmOperand)) {
          kind = Reencoder.Rm.SLOT;
          rm = CpuLayout.GPR + 8 * rm;
        } else {
          registers.loadOperand(insn, rmOperand, S1);
          rm = S1.number();
          rmFromS1 = true;
        }
      }
    }

    reencoder.emit(insn, reg, kind, rm, vvvv, byteRegister);
    flags.wrote(insn);
    // Of two results in one register the one of ModRM.reg stays.
    if (vvvvScratch != null && Translatable.writes(insn, vvvvOperand)) {
      registers.storeOperand(insn, vvvvOperand, vvvvScratch);
    }
    if (regFromS2 && Translatable.writes(insn, regOperand)) {
      registers.storeOperand(insn, regOperand, S2);
    }
    if (rmFromS1 && Translatable.writes(insn, rmOperand)) {
      registers.storeOperand(insn, rmOperand, S1);
    }
    return keepsProbed && !rmFromS1 && vvvvScratch != S1;
  }

  /**
   * True where an instruction may use a guest register's slot as a memory operand in place of the
   * register.
   */
  private static boolean usableInPlace(Insn insn, int operand) {
    if (insn.info.operands.get(operand).addressing() != OperandSpec.Addressing.RM) {
      return false;
    }
    return switch (insn.op) {
      case BT, BTS, BTR, BTC, XCHG, XADD -> false;
      default ->
          !Translatable.writes(insn, operand) || insn.size(operand) == 8 || insn.size(operand) == 1;
    };
  }

  /** BT, BTS, BTR or BTC on the memory operand at scratch 1; scratch 2 is the bit's number. */
  void bitTestAtScratch(Insn insn) {
    reencoder.emit(insn, S2.number(), Reencoder.Rm.AT_SCRATCH, 0, 0, false);
    flags.wrote(insn);
  }
}
