package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.F2;
import static dev.pollux.core.jit.asm.OpcodeBits.F3;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;

/** VEX-encoded integer instructions of map 0F 38 with three operands (BMI1, BMI2). */
public enum BmiOp {
  ANDN(NP, 0xf2, false),
  MULX(F2, 0xf6, false),
  PDEP(F2, 0xf5, false),
  PEXT(F3, 0xf5, false),
  BEXTR(NP, 0xf7, true),
  BZHI(NP, 0xf5, true),
  SARX(F3, 0xf7, true),
  SHLX(P66, 0xf7, true),
  SHRX(F2, 0xf7, true);

  private final int prefix;
  private final int opcode;
  private final boolean middleIsRm;

  BmiOp(int prefix, int opcode, boolean middleIsRm) {
    this.prefix = prefix;
    this.opcode = opcode;
    this.middleIsRm = middleIsRm;
  }

  int prefix() {
    return prefix;
  }

  int opcode() {
    return opcode;
  }

  /** Whether the manual writes the register/memory operand in the middle and VEX.vvvv last. */
  boolean middleIsRm() {
    return middleIsRm;
  }
}
