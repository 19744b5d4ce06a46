package dev.pollux.core.interp;

import dev.pollux.core.interp.SoftFloat.Format;

/**
 * SSE arithmetic on single and double precision numbers under MXCSR (Intel SDM vol. 1, chapter 11).
 *
 * <p>Operands and results are bit patterns: {@code long} for double precision, {@code int} for
 * single precision. A function adds what it raises to {@code env.raised}; the caller starts with
 * {@link FloatEnv#beginSse} and, if an unmasked exception is raised, drops the result and delivers
 * #XM. Rounding to nearest with ordinary operands and results goes through Java's own arithmetic,
 * which is IEEE 754; everything else through {@link SoftFloat}.
 *
 * <p>For an instruction with two operands the first is the destination; its NaN wins.
 */
public final class SseFloat {
  static final int ADD = 0;
  static final int SUB = 1;
  static final int MUL = 2;
  static final int DIV = 3;

  private static final int PM_OR_ROUNDING = FloatEnv.PE << 7 | FloatEnv.MXCSR_ROUNDING;
  private static final int PM = FloatEnv.PE << 7;

  private SseFloat() {}

  // ---- classification -------------------------------------------------------------------------

  private static boolean denormal(long bits) {
    return Long.compareUnsigned((bits << 1) - 1, (1L << 53) - 1) < 0;
  }

  private static boolean denormal(int bits) {
    return Integer.compareUnsigned((bits << 1) - 1, (1 << 24) - 1) < 0;
  }

  /** Whether {@code bits} is neither zero, denormal, infinite nor NaN. */
  private static boolean normal(long bits) {
    return Integer.compareUnsigned((int) (bits >>> 52 & 0x7ff) - 1, 0x7fe) < 0;
  }

  private static boolean normal(int bits) {
    return Integer.compareUnsigned((bits >>> 23 & 0xff) - 1, 0xfe) < 0;
  }

  private static boolean zero(long bits) {
    return bits << 1 == 0;
  }

  private static boolean zero(int bits) {
    return bits << 1 == 0;
  }

  /** For a sum: one that is zero is exact, and no operand was infinite or NaN. */
  private static boolean normalOrZero(long bits) {
    return normal(bits) || zero(bits);
  }

  private static boolean normalOrZero(int bits) {
    return normal(bits) || zero(bits);
  }

  private static boolean nan(long bits) {
    return Long.compareUnsigned(bits << 1, 0xffe0_0000_0000_0000L) > 0;
  }

  private static boolean nan(int bits) {
    return Integer.compareUnsigned(bits << 1, 0xff00_0000) > 0;
  }

  private static boolean signaling(long bits) {
    return nan(bits) && (bits & 1L << 51) == 0;
  }

  private static boolean signaling(int bits) {
    return nan(bits) && (bits & 1 << 22) == 0;
  }

  private static long quiet(long bits) {
    return bits | 1L << 51;
  }

  private static int quiet(int bits) {
    return bits | 1 << 22;
  }

  private static boolean fast(FloatEnv env) {
    return (env.mxcsr & PM_OR_ROUNDING) == PM;
  }

  private static boolean wantsInexact(FloatEnv env) {
    return (env.mxcsr & FloatEnv.PE) == 0;
  }

  // ---- addition, subtraction, multiplication, division, square root ----------------------------

  /** ADDSD. */
  public static long add64(FloatEnv env, long a, long b) {
    if (fast(env)) {
      double x = Double.longBitsToDouble(a);
      double y = Double.longBitsToDouble(b);
      double r = x + y;
      long bits = Double.doubleToRawLongBits(r);
      if (normalOrZero(bits) && !denormal(a) && !denormal(b)) {
        if (wantsInexact(env)) {
          inexactSum64(env, x, y, r);
        }
        return bits;
      }
    }
    return arithmetic64(env, ADD, a, b);
  }

  /** SUBSD. */
  public static long sub64(FloatEnv env, long a, long b) {
    if (fast(env)) {
      double x = Double.longBitsToDouble(a);
      double y = Double.longBitsToDouble(b);
      double r = x - y;
      long bits = Double.doubleToRawLongBits(r);
      if (normalOrZero(bits) && !denormal(a) && !denormal(b)) {
        if (wantsInexact(env)) {
          inexactSum64(env, x, -y, r);
        }
        return bits;
      }
    }
    return arithmetic64(env, SUB, a, b);
  }

