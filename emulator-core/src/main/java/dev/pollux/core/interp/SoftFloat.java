package dev.pollux.core.interp;

/**
 * Binary floating point in integers, for every rounding mode and format of x86.
 *
 * <p>A finite non-zero number is {@code (-1)^sign * 1.f * 2^exp}; its significand is a {@code long}
 * with the integer bit at bit 63 whatever the format, so that half, single, double and 80-bit
 * numbers share one addition, multiplication, division, square root and rounding. Before it is
 * rounded a result has 128 bits, {@code hi:lo}, whose last bit is sticky: set when anything below
 * was lost.
 */
final class SoftFloat {
  static final long INTEGER_BIT = Long.MIN_VALUE;

  private SoftFloat() {}

  /**
   * The formats results are rounded to. The methods on bit patterns are for {@link #SINGLE} and
   * {@link #DOUBLE}, single precision in the low 32 bits of a {@code long}.
   */
  enum Format {
    /** 16 bits, as {@link #SINGLE} in the low bits. */
    HALF(11, -14, 15),
    /** 32 bits. */
    SINGLE(24, -126, 127),
    /** 64 bits. */
    DOUBLE(53, -1022, 1023),
    /** 80 bits with precision control 0. */
    EXTENDED_24(24, -16382, 16383),
    /** 80 bits with precision control 2. */
    EXTENDED_53(53, -16382, 16383),
    /** 80 bits. */
    EXTENDED(64, -16382, 16383);

    final int precision;
    final int minExponent;
    final int maxExponent;
    private final int fractionBits;
    private final long fractionMask;
    private final int exponentMask;
    private final long signBit;

    Format(int precision, int minExponent, int maxExponent) {
      this.precision = precision;
      this.minExponent = minExponent;
      this.maxExponent = maxExponent;
      fractionBits = precision - 1;
      fractionMask = (1L << fractionBits) - 1;
      exponentMask = 2 * maxExponent + 1;
      signBit = (exponentMask + 1L) << fractionBits;
    }

    private int field(long bits) {
      return (int) (bits >>> fractionBits) & exponentMask;
    }

    boolean negative(long bits) {
      return (bits & signBit) != 0;
    }

    boolean zero(long bits) {
      return (bits & (signBit - 1)) == 0;
    }

    boolean denormal(long bits) {
      return field(bits) == 0 && (bits & fractionMask) != 0;
    }

    boolean infinite(long bits) {
      return field(bits) == exponentMask && (bits & fractionMask) == 0;
    }

    boolean nan(long bits) {
      return field(bits) == exponentMask && (bits & fractionMask) != 0;
    }

    boolean signaling(long bits) {
      return nan(bits) && (bits & (fractionMask + 1) >>> 1) == 0;
    }

    long quiet(long bits) {
      return bits | (fractionMask + 1) >>> 1;
    }

    /** The quiet NaN of an invalid operation, whose sign is set. */
    long defaultNan() {
      return signBit | (long) exponentMask << fractionBits | (fractionMask + 1) >>> 1;
    }

    long infinity(boolean negative) {
      return zero(negative) | (long) exponentMask << fractionBits;
    }

    long zero(boolean negative) {
      return negative ? signBit : 0;
    }

    /** {@code bits}, or a zero of its sign for a denormal if denormals are zero. */
    long flushOperand(FloatEnv env, long bits) {
      return env.denormalsAreZero && denormal(bits) ? bits & signBit : bits;
    }

    /** Unbiased exponent of a finite non-zero number, as if it were normalised. */
    int exponent(long bits) {
      int field = field(bits);
      return field != 0
          ? field - maxExponent
          : minExponent - Long.numberOfLeadingZeros(bits & fractionMask) + (64 - precision);
    }

    /** Normalised significand of a finite non-zero number, integer bit at bit 63. */
    long significand(long bits) {
      long fraction = bits & fractionMask;
      return field(bits) != 0
          ? (fraction | fractionMask + 1) << (64 - precision)
          : fraction << Long.numberOfLeadingZeros(fraction);
    }

    /** Packs a significand just rounded to this format, with its exponent in {@code env.exp}. */
    long pack(FloatEnv env, boolean negative, long sig) {
      long field = sig < 0 ? env.exp + maxExponent : 0;
      return zero(negative)
          | (field & exponentMask) << fractionBits
          | sig >>> (64 - precision) & fractionMask;
    }
  }

  /** How far a trapped x87 overflow or underflow shifts the exponent (Intel SDM vol. 1, 8.5.4). */
  private static final int BIAS_ADJUST = 24576;

