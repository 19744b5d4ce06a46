package dev.pollux.core.jit.asm;

/** A vector register: XMM or, in an instruction of 256 bits, YMM. */
public enum Xmm implements XmmRm {
  XMM0(0),
  XMM1(1),
  XMM2(2),
  XMM3(3),
  XMM4(4),
  XMM5(5),
  XMM6(6),
  XMM7(7),
  XMM8(8),
  XMM9(9),
  XMM10(10),
  XMM11(11),
  XMM12(12),
  XMM13(13),
  XMM14(14),
  XMM15(15);

  private static final Xmm[] VALUES = values();

  private final int number;

  Xmm(int number) {
    this.number = number;
  }

  /** The register whose number is {@code number}, 0 to 15. */
  public static Xmm of(int number) {
    if (number < 0 || number >= VALUES.length) {
      throw new IllegalArgumentException("no vector register " + number);
    }
    return VALUES[number];
  }

  /** The register's number in an encoding, 0 to 15. */
  public int number() {
    return number;
  }
}
