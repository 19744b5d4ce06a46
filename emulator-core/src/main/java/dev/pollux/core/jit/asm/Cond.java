package dev.pollux.core.jit.asm;

/**
 * A condition of Jcc, SETcc and CMOVcc, in the order of its encoding (Intel SDM vol. 1, appendix
 * B).
 */
public enum Cond {
  O(0),
  NO(1),
  B(2),
  AE(3),
  E(4),
  NE(5),
  BE(6),
  A(7),
  S(8),
  NS(9),
  P(10),
  NP(11),
  L(12),
  GE(13),
  LE(14),
  G(15);

  private static final Cond[] VALUES = values();

  private final int code;

  Cond(int code) {
    this.code = code;
  }

  /** The condition whose code is {@code code}, 0 to 15. */
  public static Cond of(int code) {
    return VALUES[code];
  }

  /** The four-bit code in an encoding. */
  public int code() {
    return code;
  }

  /** The condition that holds exactly when this one does not. */
  public Cond negate() {
    return VALUES[code ^ 1];
  }
}