  /**
   * Rounds {@code (-1)^negative * hi:lo * 2^exp}, the binary point after bit 63 of {@code hi}, to
   * {@code format}, and raises overflow, underflow and inexact in {@code env}. Tininess is detected
   * after rounding.
   *
   * @return the significand, integer bit at bit 63; its exponent is in {@code env.exp}: the
   *     format's least one with a clear integer bit for a denormal or zero, one more than its
   *     greatest for infinity
   */
  static long round(FloatEnv env, boolean negative, int exp, long hi, long lo, Format format) {
    if (exp < format.minExponent) {
      return roundTiny(env, negative, exp, hi, lo, format);
    }
    long sig = roundSignificand(env, negative, exp, hi, lo, format.precision);
    return env.exp > format.maxExponent ? overflow(env, negative, sig, format) : sig;
  }

  /** Rounds to {@code precision} bits with an unbounded exponent, left in {@code env.exp}. */
  private static long roundSignificand(
      FloatEnv env, boolean negative, int exp, long hi, long lo, int precision) {
    int shift = 64 - precision;
    long kept = shift == 0 ? hi : hi >>> shift;
    long rest = shift == 0 ? lo : hi << precision | (lo != 0 ? 1 : 0);
    env.exp = exp;
    env.roundedUp = false;
    if (rest != 0) {
      env.raised |= FloatEnv.PE;
      if (roundsUp(env.rounding, negative, kept, rest)) {
        env.roundedUp = true;
        kept++;
        if (kept << shift == 0) {
          kept = INTEGER_BIT >>> shift;
          env.exp = exp + 1;
        }
      }
    }
    return kept << shift;
  }

  /**
   * Whether the significand {@code kept}, followed by the fraction {@code rest}, grows by rounding.
   */
  static boolean roundsUp(int rounding, boolean negative, long kept, long rest) {
    return switch (rounding) {
      case FloatEnv.NEAREST -> rest < 0 && (rest != INTEGER_BIT || (kept & 1) != 0);
      case FloatEnv.DOWN -> negative && rest != 0;
      case FloatEnv.UP -> !negative && rest != 0;
      default -> false;
    };
  }

  private static long overflow(FloatEnv env, boolean negative, long sig, Format format) {
    env.raised |= FloatEnv.OE;
    if ((env.masks & FloatEnv.OE) == 0) {
      env.exp -= BIAS_ADJUST;
      return sig;
    }
    env.raised |= FloatEnv.PE;
    boolean infinite =
        switch (env.rounding) {
          case FloatEnv.NEAREST -> true;
          case FloatEnv.DOWN -> negative;
          case FloatEnv.UP -> !negative;
          default -> false;
        };
    env.roundedUp = infinite;
    if (infinite) {
      env.exp = format.maxExponent + 1;
      return INTEGER_BIT;
    }
    env.exp = format.maxExponent;
    return -1L << (64 - format.precision);
  }

  private static long roundTiny(
      FloatEnv env, boolean negative, int exp, long hi, long lo, Format format) {
    int before = env.raised;
    long sig = roundSignificand(env, negative, exp, hi, lo, format.precision);
    boolean tiny = env.exp < format.minExponent;
    if (tiny && (env.masks & FloatEnv.UE) == 0) {
      env.raised |= FloatEnv.UE;
      env.exp += BIAS_ADJUST;
      return sig;
    }
    if (tiny && env.flushToZero) {
      env.raised = before | FloatEnv.UE | FloatEnv.PE;
      env.exp = format.minExponent;
      return 0;
    }
    env.raised = 0;
    int shift = format.minExponent - exp;
    long high = shift < 64 ? hi >>> shift : 0;
    long low = shiftRightSticky(hi, lo, shift);
    sig = roundSignificand(env, negative, format.minExponent, high, low, format.precision);
    if (tiny && env.raised != 0) {
      env.raised |= FloatEnv.UE;
    }
    env.raised |= before;
    return sig;
  }

  /** The low 64 bits of {@code hi:lo >> shift}, bits shifted out collected in bit 0. */
  static long shiftRightSticky(long hi, long lo, int shift) {
    if (shift == 0) {
      return lo;
    }
    if (shift < 64) {
      return hi << -shift | lo >>> shift | (lo << -shift != 0 ? 1 : 0);
    }
    if (shift == 64) {
      return hi | (lo != 0 ? 1 : 0);
    }
    if (shift < 128) {
      return hi >>> (shift - 64) | ((hi << (128 - shift) | lo) != 0 ? 1 : 0);
    }
    return (hi | lo) != 0 ? 1 : 0;
  }

