package dev.pollux.core.jit.asm;

/** One-operand arithmetic: groups 3, 4 and 5. */
public enum UnaryOp {
  NOT(0xf6, 2, true),
  NEG(0xf6, 3, true),
  MUL(0xf6, 4, false),
  IMUL(0xf6, 5, false),
  DIV(0xf6, 6, false),
  IDIV(0xf6, 7, false),
  INC(0xfe, 0, true),
  DEC(0xfe, 1, true);

  private final int opcode;
  private final int digit;
  private final boolean lockable;

  UnaryOp(int opcode, int digit, boolean lockable) {
    this.opcode = opcode;
    this.digit = digit;
    this.lockable = lockable;
  }

  int opcode() {
    return opcode;
  }

  int digit() {
    return digit;
  }

  boolean lockable() {
    return lockable;
  }
}
