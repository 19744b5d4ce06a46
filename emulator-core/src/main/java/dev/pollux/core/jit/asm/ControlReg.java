package dev.pollux.core.jit.asm;

/** A control register that MOV can name. */
public enum ControlReg {
  CR0(0),
  CR2(2),
  CR3(3),
  CR4(4),
  CR8(8);

  private final int number;

  ControlReg(int number) {
    this.number = number;
  }

  /** The register's number in an encoding. */
  public int number() {
    return number;
  }
}