  /**
   * Sum of two finite non-zero numbers, rounded.
   *
   * @return the significand, as {@link #round}; {@code env.aux} is 1 if the sum is negative. An
   *     exact zero is positive unless rounding down.
   */
  static long add(
      FloatEnv env,
      boolean negativeA,
      int expA,
      long sigA,
      boolean negativeB,
      int expB,
      long sigB,
      Format format) {
    if (expA < expB || (expA == expB && Long.compareUnsigned(sigA, sigB) < 0)) {
      return add(env, negativeB, expB, sigB, negativeA, expA, sigA, format);
    }
    int shift = expA - expB;
    long high = shift < 64 ? sigB >>> shift : 0;
    long low = shiftRightSticky(sigB, 0, shift);
    env.aux = negativeA ? 1 : 0;
    if (negativeA == negativeB) {
      long sum = sigA + high;
      if (Long.compareUnsigned(sum, sigA) < 0) {
        low = sum << 63 | low >>> 1 | low & 1;
        return round(env, negativeA, expA + 1, sum >>> 1 | INTEGER_BIT, low, format);
      }
      return round(env, negativeA, expA, sum, low, format);
    }
    long difference = sigA - high - (low != 0 ? 1 : 0);
    return normaliseAndRound(env, negativeA, expA, difference, -low, format);
  }

  /** Product of two finite non-zero numbers, rounded. */
  static long multiply(
      FloatEnv env, boolean negative, int expA, long sigA, int expB, long sigB, Format format) {
    long hi = Math.unsignedMultiplyHigh(sigA, sigB);
    long lo = sigA * sigB;
    int exp = expA + expB + 1;
    if (hi >= 0) {
      hi = hi << 1 | lo >>> 63;
      lo <<= 1;
      exp--;
    }
    return round(env, negative, exp, hi, lo, format);
  }

  /**
   * {@code a * b + c} of finite non-zero numbers of at most 53 bits, rounded once.
   *
   * @param negative the sign of the product
   * @return as {@link #add}
   */
  static long multiplyAdd(
      FloatEnv env,
      boolean negative,
      int expA,
      long sigA,
      int expB,
      long sigB,
      boolean negativeC,
      int expC,
      long sigC,
      Format format) {
    long hi = Math.unsignedMultiplyHigh(sigA, sigB);
    long lo = sigA * sigB;
    int exp = expA + expB + 1;
    if (hi >= 0) {
      hi = hi << 1 | lo >>> 63;
      lo <<= 1;
      exp--;
    }
    boolean productLarger = exp > expC || (exp == expC && Long.compareUnsigned(hi, sigC) >= 0);
    long otherHi = productLarger ? sigC : hi;
    long otherLo = productLarger ? 0 : lo;
    int shift = Math.abs(exp - expC);
    long smallLo = shiftRightSticky(otherHi, otherLo, shift);
    long smallHi = shift < 64 ? otherHi >>> shift : 0;
    if (!productLarger) {
      hi = sigC;
      lo = 0;
      exp = expC;
    }
    boolean sign = productLarger ? negative : negativeC;
    env.aux = sign ? 1 : 0;
    if (negative == negativeC) {
      long sumLo = lo + smallLo;
      long carry = Long.compareUnsigned(sumLo, lo) < 0 ? 1 : 0;
      long partial = hi + smallHi;
      long sumHi = partial + carry;
      boolean overflow =
          Long.compareUnsigned(partial, hi) < 0 || Long.compareUnsigned(sumHi, partial) < 0;
      if (overflow) {
        sumLo = sumHi << 63 | sumLo >>> 1 | sumLo & 1;
        return round(env, sign, exp + 1, sumHi >>> 1 | INTEGER_BIT, sumLo, format);
      }
      return round(env, sign, exp, sumHi, sumLo, format);
    }
    long borrow = Long.compareUnsigned(lo, smallLo) < 0 ? 1 : 0;
    return normaliseAndRound(env, sign, exp, hi - smallHi - borrow, lo - smallLo, format);
  }

  /** Rounds a difference, which may have cancelled, wholly even. */
  private static long normaliseAndRound(
      FloatEnv env, boolean negative, int exp, long hi, long lo, Format format) {
    if ((hi | lo) == 0) {
      env.aux = env.rounding == FloatEnv.DOWN ? 1 : 0;
      env.exp = format.minExponent;
      return 0;
    }
    if (hi == 0) {
      hi = lo;
      lo = 0;
      exp -= 64;
    }
    int zeros = Long.numberOfLeadingZeros(hi);
    if (zeros != 0) {
      hi = hi << zeros | lo >>> -zeros;
      lo <<= zeros;
    }
    return round(env, negative, exp - zeros, hi, lo, format);
  }

