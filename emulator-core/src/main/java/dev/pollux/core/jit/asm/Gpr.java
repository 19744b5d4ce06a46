package dev.pollux.core.jit.asm;

/**
 * A general-purpose register; the instruction's {@link OpSize} says how much of it is meant. The
 * four legacy high bytes are constants of their own, legal only as byte operands of an instruction
 * that needs no REX prefix (Intel SDM vol. 2, 2.2.1.2).
 */
public enum Gpr implements Rm {
  RAX(0),
  RCX(1),
  RDX(2),
  RBX(3),
  RSP(4),
  RBP(5),
  RSI(6),
  RDI(7),
  R8(8),
  R9(9),
  R10(10),
  R11(11),
  R12(12),
  R13(13),
  R14(14),
  R15(15),
  AH(4),
  CH(5),
  DH(6),
  BH(7);

  private static final Gpr[] VALUES = values();

  private final int number;

  Gpr(int number) {
    this.number = number;
  }

  /** The register whose number is {@code number}, 0 to 15: never a high byte. */
  public static Gpr of(int number) {
    if (number < 0 || number > 15) {
      throw new IllegalArgumentException("no general-purpose register " + number);
    }
    return VALUES[number];
  }

  /** The register's number in an encoding, 0 to 15. */
  public int number() {
    return number;
  }

  /** Whether this is AH, CH, DH or BH. */
  public boolean isHighByte() {
    return compareTo(AH) >= 0;
  }
}
