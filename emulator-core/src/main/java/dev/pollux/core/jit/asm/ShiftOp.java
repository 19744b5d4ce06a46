package dev.pollux.core.jit.asm;

/** The shifts and rotates of group 2. */
public enum ShiftOp {
  ROL(0),
  ROR(1),
  RCL(2),
  RCR(3),
  SHL(4),
  SHR(5),
  SAR(7);

  private final int digit;

  ShiftOp(int digit) {
    this.digit = digit;
  }

  int digit() {
    return digit;
  }
}