  /** Quotient of two finite non-zero numbers, rounded. */
  static long divide(
      FloatEnv env, boolean negative, int expA, long sigA, int expB, long sigB, Format format) {
    int exp = expA - expB;
    long hi;
    long lo;
    if (Long.compareUnsigned(sigA, sigB) >= 0) {
      hi = sigA >>> 1;
      lo = sigA << 63;
    } else {
      hi = sigA;
      lo = 0;
      exp--;
    }
    long quotient = divide128(hi, lo, sigB);
    long remainder = lo - quotient * sigB;
    return round(env, negative, exp, quotient, fraction(remainder, sigB), format);
  }

  /** {@code part / whole} as far as rounding can tell: 0, below, exactly or above one half. */
  private static long fraction(long part, long whole) {
    if (part == 0) {
      return 0;
    }
    int order = Long.compareUnsigned(part, whole - part);
    return order < 0 ? 1 : order == 0 ? INTEGER_BIT : INTEGER_BIT | 1;
  }

  /**
   * The unsigned quotient of {@code hi:lo} by {@code divisor}, whose bit 63 is set and which is
   * greater than {@code hi}, by two steps of long division with 32-bit digits.
   */
  static long divide128(long hi, long lo, long divisor) {
    long first = digit(hi, lo >>> 32, divisor);
    long rest = (hi << 32 | lo >>> 32) - first * divisor;
    long second = digit(rest, lo & 0xffff_ffffL, divisor);
    return first << 32 | second;
  }

  private static long digit(long hi, long next, long divisor) {
    long top = divisor >>> 32;
    long bottom = divisor & 0xffff_ffffL;
    long q = Long.divideUnsigned(hi, top);
    long r = hi - q * top;
    while (q >>> 32 != 0 || Long.compareUnsigned(q * bottom, r << 32 | next) > 0) {
      q--;
      r += top;
      if (r >>> 32 != 0) {
        break;
      }
    }
    return q;
  }

  /** Square root of a positive finite number, rounded. */
  static long squareRoot(FloatEnv env, int exp, long sig, Format format) {
    long hi;
    long lo;
    if ((exp & 1) != 0) {
      hi = sig;
      lo = 0;
    } else {
      hi = sig >>> 1;
      lo = sig << 63;
    }
    long root = squareRoot128(hi, lo);
    long remainder = lo - root * root;
    long remainderHi =
        hi
            - Math.unsignedMultiplyHigh(root, root)
            - (Long.compareUnsigned(lo, root * root) < 0 ? 1 : 0);
    // A remainder above the root itself means a fraction above one half; exactly half cannot be.
    boolean aboveHalf = remainderHi != 0 || Long.compareUnsigned(remainder, root) > 0;
    long rest = (remainder | remainderHi) == 0 ? 0 : aboveHalf ? INTEGER_BIT | 1 : 1;
    return round(env, false, exp >> 1, root, rest, format);
  }

  /** The integer square root of {@code hi:lo}, at least 2^126: an estimate and a Newton step. */
  private static long squareRoot128(long hi, long lo) {
    double estimate = Math.sqrt(unsignedToDouble(hi)) * 0x1p32;
    long root = estimate >= 0x1p64 ? -1L : doubleToUnsigned(estimate);
    long rootHi = Math.unsignedMultiplyHigh(root, root);
    long rootLo = root * root;
    long errorHi = hi - rootHi - (Long.compareUnsigned(lo, rootLo) < 0 ? 1 : 0);
    double error = errorHi * 0x1p64 + unsignedToDouble(lo - rootLo);
    long step = (long) (error / (2 * estimate));
    long next = root + step;
    if (step > 0 && next >= 0) {
      next = -1L;
    }
    root = next;
    while (squareExceeds(root, hi, lo)) {
      root--;
    }
    while (root != -1L && !squareExceeds(root + 1, hi, lo)) {
      root++;
    }
    return root;
  }

  private static boolean squareExceeds(long root, long hi, long lo) {
    int order = Long.compareUnsigned(Math.unsignedMultiplyHigh(root, root), hi);
    return order > 0 || (order == 0 && Long.compareUnsigned(root * root, lo) > 0);
  }

  private static double unsignedToDouble(long value) {
    return (value >>> 11) * 0x1p11 + (value & 0x7ff);
  }

  private static long doubleToUnsigned(double value) {
    return (long) (value * 0.5) << 1;
  }
}
