package dev.pollux.core.jit.asm;

/** Bit test, and bit test with change (0F A3/AB/B3/BB and group 8). */
public enum BitOp {
  BT(4),
  BTS(5),
  BTR(6),
  BTC(7);

  private final int digit;

  BitOp(int digit) {
    this.digit = digit;
  }

  int digit() {
    return digit;
  }

  /** Second opcode byte of the form whose bit number is in a register. */
  int registerOpcode() {
    return 0x83 | digit << 3;
  }

  boolean lockable() {
    return this != BT;
  }
}
