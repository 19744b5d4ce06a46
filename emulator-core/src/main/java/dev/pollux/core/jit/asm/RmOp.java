package dev.pollux.core.jit.asm;

/** System instructions with one 16-bit register or memory operand (groups 6 and 7). */
public enum RmOp {
  SLDT(0x00, 0),
  STR(0x00, 1),
  LLDT(0x00, 2),
  LTR(0x00, 3),
  VERR(0x00, 4),
  VERW(0x00, 5),
  SMSW(0x01, 4),
  LMSW(0x01, 6);

  private final int opcode;
  private final int digit;

  RmOp(int opcode, int digit) {
    this.opcode = opcode;
    this.digit = digit;
  }

  int opcode() {
    return opcode;
  }

  int digit() {
    return digit;
  }
}
