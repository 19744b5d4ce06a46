package dev.pollux.core.interp;

/**
 * The comparison inside PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (Intel SDM vol. 2, section
 * 4.1). The control byte says what an element is (bit 0 words, bit 1 signed), how they are compared
 * (bits 3:2), whether the result is negated (bits 5:4) and how it is reported (bit 6).
 */
public final class StringCompare {
  private StringCompare() {}

  /** Elements in an operand: 16 bytes or 8 words. */
  public static int elements(int control) {
    return (control & 1) != 0 ? 8 : 16;
  }

  /** Elements before the first zero: the length of an implicit-length operand. */
  public static int implicitLength(long lo, long hi, int control) {
    int n = elements(control);
    int length = 0;
    while (length < n && element(lo, hi, length, control) != 0) {
      length++;
    }
    return length;
  }

  /** Length of an explicit-length operand: the absolute value of the register, saturated. */
  public static int explicitLength(long register, int control) {
    long magnitude = Math.abs(register);
    int n = elements(control);
    return magnitude < 0 || magnitude > n ? n : (int) magnitude;
  }

  private static int element(long lo, long hi, int index, int control) {
    boolean signed = (control & 2) != 0;
    if ((control & 1) != 0) {
      long shifted = (index < 4 ? lo : hi) >>> 16 * (index & 3);
      return signed ? (short) shifted : (int) shifted & 0xffff;
    }
    long shifted = (index < 8 ? lo : hi) >>> 8 * (index & 7);
    return signed ? (byte) shifted : (int) shifted & 0xff;
  }

  /**
   * One bit per element of {@code b} ("IntRes2").
   *
   * @param lengthA valid elements of the first operand
   * @param lengthB valid elements of the second operand, a register or memory
   */
  public static int compare(
      long aLo, long aHi, int lengthA, long bLo, long bHi, int lengthB, int control) {
    int n = elements(control);
    int result = 0;
    for (int j = 0; j < n; j++) {
      boolean match =
          switch (control >> 2 & 3) {
            case 0 ->
                j < lengthB && equalsAny(aLo, aHi, lengthA, element(bLo, bHi, j, control), control);
            case 1 ->
                j < lengthB && inRange(aLo, aHi, lengthA, element(bLo, bHi, j, control), control);
            case 2 ->
                j < lengthA && j < lengthB
                    ? element(aLo, aHi, j, control) == element(bLo, bHi, j, control)
                    : j >= lengthA && j >= lengthB;
            default -> startsHere(aLo, aHi, lengthA, bLo, bHi, lengthB, j, control);
          };
      if (match) {
        result |= 1 << j;
      }
    }
    return switch (control >> 4 & 3) {
      case 1 -> result ^ (1 << n) - 1;
      case 3 -> result ^ (1 << lengthB) - 1;
      default -> result;
    };
  }

  private static boolean equalsAny(long lo, long hi, int length, int value, int control) {
    for (int i = 0; i < length; i++) {
      if (element(lo, hi, i, control) == value) {
        return true;
      }
    }
    return false;
  }

  private static boolean inRange(long lo, long hi, int length, int value, int control) {
    for (int i = 0; i + 1 < length; i += 2) {
      if (element(lo, hi, i, control) <= value && value <= element(lo, hi, i + 1, control)) {
        return true;
      }
    }
    return false;
  }

  private static boolean startsHere(
      long aLo, long aHi, int lengthA, long bLo, long bHi, int lengthB, int start, int control) {
    int n = elements(control);
    for (int i = 0; i < lengthA && start + i < n; i++) {
      if (start + i >= lengthB
          || element(aLo, aHi, i, control) != element(bLo, bHi, start + i, control)) {
        return false;
      }
    }
    return true;
  }

  /** The index that PCMPxSTRI puts in ECX. */
  public static int index(int result, int control) {
    if (result == 0) {
      return elements(control);
    }
    return (control & 0x40) != 0
        ? 31 - Integer.numberOfLeadingZeros(result)
        : Integer.numberOfTrailingZeros(result);
  }

  /**
   * Eight bytes of the mask that PCMPxSTRM puts in XMM0.
   *
   * @param half 0 for the low half, 1 for the high half
   */
  public static long mask(int result, int control, int half) {
    if ((control & 0x40) == 0) {
      return half == 0 ? result : 0;
    }
    int width = (control & 1) != 0 ? 16 : 8;
    int perHalf = 64 / width;
    long mask = 0;
    for (int i = perHalf - 1; i >= 0; i--) {
      mask = mask << width | ((result >> half * perHalf + i & 1) != 0 ? (1L << width) - 1 : 0);
    }
    return mask;
  }

  /** CF, ZF, SF and OF at their places in EFLAGS; AF and PF are cleared. */
  public static int flags(int result, int lengthA, int lengthB, int control) {
    int n = elements(control);
    return (result != 0 ? 1 : 0)
        | (lengthB < n ? 0x40 : 0)
        | (lengthA < n ? 0x80 : 0)
        | (result & 1) << 11;
  }
}
