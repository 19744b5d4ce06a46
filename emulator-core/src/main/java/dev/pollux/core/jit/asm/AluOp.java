package dev.pollux.core.jit.asm;

/** The eight two-operand arithmetic instructions that share one encoding. */
public enum AluOp {
  ADD(0),
  OR(1),
  ADC(2),
  SBB(3),
  AND(4),
  SUB(5),
  XOR(6),
  CMP(7);

  private final int digit;

  AluOp(int digit) {
    this.digit = digit;
  }

  /** Bits 3 to 5 of the opcode, and ModRM.reg of the immediate forms. */
  int digit() {
    return digit;
  }

  /** CMP writes nothing, so it takes no LOCK prefix. */
  boolean lockable() {
    return this != CMP;
  }
}
