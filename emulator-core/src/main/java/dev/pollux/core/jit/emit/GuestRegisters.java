package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * Code that moves guest general registers, wherever they are, to scratch registers and back. Flags
 * stay.
 */
final class GuestRegisters {
  private final X86Assembler asm;

  GuestRegisters(X86Assembler asm) {
    this.asm = asm;
  }

  /** Copies a whole register to a scratch register. */
  void load(int guest, Gpr scratch) {
    Gpr host = RegisterMap.host(guest);
    if (host == null) {
      asm.mov(QWORD, scratch, RegisterMap.slot(guest));
    } else {
      asm.mov(QWORD, scratch, host);
    }
  }

  /**
   * Writes a register of 2, 4 or 8 bytes.
   *
   * @param value zero-extended to 8 bytes
   */
  void store(int guest, int bytes, Gpr value) {
    Gpr host = RegisterMap.host(guest);
    OpSize size = bytes == 2 ? WORD : QWORD;
    if (host == null) {
      asm.mov(size, RegisterMap.slot(guest), value);
    } else {
      asm.mov(size, host, value);
    }
  }

  /**
   * Loads an operand that a host instruction cannot use where it is, a register in memory or the
   * second byte of one, into a scratch register; not if it is only written.
   */
  void loadOperand(Insn insn, int operand, Gpr scratch) {
    int guest = insn.reg(operand);
    if (insn.kind(operand) == Insn.GPR8H) {
      asm.rorx(QWORD, scratch, RegisterMap.host(guest), 8);
    } else if (Translatable.reads(insn, operand)) {
      asm.mov(QWORD, scratch, RegisterMap.slot(guest));
    }
  }

  /** Writes such an operand. */
  void storeOperand(Insn insn, int operand, Gpr scratch) {
    int guest = insn.reg(operand);
    if (insn.kind(operand) == Insn.GPR8H) {
      storeHighByte(guest, scratch);
    } else {
      asm.mov(QWORD, RegisterMap.slot(guest), scratch);
    }
  }

  /** Writes the second byte of a register. */
  void storeHighByte(int guest, Gpr value) {
    Gpr host = RegisterMap.host(guest);
    asm.rorx(QWORD, host, host, 8);
    asm.mov(BYTE, host, value);
    asm.rorx(QWORD, host, host, 56);
  }
}
