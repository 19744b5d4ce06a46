package dev.pollux.core.jit.asm;

/** The lowest-set-bit instructions of BMI1 (VEX group 17). */
public enum BlsOp {
  BLSR(1),
  BLSMSK(2),
  BLSI(3);

  private final int digit;

  BlsOp(int digit) {
    this.digit = digit;
  }

  int digit() {
    return digit;
  }
}
