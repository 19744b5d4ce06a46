package dev.pollux.core.interp;

/**
 * Integer arithmetic on operands of 1, 2, 4 or 8 bytes, as pure functions. Operands are zero- or
 * sign-extended as each function says; bits of results above the operand size are unspecified
 * unless it says otherwise.
 */
final class Alu {
  private Alu() {}

  static final int CF = 1;
  static final int PF = 1 << 2;
  static final int AF = 1 << 4;
  static final int ZF = 1 << 6;
  static final int SF = 1 << 7;
  static final int OF = 1 << 11;
  static final int STATUS = CF | PF | AF | ZF | SF | OF;

  /** The low {@code size} bytes, sign-extended. */
  static long signExtend(long value, int size) {
    int unused = 64 - size * 8;
    return value << unused >> unused;
  }

  /** The low {@code size} bytes, zero-extended. */
  static long zeroExtend(long value, int size) {
    int unused = 64 - size * 8;
    return value << unused >>> unused;
  }

  /** For {@code r = a + b} or {@code r = a + b + 1}: in each bit the carry out of that bit. */
  static long addCarries(long a, long b, long r) {
    return a & b | (a | b) & ~r;
  }

  /** For {@code r = a - b} or {@code r = a - b - 1}: in each bit the borrow out of that bit. */
  static long subCarries(long a, long b, long r) {
    return ~a & b | ~(a ^ b) & r;
  }

  // ---- shifts and rotates; the count is masked and not 0 ----

  /**
   * The six flags of a logical or arithmetic shift's result {@code r}, carry {@code cf} and
   * overflow {@code of} (0 or 1).
   */
  static int shiftFlags(long r, int size, long cf, long of) {
    long extended = signExtend(r, size);
    return (int) cf
        | (int) of << 11
        | (extended == 0 ? ZF : 0)
        | (extended < 0 ? SF : 0)
        | parity(r);
  }

  /** PF of a result. */
  static int parity(long r) {
    int b = (int) r & 0xff;
    b ^= b >> 4;
    return (0x9669 >> (b & 15) & 1) << 2;
  }

  static long bit(long value, int n) {
    return value >>> n & 1;
  }

  static long msb(long value, int size) {
    return value >>> size * 8 - 1 & 1;
  }

  static int shlFlags(long a, int count, int size) {
    int width = size * 8;
    long r = a << count;
    long cf = count <= width ? bit(a, width - count) : 0;
    return shiftFlags(r, size, cf, msb(r, size) ^ cf);
  }

  /** {@code a} zero-extended. */
  static int shrFlags(long a, int count, int size) {
    return shiftFlags(a >>> count, size, bit(a, count - 1), msb(a, size));
  }

  /** {@code a} sign-extended. */
  static int sarFlags(long a, int count, int size) {
    return shiftFlags(a >> count, size, bit(a, count - 1), 0);
  }

  /** {@code a} zero-extended. */
  static long rotateLeft(long a, int count, int size) {
    return switch (size) {
      case 8 -> Long.rotateLeft(a, count);
      case 4 -> Integer.rotateLeft((int) a, count);
      default -> {
        int n = count & size * 8 - 1;
        yield a << n | a >>> size * 8 - n;
      }
    };
  }

  static long rotateRight(long a, int count, int size) {
    return rotateLeft(a, size * 8 - (count & size * 8 - 1), size);
  }

  /** CF and OF of a left rotation's result. */
  static int rolFlags(long r, int size) {
    long cf = r & 1;
    return (int) (cf | (msb(r, size) ^ cf) << 11);
  }

  /** CF and OF of a right rotation's result. */
  static int rorFlags(long r, int size) {
    return (int) (msb(r, size) | (msb(r, size) ^ bit(r, size * 8 - 2)) << 11);
  }

  /** Rotates through carry, {@code count} reduced to 1 .. width; {@code a} zero-extended. */
  static long rclResult(long a, int count, int size, long cf) {
    int width = size * 8;
    long r = (count == 64 ? 0 : a << count) | cf << count - 1;
    return count == 1 ? r : r | a >>> width + 1 - count;
  }