  /**
   * Raises PE if {@code r} is not exactly {@code x + y}; the exact path where this could overflow.
   */
  private static void inexactSum64(FloatEnv env, double x, double y, double r) {
    if (Math.abs(r) > 0x1p1000 || Math.abs(x) > 0x1p1000) {
      arithmetic(
          env, ADD, Double.doubleToRawLongBits(x), Double.doubleToRawLongBits(y), Format.DOUBLE);
      return;
    }
    double part = r - x;
    if ((x - (r - part)) + (y - part) != 0) {
      env.raised |= FloatEnv.PE;
    }
  }

  /** MULSD. */
  public static long mul64(FloatEnv env, long a, long b) {
    if (fast(env)) {
      double x = Double.longBitsToDouble(a);
      double y = Double.longBitsToDouble(b);
      double r = x * y;
      long bits = Double.doubleToRawLongBits(r);
      if (normal(bits) && !denormal(a) && !denormal(b)) {
        if (!wantsInexact(env)) {
          return tinyOnRounding(bits) ? arithmetic64(env, MUL, a, b) : bits;
        }
        if (Math.abs(r) > 0x1p-900) {
          if (Math.fma(x, y, -r) != 0) {
            env.raised |= FloatEnv.PE;
          }
          return bits;
        }
      } else if (zero(bits) && (zero(a) || zero(b)) && !denormal(a) && !denormal(b)) {
        return bits;
      }
    }
    return arithmetic64(env, MUL, a, b);
  }

  /** DIVSD. */
  public static long div64(FloatEnv env, long a, long b) {
    if (fast(env)) {
      double x = Double.longBitsToDouble(a);
      double y = Double.longBitsToDouble(b);
      double r = x / y;
      long bits = Double.doubleToRawLongBits(r);
      if (normal(bits) && !denormal(a) && !denormal(b)) {
        if (!wantsInexact(env)) {
          return tinyOnRounding(bits) ? arithmetic64(env, DIV, a, b) : bits;
        }
        if (Math.abs(x) > 0x1p-900 && Math.abs(r) > 0x1p-1000) {
          if (Math.fma(r, y, -x) != 0) {
            env.raised |= FloatEnv.PE;
          }
          return bits;
        }
      } else if (zero(a) && normal(b)) {
        return bits;
      }
    }
    return arithmetic64(env, DIV, a, b);
  }

  /** The least normal number: it may have been reached by rounding up from a tiny result. */
  private static boolean tinyOnRounding(long bits) {
    return bits << 1 == 1L << 53;
  }

  private static boolean tinyOnRounding(int bits) {
    return bits << 1 == 1 << 24;
  }

  /** SQRTSD. */
  public static long sqrt64(FloatEnv env, long a) {
    if (fast(env) && a > 0 && normal(a)) {
      double x = Double.longBitsToDouble(a);
      double r = Math.sqrt(x);
      if (!wantsInexact(env)) {
        return Double.doubleToRawLongBits(r);
      }
      if (x > 0x1p-900) {
        if (Math.fma(r, r, -x) != 0) {
          env.raised |= FloatEnv.PE;
        }
        return Double.doubleToRawLongBits(r);
      }
    }
    return squareRoot(env, a, Format.DOUBLE);
  }

  /** ADDSS. */
  public static int add32(FloatEnv env, int a, int b) {
    if (fast(env)) {
      float x = Float.intBitsToFloat(a);
      float y = Float.intBitsToFloat(b);
      float r = x + y;
      int bits = Float.floatToRawIntBits(r);
      if (normalOrZero(bits) && !denormal(a) && !denormal(b)) {
        if (wantsInexact(env)) {
          inexactSum32(env, x, y, r);
        }
        return bits;
      }
    }
    return arithmetic32(env, ADD, a, b);
  }

  /** SUBSS. */
  public static int sub32(FloatEnv env, int a, int b) {
    if (fast(env)) {
      float x = Float.intBitsToFloat(a);
      float y = Float.intBitsToFloat(b);
      float r = x - y;
      int bits = Float.floatToRawIntBits(r);
      if (normalOrZero(bits) && !denormal(a) && !denormal(b)) {
        if (wantsInexact(env)) {
          inexactSum32(env, x, -y, r);
        }
        return bits;
      }
    }
    return arithmetic32(env, SUB, a, b);
  }

  /** Raises PE if {@code r} is not exactly {@code x + y}; double precision cannot overflow here. */
  private static void inexactSum32(FloatEnv env, double x, double y, double r) {
    double part = r - x;
    if ((x - (r - part)) + (y - part) != 0) {
      env.raised |= FloatEnv.PE;
    }
  }

