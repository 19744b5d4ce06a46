package dev.pollux.core.jit.asm;

/** A debug register that MOV can name. */
public enum DebugReg {
  DR0(0),
  DR1(1),
  DR2(2),
  DR3(3),
  DR6(6),
  DR7(7);

  private final int number;

  DebugReg(int number) {
    this.number = number;
  }

  /** The register's number in an encoding. */
  public int number() {
    return number;
  }
}