  static int rclFlags(long a, long r, int count, int size) {
    long cf = bit(a, size * 8 - count);
    return (int) (cf | (msb(r, size) ^ cf) << 11);
  }

  static long rcrResult(long a, int count, int size, long cf) {
    int width = size * 8;
    long r = (count == 64 ? 0 : a >>> count) | cf << width - count;
    return count == 1 ? r : r | a << width + 1 - count;
  }

  static int rcrFlags(long a, long r, int count, int size) {
    return (int) (bit(a, count - 1) | (msb(r, size) ^ bit(r, size * 8 - 2)) << 11);
  }

  /**
   * Operands zero-extended; a 16-bit count above 16 shifts in the first operand again, as
   * processors do.
   */
  static long shldResult(long a, long b, int count, int size) {
    return switch (size) {
      case 8 -> a << count | b >>> 64 - count;
      case 4 -> a << count | b >>> 32 - count;
      default -> {
        long wide = (a << 32 | b << 16 | a) << count;
        yield wide >>> 32 & 0xffff;
      }
    };
  }

  static int shldFlags(long a, long b, long r, int count, int size) {
    long cf = size == 2 ? bit(a << 32 | b << 16 | a, 48 - count) : bit(a, size * 8 - count);
    return shiftFlags(r, size, cf, msb(a, size) ^ msb(r, size));
  }

  static long shrdResult(long a, long b, int count, int size) {
    return switch (size) {
      case 8 -> a >>> count | b << 64 - count;
      case 4 -> a >>> count | b << 32 - count;
      default -> (a << 32 | b << 16 | a) >>> count & 0xffff;
    };
  }

  static int shrdFlags(long a, long b, long r, int count, int size) {
    long cf = size == 2 ? bit(a << 32 | b << 16 | a, count - 1) : bit(a, count - 1);
    return shiftFlags(r, size, cf, msb(a, size) ^ msb(r, size));
  }

  // ---- conditions ----

  /** Condition 0 to 15 of Jcc, SETcc, CMOVcc on RFLAGS. */
  static boolean condition(int cond, int flags) {
    boolean holds =
        switch (cond >> 1) {
          case 0 -> (flags & OF) != 0;
          case 1 -> (flags & CF) != 0;
          case 2 -> (flags & ZF) != 0;
          case 3 -> (flags & (CF | ZF)) != 0;
          case 4 -> (flags & SF) != 0;
          case 5 -> (flags & PF) != 0;
          case 6 -> (flags & SF) != 0 != ((flags & OF) != 0);
          default -> (flags & ZF) != 0 || (flags & SF) != 0 != ((flags & OF) != 0);
        };
    return holds != ((cond & 1) != 0);
  }

  // ---- bit fields ----

  /** PDEP: the low bits of {@code a} spread to the places of {@code mask}'s ones. */
  static long deposit(long a, long mask) {
    return Long.expand(a, mask);
  }

  /** PEXT: the bits of {@code a} at the places of {@code mask}'s ones, gathered low. */
  static long extract(long a, long mask) {
    return Long.compress(a, mask);
  }

  /** CRC32C of {@code size} bytes on top of {@code crc}. */
  static int crc32c(int crc, long value, int size) {
    int c = crc;
    for (int i = 0; i < size; i++) {
      c = CRC_TABLE[(c ^ (int) (value >>> i * 8)) & 0xff] ^ c >>> 8;
    }
    return c;
  }

  private static final int[] CRC_TABLE = crcTable();

  private static int[] crcTable() {
    int[] table = new int[256];
    for (int i = 0; i < 256; i++) {
      int c = i;
      for (int k = 0; k < 8; k++) {
        c = (c & 1) != 0 ? c >>> 1 ^ 0x82f6_3b78 : c >>> 1;
      }
      table[i] = c;
    }
    return table;
  }
}