  /** MULSS. */
  public static int mul32(FloatEnv env, int a, int b) {
    if (fast(env)) {
      float x = Float.intBitsToFloat(a);
      float y = Float.intBitsToFloat(b);
      float r = x * y;
      int bits = Float.floatToRawIntBits(r);
      if (normal(bits) && !denormal(a) && !denormal(b) && !tinyOnRounding(bits)) {
        if (wantsInexact(env) && (double) x * y != r) {
          env.raised |= FloatEnv.PE;
        }
        return bits;
      } else if (zero(bits) && (zero(a) || zero(b)) && !denormal(a) && !denormal(b)) {
        return bits;
      }
    }
    return arithmetic32(env, MUL, a, b);
  }

  /** DIVSS. */
  public static int div32(FloatEnv env, int a, int b) {
    if (fast(env)) {
      float x = Float.intBitsToFloat(a);
      float y = Float.intBitsToFloat(b);
      float r = x / y;
      int bits = Float.floatToRawIntBits(r);
      if (normal(bits) && !denormal(a) && !denormal(b) && !tinyOnRounding(bits)) {
        if (wantsInexact(env) && (double) r * y != x) {
          env.raised |= FloatEnv.PE;
        }
        return bits;
      } else if (zero(a) && normal(b)) {
        return bits;
      }
    }
    return arithmetic32(env, DIV, a, b);
  }

  /** SQRTSS. */
  public static int sqrt32(FloatEnv env, int a) {
    if (fast(env) && a > 0 && normal(a)) {
      float x = Float.intBitsToFloat(a);
      float r = (float) Math.sqrt(x);
      if (wantsInexact(env) && (double) r * r != x) {
        env.raised |= FloatEnv.PE;
      }
      return Float.floatToRawIntBits(r);
    }
    return (int) squareRoot(env, a, Format.SINGLE);
  }

  private static int arithmetic32(FloatEnv env, int op, int a, int b) {
    if (nan(a) || nan(b)) {
      if (signaling(a) || signaling(b)) {
        env.raised |= FloatEnv.IE;
      }
      return quiet(nan(a) ? a : b);
    }
    return (int) arithmetic(env, op, a, b, Format.SINGLE);
  }

  private static long arithmetic64(FloatEnv env, int op, long a, long b) {
    if (nan(a) || nan(b)) {
      if (signaling(a) || signaling(b)) {
        env.raised |= FloatEnv.IE;
      }
      return quiet(nan(a) ? a : b);
    }
    return arithmetic(env, op, a, b, Format.DOUBLE);
  }

  /** Arithmetic on two numbers, in every rounding mode and with every special case but NaN. */
  private static long arithmetic(FloatEnv env, int op, long a, long b, Format format) {
    env.unpackMxcsr();
    long x = format.flushOperand(env, a);
    long y = format.flushOperand(env, b);
    boolean negativeA = format.negative(x);
    boolean negativeB = format.negative(y) ^ op == SUB;
    boolean zeroA = format.zero(x);
    boolean zeroB = format.zero(y);
    boolean infiniteA = format.infinite(x);
    boolean infiniteB = format.infinite(y);
    boolean negative = negativeA ^ negativeB;
    boolean invalid =
        switch (op) {
          case MUL -> (zeroA && infiniteB) || (infiniteA && zeroB);
          case DIV -> (zeroA && zeroB) || (infiniteA && infiniteB);
          default -> infiniteA && infiniteB && negative;
        };
    if (invalid) {
      env.raised |= FloatEnv.IE;
      return format.defaultNan();
    }
    if (op == DIV && zeroB && !infiniteA) {
      env.raised |= FloatEnv.ZE;
      return format.infinity(negative);
    }
    if (format.denormal(x) || format.denormal(y)) {
      env.raised |= FloatEnv.DE;
    }
    if (op == MUL || op == DIV) {
      if (infiniteA || (op == MUL && infiniteB)) {
        return format.infinity(negative);
      }
      if (zeroA || zeroB || infiniteB) {
        return format.zero(negative);
      }
      if (env.stopped()) {
        return 0;
      }
      long sig =
          op == MUL
              ? SoftFloat.multiply(
                  env,
                  negative,
                  format.exponent(x),
                  format.significand(x),
                  format.exponent(y),
                  format.significand(y),
                  format)
              : SoftFloat.divide(
                  env,
                  negative,
                  format.exponent(x),
                  format.significand(x),
                  format.exponent(y),
                  format.significand(y),
                  format);
      return format.pack(env, negative, sig);
    }
    if (infiniteA || infiniteB) {
      return format.infinity(infiniteA ? negativeA : negativeB);
    }
    if (zeroA && zeroB) {
      return format.zero(negative ? env.rounding == FloatEnv.DOWN : negativeA);
    }
    if (env.stopped()) {
      return 0;
    }
    if (zeroA || zeroB) {
      boolean sign = zeroA ? negativeB : negativeA;
      long other = zeroA ? y : x;
      long sig =
          SoftFloat.round(env, sign, format.exponent(other), format.significand(other), 0, format);
      return format.pack(env, sign, sig);
    }
    long sig =
        SoftFloat.add(
            env,
            negativeA,
            format.exponent(x),
            format.significand(x),
            negativeB,
            format.exponent(y),
            format.significand(y),
            format);
    return format.pack(env, env.aux != 0, sig);
  }

