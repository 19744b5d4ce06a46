package dev.pollux.core.interp;

/** {@link BinaryOp}s by number, for templates: {@code op} is a constant where these are called. */
final class AluCode {
  private AluCode() {}

  static final int ADD = 0;
  static final int OR = 1;
  static final int ADC = 2;
  static final int SBB = 3;
  static final int AND = 4;
  static final int SUB = 5;
  static final int XOR = 6;

  /** SUB that keeps only the flags. */
  static final int CMP = 7;

  /** AND that keeps only the flags. */
  static final int TEST = 8;

  static boolean writes(int op) {
    return op < CMP;
  }

  static long result(int op, Interpreter cpu, long a, long b) {
    return switch (op) {
      case ADD -> a + b;
      case OR -> a | b;
      case ADC -> a + b + (cpu.flagCarries >>> 63);
      case SBB -> a - b - (cpu.flagCarries >>> 63);
      case AND, TEST -> a & b;
      case SUB, CMP -> a - b;
      default -> a ^ b;
    };
  }

  static void setFlags(int op, Interpreter cpu, long a, long b, long r, int size) {
    switch (op) {
      case ADD, ADC -> cpu.setFlags(r, Alu.addCarries(a, b, r), size);
      case SUB, SBB, CMP -> cpu.setFlags(r, Alu.subCarries(a, b, r), size);
      default -> cpu.setLogicFlags(r, size);
    }
  }

  /**
   * Condition {@code cond} after CMP or TEST of {@code a} and {@code b}, as far as it needs no
   * flags.
   */
  static boolean compares(int op, int cond, long a, long b, int size) {
    if (op == TEST) {
      return testHolds(cond, Alu.signExtend(a & b, size));
    }
    return compareHolds(cond, Alu.signExtend(a, size), Alu.signExtend(b, size), size);
  }

  private static boolean testHolds(int cond, long r) {
    return switch (cond) {
      case 0, 2 -> false;
      case 1, 3 -> true;
      case 4, 6 -> r == 0;
      case 5, 7 -> r != 0;
      case 8, 12 -> r < 0;
      case 9, 13 -> r >= 0;
      case 10 -> Alu.parity(r) != 0;
      case 11 -> Alu.parity(r) == 0;
      case 14 -> r <= 0;
      default -> r > 0;
    };
  }

  /** Operands sign-extended, which keeps the order of unsigned ones too. */
  private static boolean compareHolds(int cond, long a, long b, int size) {
    return switch (cond) {
      case 0 -> Alu.signExtend(a - b, size) < 0 != a < b;
      case 1 -> Alu.signExtend(a - b, size) < 0 == a < b;
      case 2 -> Long.compareUnsigned(a, b) < 0;
      case 3 -> Long.compareUnsigned(a, b) >= 0;
      case 4 -> a == b;
      case 5 -> a != b;
      case 6 -> Long.compareUnsigned(a, b) <= 0;
      case 7 -> Long.compareUnsigned(a, b) > 0;
      case 8 -> Alu.signExtend(a - b, size) < 0;
      case 9 -> Alu.signExtend(a - b, size) >= 0;
      case 10 -> Alu.parity(a - b) != 0;
      case 11 -> Alu.parity(a - b) == 0;
      case 12 -> a < b;
      case 13 -> a >= b;
      case 14 -> a <= b;
      default -> a > b;
    };
  }

  // ---- shifts ----

  static final int SHL = 0;
  static final int SHR = 1;
  static final int SAR = 2;
  static final int ROL = 3;
  static final int ROR = 4;

  /** {@code a} zero-extended, the count masked. */
  static long shift(int op, long a, int count, int size) {
    return switch (op) {
      case SHL -> a << count;
      case SHR -> a >>> count;
      case SAR -> Alu.signExtend(a, size) >> count;
      case ROL -> Alu.rotateLeft(a, count, size);
      default -> Alu.rotateRight(a, count, size);
    };
  }

  /** Flags of a shift by a count that is not 0. */
  static void setShiftFlags(int op, Interpreter cpu, long a, long r, int count, int size) {
    switch (op) {
      case SHL -> {
        long cf = count <= size * 8 ? Alu.bit(a, size * 8 - count) : 0;
        cpu.setShiftFlags(r, size, cf, Alu.msb(r, size) ^ cf);
      }
      case SHR -> cpu.setShiftFlags(r, size, Alu.bit(a, count - 1), Alu.msb(a, size));
      case SAR -> cpu.setShiftFlags(r, size, Alu.bit(Alu.signExtend(a, size), count - 1), 0);
      case ROL -> cpu.setRotateFlags(r & 1, Alu.msb(r, size) ^ r & 1);
      default -> cpu.setRotateFlags(Alu.msb(r, size), Alu.msb(r, size) ^ Alu.bit(r, size * 8 - 2));
    }
  }
}