  private static long squareRoot(FloatEnv env, long a, Format format) {
    if (format.nan(a)) {
      if (format.signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      return format.quiet(a);
    }
    env.unpackMxcsr();
    long x = format.flushOperand(env, a);
    if (format.zero(x)) {
      return x;
    }
    if (format.negative(x)) {
      env.raised |= FloatEnv.IE;
      return format.defaultNan();
    }
    if (format.denormal(x)) {
      env.raised |= FloatEnv.DE;
    }
    if (format.infinite(x) || env.stopped()) {
      return x;
    }
    long sig = SoftFloat.squareRoot(env, format.exponent(x), format.significand(x), format);
    return format.pack(env, false, sig);
  }

  // ---- minimum, maximum, comparisons -----------------------------------------------------------

  /** MINSD: the second operand if either is NaN or both are zero. */
  public static long min64(FloatEnv env, long a, long b) {
    a = compareOperand64(env, a);
    b = compareOperand64(env, b);
    raiseCompare64(env, a, b, true);
    return Double.longBitsToDouble(a) < Double.longBitsToDouble(b) ? a : b;
  }

  /** MAXSD. */
  public static long max64(FloatEnv env, long a, long b) {
    a = compareOperand64(env, a);
    b = compareOperand64(env, b);
    raiseCompare64(env, a, b, true);
    return Double.longBitsToDouble(a) > Double.longBitsToDouble(b) ? a : b;
  }

  /** MINSS. */
  public static int min32(FloatEnv env, int a, int b) {
    a = compareOperand32(env, a);
    b = compareOperand32(env, b);
    raiseCompare32(env, a, b, true);
    return Float.intBitsToFloat(a) < Float.intBitsToFloat(b) ? a : b;
  }

  /** MAXSS. */
  public static int max32(FloatEnv env, int a, int b) {
    a = compareOperand32(env, a);
    b = compareOperand32(env, b);
    raiseCompare32(env, a, b, true);
    return Float.intBitsToFloat(a) > Float.intBitsToFloat(b) ? a : b;
  }

  private static long compareOperand64(FloatEnv env, long a) {
    return (env.mxcsr & FloatEnv.MXCSR_DAZ) != 0 && denormal(a) ? a & Long.MIN_VALUE : a;
  }

  private static int compareOperand32(FloatEnv env, int a) {
    return (env.mxcsr & FloatEnv.MXCSR_DAZ) != 0 && denormal(a) ? a & Integer.MIN_VALUE : a;
  }

  private static void raiseCompare64(FloatEnv env, long a, long b, boolean quietIsInvalid) {
    if (nan(a) || nan(b)) {
      if (quietIsInvalid || signaling(a) || signaling(b)) {
        env.raised |= FloatEnv.IE;
      }
    } else if (denormal(a) || denormal(b)) {
      env.raised |= FloatEnv.DE;
    }
  }

  private static void raiseCompare32(FloatEnv env, int a, int b, boolean quietIsInvalid) {
    if (nan(a) || nan(b)) {
      if (quietIsInvalid || signaling(a) || signaling(b)) {
        env.raised |= FloatEnv.IE;
      }
    } else if (denormal(a) || denormal(b)) {
      env.raised |= FloatEnv.DE;
    }
  }

  /**
   * CMPSD and VCMPSD with one of the 32 predicates of the VEX form, of which the legacy form has
   * the first eight: all ones if it holds, else zero.
   */
  public static long compare64(FloatEnv env, long a, long b, int predicate) {
    a = compareOperand64(env, a);
    b = compareOperand64(env, b);
    raiseCompare64(env, a, b, signals(predicate));
    double x = Double.longBitsToDouble(a);
    double y = Double.longBitsToDouble(b);
    return holds(predicate, x < y, x == y, x > y) ? -1L : 0;
  }

  /** CMPSS and VCMPSS. */
  public static int compare32(FloatEnv env, int a, int b, int predicate) {
    a = compareOperand32(env, a);
    b = compareOperand32(env, b);
    raiseCompare32(env, a, b, signals(predicate));
    float x = Float.intBitsToFloat(a);
    float y = Float.intBitsToFloat(b);
    return holds(predicate, x < y, x == y, x > y) ? -1 : 0;
  }

  /**
   * Whether a quiet NaN is invalid: LT, LE, NLT, NLE, NGE, NGT, GE and GT are in their plain form,
   * and the others in predicates 16 to 31.
   */
  private static boolean signals(int predicate) {
    int low = predicate & 3;
    boolean ordering = low == 1 || low == 2;
    return ordering ^ (predicate & 16) != 0;
  }

  private static boolean holds(int predicate, boolean less, boolean equal, boolean greater) {
    boolean unordered = !(less || equal || greater);
    return switch (predicate & 15) {
      case 0 -> equal;
      case 1 -> less;
      case 2 -> less || equal;
      case 3 -> unordered;
      case 4 -> !equal;
      case 5 -> !less;
      case 6 -> !(less || equal);
      case 7 -> !unordered;
      case 8 -> equal || unordered;
      case 9 -> less || unordered;
      case 10 -> !greater;
      case 11 -> false;
      case 12 -> less || greater;
      case 13 -> greater || equal;
      case 14 -> greater;
      default -> true;
    };
  }

  /**
   * COMISD ({@code signalQuiet}) and UCOMISD.
   *
   * @return ZF, PF and CF at their places in EFLAGS: 0x45 unordered, 0 greater, 1 less, 0x40 equal
   */
  public static int comi64(FloatEnv env, long a, long b, boolean signalQuiet) {
    a = compareOperand64(env, a);
    b = compareOperand64(env, b);
    raiseCompare64(env, a, b, signalQuiet);
    double x = Double.longBitsToDouble(a);
    double y = Double.longBitsToDouble(b);
    return x > y ? 0 : x < y ? 1 : x == y ? 0x40 : 0x45;
  }

  /** COMISS and UCOMISS, as {@link #comi64}. */
  public static int comi32(FloatEnv env, int a, int b, boolean signalQuiet) {
    a = compareOperand32(env, a);
    b = compareOperand32(env, b);
    raiseCompare32(env, a, b, signalQuiet);
    float x = Float.intBitsToFloat(a);
    float y = Float.intBitsToFloat(b);
    return x > y ? 0 : x < y ? 1 : x == y ? 0x40 : 0x45;
  }

  // ---- conversions -----------------------------------------------------------------------------

  /** CVTSS2SD. */
  public static long widen(FloatEnv env, int a) {
    if (nan(a)) {
      if (signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      long fraction = (long) quiet(a) << 41 >>> 12;
      return (long) a >> 63 << 63 | 0x7ff0_0000_0000_0000L | fraction;
    }
    a = compareOperand32(env, a);
    if (denormal(a)) {
      env.raised |= FloatEnv.DE;
    }
    return Double.doubleToRawLongBits(Float.intBitsToFloat(a));
  }

  /** CVTSD2SS. */
  public static int narrow(FloatEnv env, long a) {
    if (fast(env)) {
      double x = Double.longBitsToDouble(a);
      float r = (float) x;
      int bits = Float.floatToRawIntBits(r);
      if (normal(bits) && !tinyOnRounding(bits)) {
        if (r != x) {
          env.raised |= FloatEnv.PE;
        }
        return bits;
      }
    }
    return narrowExact(env, a);
  }

  private static int narrowExact(FloatEnv env, long a) {
    int sign = (int) (a >>> 32) & Integer.MIN_VALUE;
    if (nan(a)) {
      if (signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      return sign | 0x7fc0_0000 | (int) (a >>> 29) & 0x3f_ffff;
    }
    env.unpackMxcsr();
    long x = Format.DOUBLE.flushOperand(env, a);
    if (denormal(x)) {
      env.raised |= FloatEnv.DE;
    }
    if (Format.DOUBLE.zero(x) || Format.DOUBLE.infinite(x)) {
      return sign | (Format.DOUBLE.zero(x) ? 0 : 0x7f80_0000);
    }
    if (env.stopped()) {
      return 0;
    }
    long sig =
        SoftFloat.round(
            env, a < 0, Format.DOUBLE.exponent(x), Format.DOUBLE.significand(x), 0, Format.SINGLE);
    return (int) Format.SINGLE.pack(env, a < 0, sig);
  }

  /** CVTSI2SD from a 64-bit integer. A 32-bit one is always exact: see {@link #intToDouble}. */
  public static long longToDouble(FloatEnv env, long value) {
    return fromInteger(env, value, Format.DOUBLE);
  }

  /** CVTSI2SD and CVTDQ2PD: exact. */
  public static long intToDouble(int value) {
    return Double.doubleToRawLongBits(value);
  }

  /** CVTSI2SS and CVTDQ2PS, from a 32-bit integer sign-extended or a 64-bit one. */
  public static int toFloat(FloatEnv env, long value) {
    if (value == (int) value && Math.abs(value) <= 1 << 24) {
      return Float.floatToRawIntBits((float) value);
    }
    return (int) fromInteger(env, value, Format.SINGLE);
  }

  private static long fromInteger(FloatEnv env, long value, Format format) {
    if (value == 0) {
      return 0;
    }
    env.unpackMxcsr();
    long magnitude = Math.abs(value);
    int zeros = Long.numberOfLeadingZeros(magnitude);
    long sig = SoftFloat.round(env, value < 0, 63 - zeros, magnitude << zeros, 0, format);
    return format.pack(env, value < 0, sig);
  }

  /** CVTSD2SI to 32 bits, CVTPD2DQ; 0x80000000 if out of range. */
  public static int toInt64(FloatEnv env, long a) {
    return toInt(env, a, env.mxcsr >> 13 & 3);
  }

  /** CVTTSD2SI to 32 bits, CVTTPD2DQ. */
  public static int truncateToInt64(FloatEnv env, long a) {
    return toInt(env, a, FloatEnv.TOWARD_ZERO);
  }

  /** CVTSS2SI to 32 bits, CVTPS2DQ. */
  public static int toInt32(FloatEnv env, int a) {
    return toInt(env, plainWiden(env, a), env.mxcsr >> 13 & 3);
  }

  /** CVTTSS2SI to 32 bits, CVTTPS2DQ. */
  public static int truncateToInt32(FloatEnv env, int a) {
    return toInt(env, plainWiden(env, a), FloatEnv.TOWARD_ZERO);
  }

  /** CVTSD2SI to 64 bits; 0x8000000000000000 if out of range. */
  public static long toLong64(FloatEnv env, long a) {
    return toLong(env, a, env.mxcsr >> 13 & 3);
  }

  /** CVTTSD2SI to 64 bits. */
  public static long truncateToLong64(FloatEnv env, long a) {
    return toLong(env, a, FloatEnv.TOWARD_ZERO);
  }

  /** CVTSS2SI to 64 bits. */
  public static long toLong32(FloatEnv env, int a) {
    return toLong(env, plainWiden(env, a), env.mxcsr >> 13 & 3);
  }

  /** CVTTSS2SI to 64 bits. */
  public static long truncateToLong32(FloatEnv env, int a) {
    return toLong(env, plainWiden(env, a), FloatEnv.TOWARD_ZERO);
  }

  /** Widens without raising anything; what becomes an integer cares only for the value. */
  private static long plainWiden(FloatEnv env, int a) {
    return Double.doubleToRawLongBits(Float.intBitsToFloat(compareOperand32(env, a)));
  }

  private static int toInt(FloatEnv env, long a, int rounding) {
    double x = Double.longBitsToDouble(compareOperand64(env, a));
    double r = integral(x, rounding);
    int value = (int) r;
    if (value != r) {
      env.raised |= FloatEnv.IE;
      return Integer.MIN_VALUE;
    }
    if (r != x) {
      env.raised |= FloatEnv.PE;
    }
    return value;
  }

  private static long toLong(FloatEnv env, long a, int rounding) {
    double x = Double.longBitsToDouble(compareOperand64(env, a));
    double r = integral(x, rounding);
    if (!(r >= -0x1p63 && r < 0x1p63)) {
      env.raised |= FloatEnv.IE;
      return Long.MIN_VALUE;
    }
    if (r != x) {
      env.raised |= FloatEnv.PE;
    }
    return (long) r;
  }

  private static double integral(double x, int rounding) {
    return switch (rounding) {
      case FloatEnv.NEAREST -> Math.rint(x);
      case FloatEnv.DOWN -> Math.floor(x);
      case FloatEnv.UP -> Math.ceil(x);
      default -> x < 0 ? Math.ceil(x) : Math.floor(x);
    };
  }

  /**
   * ROUNDSD.
   *
   * @param control the immediate: bits 1:0 the rounding unless bit 2 asks for MXCSR's; bit 3 keeps
   *     PE from being raised
   */
  public static long round64(FloatEnv env, long a, int control) {
    if (nan(a)) {
      if (signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      return quiet(a);
    }
    double x = Double.longBitsToDouble(compareOperand64(env, a));
    double r = integral(x, (control & 4) != 0 ? env.mxcsr >> 13 & 3 : control & 3);
    if (r != x && (control & 8) == 0) {
      env.raised |= FloatEnv.PE;
    }
    return Double.doubleToRawLongBits(r);
  }

  /** ROUNDSS, as {@link #round64}. */
  public static int round32(FloatEnv env, int a, int control) {
    if (nan(a)) {
      if (signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      return quiet(a);
    }
    float x = Float.intBitsToFloat(compareOperand32(env, a));
    float r = (float) integral(x, (control & 4) != 0 ? env.mxcsr >> 13 & 3 : control & 3);
    if (r != x && (control & 8) == 0) {
      env.raised |= FloatEnv.PE;
    }
    return Float.floatToRawIntBits(r);
  }

  // ---- dot products -----------------------------------------------------------------------------

  /** Puts what one step of an instruction raised out of reach of what the next one traps. */
  static int nextStep(FloatEnv env) {
    int raised = env.raised;
    env.mxcsr |= raised;
    env.raised = 0;
    return raised;
  }

  /**
   * DPPD: the dot product before it is broadcast. Unmasked exceptions of the products keep the sum
   * from being computed.
   *
   * @param control the immediate, of which bits 5:4 choose the products
   */
  public static long dotProduct64(
      FloatEnv env, long aLo, long aHi, long bLo, long bHi, int control) {
    long p0 = (control & 0x10) != 0 ? mul64(env, aLo, bLo) : 0;
    long p1 = (control & 0x20) != 0 ? mul64(env, aHi, bHi) : 0;
    if (trapped(env)) {
      return 0;
    }
    int products = nextStep(env);
    long dot = add64(env, p0, p1);
    if (!trapped(env)) {
      env.raised |= products;
    }
    return dot;
  }

  static boolean trapped(FloatEnv env) {
    return (env.raised & ~(env.mxcsr >> 7)) != 0;
  }

  // ---- fused multiply-add -----------------------------------------------------------------------

  private static final long SIGN64 = Long.MIN_VALUE;
  private static final int SIGN32 = Integer.MIN_VALUE;

  /**
   * FMA3 on doubles: {@code a * b + c} rounded once.
   *
   * @param negateProduct as in VFNMADD and VFNMSUB
   * @param negateAddend as in VFMSUB and VFNMSUB
   */
  public static long fma64(
      FloatEnv env, long a, long b, long c, boolean negateProduct, boolean negateAddend) {
    if (fast(env) && !wantsInexact(env)) {
      double x = Double.longBitsToDouble(negateProduct ? a ^ SIGN64 : a);
      double z = Double.longBitsToDouble(negateAddend ? c ^ SIGN64 : c);
      long bits = Double.doubleToRawLongBits(Math.fma(x, Double.longBitsToDouble(b), z));
      if (normal(bits) && !tinyOnRounding(bits) && !denormal(a) && !denormal(b) && !denormal(c)) {
        return bits;
      }
    }
    return fusedExact(env, a, b, c, negateProduct, negateAddend, Format.DOUBLE);
  }

  /** FMA3 on singles, as {@link #fma64}. */
  public static int fma32(
      FloatEnv env, int a, int b, int c, boolean negateProduct, boolean negateAddend) {
    if (fast(env) && !wantsInexact(env)) {
      float x = Float.intBitsToFloat(negateProduct ? a ^ SIGN32 : a);
      float z = Float.intBitsToFloat(negateAddend ? c ^ SIGN32 : c);
      int bits = Float.floatToRawIntBits(Math.fma(x, Float.intBitsToFloat(b), z));
      if (normal(bits) && !tinyOnRounding(bits) && !denormal(a) && !denormal(b) && !denormal(c)) {
        return bits;
      }
    }
    return (int) fusedExact(env, a, b, c, negateProduct, negateAddend, Format.SINGLE);
  }

  private static long fusedExact(
      FloatEnv env,
      long a,
      long b,
      long c,
      boolean negateProduct,
      boolean negateAddend,
      Format format) {
    env.unpackMxcsr();
    long x = format.flushOperand(env, a);
    long y = format.flushOperand(env, b);
    long z = format.flushOperand(env, c);
    if (format.nan(x) || format.nan(y) || format.nan(z)) {
      return fusedNan(env, x, y, z, format);
    }
    boolean negative = format.negative(x) ^ format.negative(y) ^ negateProduct;
    boolean negativeC = format.negative(z) ^ negateAddend;
    boolean infiniteProduct = format.infinite(x) || format.infinite(y);
    boolean zeroProduct = format.zero(x) || format.zero(y);
    if (infiniteProduct && (zeroProduct || (format.infinite(z) && negative != negativeC))) {
      env.raised |= FloatEnv.IE;
      return format.defaultNan();
    }
    if (format.denormal(x) || format.denormal(y) || format.denormal(z)) {
      env.raised |= FloatEnv.DE;
    }
    if (infiniteProduct || format.infinite(z)) {
      return format.infinity(infiniteProduct ? negative : negativeC);
    }
    if (zeroProduct && format.zero(z)) {
      return format.zero(negative == negativeC ? negative : env.rounding == FloatEnv.DOWN);
    }
    if (env.stopped()) {
      return 0;
    }
    if (zeroProduct) {
      long sig =
          SoftFloat.round(env, negativeC, format.exponent(z), format.significand(z), 0, format);
      return format.pack(env, negativeC, sig);
    }
    if (format.zero(z)) {
      long sig =
          SoftFloat.multiply(
              env,
              negative,
              format.exponent(x),
              format.significand(x),
              format.exponent(y),
              format.significand(y),
              format);
      return format.pack(env, negative, sig);
    }
    long sig =
        SoftFloat.multiplyAdd(
            env,
            negative,
            format.exponent(x),
            format.significand(x),
            format.exponent(y),
            format.significand(y),
            negativeC,
            format.exponent(z),
            format.significand(z),
            format);
    return format.pack(env, env.aux != 0, sig);
  }

  /** The first NaN of the product's operands and the addend. */
  private static long fusedNan(FloatEnv env, long x, long y, long z, Format format) {
    if (format.signaling(x) || format.signaling(y) || format.signaling(z)) {
      env.raised |= FloatEnv.IE;
    }
    return format.quiet(format.nan(x) ? x : format.nan(y) ? y : z);
  }

  // ---- half precision ---------------------------------------------------------------------------

  /** VCVTPH2PS of one element in the low 16 bits. */
  public static int halfToSingle(FloatEnv env, int half) {
    int sign = half << 16 & SIGN32;
    if (Format.HALF.nan(half)) {
      if (Format.HALF.signaling(half)) {
        env.raised |= FloatEnv.IE;
      }
      return sign | 0x7fc0_0000 | (half & 0x3ff) << 13;
    }
    if (Format.HALF.zero(half)) {
      return sign;
    }
    if (Format.HALF.infinite(half)) {
      return sign | 0x7f80_0000;
    }
    int fraction = (int) (Format.HALF.significand(half) >>> 40) & 0x7f_ffff;
    return sign | Format.HALF.exponent(half) + 127 << 23 | fraction;
  }

  /**
   * VCVTPS2PH of one element; results are never flushed to zero.
   *
   * @param control the immediate: bits 1:0 the rounding unless bit 2 asks for MXCSR's
   */
  public static int singleToHalf(FloatEnv env, int a, int control) {
    int sign = a >>> 16 & 0x8000;
    if (nan(a)) {
      if (signaling(a)) {
        env.raised |= FloatEnv.IE;
      }
      return sign | 0x7e00 | a >>> 13 & 0x3ff;
    }
    env.unpackMxcsr();
    env.flushToZero = false;
    if ((control & 4) == 0) {
      env.rounding = control & 3;
    }
    long x = Format.SINGLE.flushOperand(env, a);
    if (Format.SINGLE.denormal(x)) {
      env.raised |= FloatEnv.DE;
    }
    if (Format.SINGLE.zero(x) || Format.SINGLE.infinite(x) || env.stopped()) {
      return sign | (Format.SINGLE.infinite(x) ? 0x7c00 : 0);
    }
    long sig =
        SoftFloat.round(
            env, a < 0, Format.SINGLE.exponent(x), Format.SINGLE.significand(x), 0, Format.HALF);
    return (int) Format.HALF.pack(env, a < 0, sig) & 0xffff;
  }
}
