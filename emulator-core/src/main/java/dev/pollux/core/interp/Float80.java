package dev.pollux.core.interp;

import dev.pollux.core.interp.SoftFloat.Format;

/**
 * x87 arithmetic on 80-bit numbers (Intel SDM vol. 1, chapter 8).
 *
 * <p>A number is its sign and biased exponent ({@code se}, 16 bits) and its significand with the
 * explicit integer bit ({@code sig}). A function returns the significand of its result and leaves
 * sign and exponent in {@code env.se}; it adds the exceptions it raises to {@code env.raised} under
 * the control word given to {@link FloatEnv#beginX87}. The caller drops the result if an unmasked
 * exception of {@link FloatEnv#BEFORE_OPERATION} is among them. Trapped overflow and underflow give
 * the result with the exponent moved by 24576, as for a register destination.
 */
public final class Float80 {
  private static final int BIAS = 16383;
  private static final int EXPONENT = 0x7fff;
  private static final int SIGN = 0x8000;
  private static final long INTEGER_BIT = Long.MIN_VALUE;
  private static final long QUIET_BIT = 1L << 62;

  /** Sign and exponent of the indefinite, a quiet NaN. */
  public static final int INDEFINITE_SE = 0xffff;

  /** Significand of the indefinite. */
  public static final long INDEFINITE_SIG = 0xc000_0000_0000_0000L;

  private Float80() {}

  // ---- classification -------------------------------------------------------------------------

  /** Unnormals, pseudo-infinities and pseudo-NaNs: an exponent without an integer bit. */
  static boolean unsupported(int se, long sig) {
    return (se & EXPONENT) != 0 && sig >= 0;
  }

  static boolean nan(int se, long sig) {
    return (se & EXPONENT) == EXPONENT && sig << 1 != 0;
  }

  static boolean signaling(int se, long sig) {
    return nan(se, sig) && (sig & QUIET_BIT) == 0;
  }

  static boolean infinite(int se, long sig) {
    return (se & EXPONENT) == EXPONENT && sig << 1 == 0;
  }

  static boolean zero(int se, long sig) {
    return (se & EXPONENT) == 0 && sig == 0;
  }

  /** Denormals and pseudo-denormals. */
  static boolean denormal(int se, long sig) {
    return (se & EXPONENT) == 0 && sig != 0;
  }

  private static boolean negative(int se) {
    return (se & SIGN) != 0;
  }

  private static int sign(boolean negative) {
    return negative ? SIGN : 0;
  }

  /** Unbiased exponent of a finite non-zero number as if normalised. */
  static int exponent(int se, long sig) {
    int field = se & EXPONENT;
    return field != 0 ? field - BIAS : 1 - BIAS - Long.numberOfLeadingZeros(sig);
  }

  static long normalised(long sig) {
    return sig << Long.numberOfLeadingZeros(sig);
  }

  /** FXAM's classes, as C3, C2 and C0 at their places in the status word (bits 14, 10 and 8). */
  public static int examine(int se, long sig) {
    if (unsupported(se, sig)) {
      return 0;
    }
    if ((se & EXPONENT) == EXPONENT) {
      return sig << 1 != 0 ? 0x0100 : 0x0500;
    }
    if ((se & EXPONENT) == 0) {
      return sig == 0 ? 0x4000 : 0x4400;
    }
    return 0x0400;
  }

  // ---- results --------------------------------------------------------------------------------

  private static long result(FloatEnv env, int se, long sig) {
    env.se = se;
    return sig;
  }

  private static long invalid(FloatEnv env) {
    env.raised |= FloatEnv.IE;
    return result(env, INDEFINITE_SE, INDEFINITE_SIG);
  }

  private static long zero(FloatEnv env, boolean negative) {
    return result(env, sign(negative), 0);
  }

  private static long infinity(FloatEnv env, boolean negative) {
    return result(env, sign(negative) | EXPONENT, INTEGER_BIT);
  }

  /** Attaches sign and exponent to a significand just rounded. */
  private static long pack(FloatEnv env, boolean negative, long sig) {
    env.se = sign(negative) | (sig < 0 ? env.exp + BIAS & EXPONENT : 0);
    return sig;
  }

  static long round(FloatEnv env, boolean negative, int exp, long hi, long lo, Format format) {
    return pack(env, negative, SoftFloat.round(env, negative, exp, hi, lo, format));
  }

  /**
   * The NaN that results from operands of which at least one is a NaN: a quiet one before a
   * signaling one, then the one with the larger significand (Intel SDM vol. 1, table 4-7).
   */
  private static long propagate(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    boolean nanA = nan(seA, sigA);
    boolean nanB = nan(seB, sigB);
    boolean signalingA = signaling(seA, sigA);
    boolean signalingB = signaling(seB, sigB);
    if (signalingA || signalingB) {
      env.raised |= FloatEnv.IE;
    }
    boolean first;
    if (!nanA || !nanB) {
      first = nanA;
    } else if (signalingA != signalingB) {
      first = signalingB;
    } else {
      int order = Long.compareUnsigned(sigA, sigB);
      first = order > 0 || (order == 0 && !negative(seA));
    }
    return first ? result(env, seA, sigA | QUIET_BIT) : result(env, seB, sigB | QUIET_BIT);
  }

  /** Whether a one-operand function ends here with a NaN; the result is then in {@code env}. */
  private static boolean special(int se, long sig) {
    return unsupported(se, sig) || nan(se, sig);
  }

  private static long specialResult(FloatEnv env, int se, long sig) {
    if (unsupported(se, sig)) {
      return invalid(env);
    }
    if (signaling(se, sig)) {
      env.raised |= FloatEnv.IE;
    }
    return result(env, se, sig | QUIET_BIT);
  }

  private static boolean special(int seA, long sigA, int seB, long sigB) {
    return special(seA, sigA) || special(seB, sigB);
  }

  private static long specialResult(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (unsupported(seA, sigA) || unsupported(seB, sigB)) {
      return invalid(env);
    }
    return propagate(env, seA, sigA, seB, sigB);
  }

  private static void raiseDenormal(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (env.denormalOperand || denormal(seA, sigA) || denormal(seB, sigB)) {
      env.raised |= FloatEnv.DE;
    }
  }

  // ---- arithmetic -----------------------------------------------------------------------------

  /** FADD. */
  public static long add(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    return addNumbers(env, seA, sigA, seB, sigB);
  }

  /** FSUB: {@code a - b}. */
  public static long subtract(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    return addNumbers(env, seA, sigA, seB ^ SIGN, sigB);
  }

  private static long addNumbers(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    boolean negativeA = negative(seA);
    boolean negativeB = negative(seB);
    boolean infiniteA = infinite(seA, sigA);
    boolean infiniteB = infinite(seB, sigB);
    if (infiniteA && infiniteB && negativeA != negativeB) {
      return invalid(env);
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (infiniteA || infiniteB) {
      return infinity(env, infiniteA ? negativeA : negativeB);
    }
    if (env.stopped()) {
      return result(env, seA, sigA);
    }
    if (sigA == 0 || sigB == 0) {
      if (sigA == sigB) {
        return zero(env, negativeA == negativeB ? negativeA : env.rounding == FloatEnv.DOWN);
      }
      int se = sigA == 0 ? seB : seA;
      long sig = sigA == 0 ? sigB : sigA;
      return round(env, negative(se), exponent(se, sig), normalised(sig), 0, env.x87Format);
    }
    long sig =
        SoftFloat.add(
            env,
            negativeA,
            exponent(seA, sigA),
            normalised(sigA),
            negativeB,
            exponent(seB, sigB),
            normalised(sigB),
            env.x87Format);
    return pack(env, env.aux != 0, sig);
  }

  /** FMUL. */
  public static long multiply(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    boolean negative = negative(seA ^ seB);
    boolean infiniteA = infinite(seA, sigA);
    boolean infiniteB = infinite(seB, sigB);
    if ((infiniteA && sigB == 0) || (infiniteB && sigA == 0)) {
      return invalid(env);
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (infiniteA || infiniteB) {
      return infinity(env, negative);
    }
    if (sigA == 0 || sigB == 0 || env.stopped()) {
      return zero(env, negative);
    }
    long sig =
        SoftFloat.multiply(
            env,
            negative,
            exponent(seA, sigA),
            normalised(sigA),
            exponent(seB, sigB),
            normalised(sigB),
            env.x87Format);
    return pack(env, negative, sig);
  }

  /** FDIV: {@code a / b}. */
  public static long divide(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    boolean negative = negative(seA ^ seB);
    boolean infiniteA = infinite(seA, sigA);
    boolean infiniteB = infinite(seB, sigB);
    if ((infiniteA && infiniteB) || (zero(seA, sigA) && zero(seB, sigB))) {
      return invalid(env);
    }
    if (sigB == 0 && !infiniteA) {
      env.raised |= FloatEnv.ZE;
      return infinity(env, negative);
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (infiniteA) {
      return infinity(env, negative);
    }
    if (infiniteB || sigA == 0 || env.stopped()) {
      return zero(env, negative);
    }
    long sig =
        SoftFloat.divide(
            env,
            negative,
            exponent(seA, sigA),
            normalised(sigA),
            exponent(seB, sigB),
            normalised(sigB),
            env.x87Format);
    return pack(env, negative, sig);
  }

  /** FSQRT. */
  public static long squareRoot(FloatEnv env, int se, long sig) {
    if (special(se, sig)) {
      return specialResult(env, se, sig);
    }
    if (sig == 0) {
      return result(env, se, sig);
    }
    if (negative(se)) {
      return invalid(env);
    }
    raiseDenormal(env, se, sig, 0, 0);
    if (infinite(se, sig) || env.stopped()) {
      return result(env, se, sig);
    }
    long root = SoftFloat.squareRoot(env, exponent(se, sig), normalised(sig), env.x87Format);
    return pack(env, false, root);
  }

  /** FRNDINT. */
  public static long roundToInteger(FloatEnv env, int se, long sig) {
    if (special(se, sig)) {
      return specialResult(env, se, sig);
    }
    if (sig == 0 || infinite(se, sig)) {
      return result(env, se, sig);
    }
    raiseDenormal(env, se, sig, 0, 0);
    if (env.stopped()) {
      return result(env, se, sig);
    }
    int exp = exponent(se, sig);
    if (exp >= 63) {
      return result(env, se, sig);
    }
    long integer = integerPart(env, negative(se), exp, normalised(sig));
    if (integer == 0) {
      return zero(env, negative(se));
    }
    int zeros = Long.numberOfLeadingZeros(integer);
    return result(env, se & SIGN | BIAS + 63 - zeros, integer << zeros);
  }

  /** The magnitude rounded to an integer; {@code exp} is below 64. Raises PE. */
  private static long integerPart(FloatEnv env, boolean negative, int exp, long sig) {
    int shift = 63 - exp;
    long integer = shift < 64 ? sig >>> shift : 0;
    long rest = SoftFloat.shiftRightSticky(sig, 0, shift);
    env.roundedUp = false;
    if (rest != 0) {
      env.raised |= FloatEnv.PE;
      if (SoftFloat.roundsUp(env.rounding, negative, integer, rest)) {
        env.roundedUp = true;
        integer++;
      }
    }
    return integer;
  }

  /** FSCALE: {@code a * 2^trunc(b)}. */
  public static long scale(FloatEnv env, int seA, long sigA, int seB, long sigB) {
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    boolean negative = negative(seA);
    if (infinite(seB, sigB)) {
      boolean down = negative(seB);
      if (down ? infinite(seA, sigA) : zero(seA, sigA)) {
        return invalid(env);
      }
      raiseDenormal(env, seA, sigA, seB, sigB);
      return down ? zero(env, negative) : infinity(env, negative);
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (sigA == 0 || infinite(seA, sigA) || env.stopped()) {
      return result(env, seA, sigA);
    }
    int exp = exponent(seA, sigA);
    int steps = 0;
    if (sigB != 0) {
      int size = exponent(seB, sigB);
      int magnitude = size < 0 ? 0 : size > 16 ? 0x1_0000 : (int) (sigB >>> (63 - size));
      steps = negative(seB) ? -magnitude : magnitude;
    }
    long scaled = round(env, negative, exp + steps, normalised(sigA), 0, Format.EXTENDED);
    if (Math.abs(env.exp) > BIAS && (env.unmasked() & (FloatEnv.OE | FloatEnv.UE)) != 0) {
      // Too far out even for the exponent of a trapped result.
      env.raised |= FloatEnv.PE;
      env.roundedUp = steps > 0;
      return steps > 0 ? infinity(env, negative) : zero(env, negative);
    }
    return scaled;
  }

  /**
   * FXTRACT: returns the significand as a number between 1 and 2; the exponent as a number is in
   * {@code env.aux} (an integer), or {@link Long#MIN_VALUE} for minus and {@link Long#MAX_VALUE}
   * for plus infinity. For a NaN both results are the NaN: {@code env.aux} is then 0 and the
   * result's exponent is all ones.
   */
  public static long extract(FloatEnv env, int se, long sig) {
    env.aux = 0;
    if (special(se, sig)) {
      return specialResult(env, se, sig);
    }
    if (infinite(se, sig)) {
      env.aux = Long.MAX_VALUE;
      return result(env, se, sig);
    }
    if (sig == 0) {
      env.raised |= FloatEnv.ZE;
      env.aux = Long.MIN_VALUE;
      return result(env, se, sig);
    }
    raiseDenormal(env, se, sig, 0, 0);
    env.aux = exponent(se, sig);
    return result(env, se & SIGN | BIAS, normalised(sig));
  }

  /**
   * FPREM, or FPREM1 if {@code nearest}: one step of the remainder of {@code a} by {@code b}. The
   * quotient's low bits are in {@code env.aux}, or -1 if the reduction is incomplete (C2).
   */
  public static long remainder(
      FloatEnv env, int seA, long sigA, int seB, long sigB, boolean nearest) {
    env.aux = 0;
    if (special(seA, sigA, seB, sigB)) {
      return specialResult(env, seA, sigA, seB, sigB);
    }
    if (infinite(seA, sigA) || sigB == 0) {
      return invalid(env);
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (sigA == 0 || env.stopped()) {
      return result(env, seA, sigA);
    }
    int expA = exponent(seA, sigA);
    long a = normalised(sigA);
    if (infinite(seB, sigB)) {
      return round(env, negative(seA), expA, a, 0, Format.EXTENDED);
    }
    int expB = exponent(seB, sigB);
    long b = normalised(sigB);
    int distance = expA - expB;
    if (distance < -1 || (distance < 0 && !nearest)) {
      return round(env, negative(seA), expA, a, 0, Format.EXTENDED);
    }
    if (distance >= 64) {
      int steps = distance & 31 | 32;
      long rest = reduce(env, a, b, steps);
      env.aux = -1;
      return packRemainder(env, negative(seA), expA - steps, rest);
    }
    boolean negative = negative(seA);
    if (distance < 0) {
      if (Long.compareUnsigned(a, b) <= 0) {
        return round(env, negative, expA, a, 0, Format.EXTENDED);
      }
      env.aux = 1;
      return packRemainder(env, !negative, expA, (b << 1) - a);
    }
    long rest = reduce(env, a, b, distance);
    if (nearest) {
      int order = Long.compareUnsigned(rest, b - rest);
      if (order > 0 || (order == 0 && (env.aux & 1) != 0)) {
        env.aux++;
        rest = b - rest;
        negative = !negative;
      }
    }
    env.aux &= 7;
    return packRemainder(env, negative, expB, rest);
  }

  /** {@code a * 2^steps mod b}, {@code steps} below 64; the quotient's low bits in {@code aux}. */
  private static long reduce(FloatEnv env, long a, long b, int steps) {
    long quotient = 0;
    long rest = a;
    boolean carry = false;
    for (int i = 0; ; i++) {
      quotient <<= 1;
      if (carry || Long.compareUnsigned(rest, b) >= 0) {
        rest -= b;
        quotient |= 1;
      }
      if (i == steps) {
        break;
      }
      carry = rest < 0;
      rest <<= 1;
    }
    env.aux = quotient;
    return rest;
  }

  private static long packRemainder(FloatEnv env, boolean negative, int exp, long rest) {
    if (rest == 0) {
      return zero(env, negative);
    }
    int zeros = Long.numberOfLeadingZeros(rest);
    return round(env, negative, exp - zeros, rest << zeros, 0, Format.EXTENDED);
  }

  /**
   * FCOM and FUCOM: invalid on a quiet NaN only if {@code signalQuiet}.
   *
   * @return ZF, PF and CF at their places in EFLAGS: 0x45 unordered, 0 greater, 1 less, 0x40 equal
   */
  public static int compare(
      FloatEnv env, int seA, long sigA, int seB, long sigB, boolean signalQuiet) {
    if (special(seA, sigA, seB, sigB)) {
      if (signalQuiet
          || unsupported(seA, sigA)
          || unsupported(seB, sigB)
          || signaling(seA, sigA)
          || signaling(seB, sigB)) {
        env.raised |= FloatEnv.IE;
      }
      return 0x45;
    }
    raiseDenormal(env, seA, sigA, seB, sigB);
    if (sigA == 0 && sigB == 0) {
      return 0x40;
    }
    if (negative(seA) != negative(seB)) {
      return negative(seA) ? 1 : 0;
    }
    int order = Integer.compare(magnitudeExponent(seA), magnitudeExponent(seB));
    if (order == 0) {
      order = Long.compareUnsigned(sigA, sigB);
    }
    if (order == 0) {
      return 0x40;
    }
    return order < 0 ^ negative(seA) ? 1 : 0;
  }

  /** Biased exponent with that of denormals and pseudo-denormals as it counts. */
  private static int magnitudeExponent(int se) {
    return Math.max(se & EXPONENT, 1);
  }

  // ---- conversions ----------------------------------------------------------------------------

  /** FLD from single precision. */
  public static long fromSingle(FloatEnv env, int bits) {
    if (Format.SINGLE.signaling(bits)) {
      env.raised |= FloatEnv.IE;
      bits |= 1 << 22;
    }
    long sig = widen(env, bits);
    if (env.denormalOperand) {
      env.raised |= FloatEnv.DE;
    }
    return sig;
  }

  /** FLD from double precision. */
  public static long fromDouble(FloatEnv env, long bits) {
    if (Format.DOUBLE.signaling(bits)) {
      env.raised |= FloatEnv.IE;
      bits |= 1L << 51;
    }
    long sig = widen(env, bits);
    if (env.denormalOperand) {
      env.raised |= FloatEnv.DE;
    }
    return sig;
  }

  /**
   * A single as an operand: raises nothing and keeps a signaling NaN, which the operation will see;
   * notes a denormal.
   */
  static long widen(FloatEnv env, int bits) {
    int sign = bits >>> 16 & SIGN;
    return Format.SINGLE.nan(bits)
        ? result(env, sign | EXPONENT, INTEGER_BIT | (long) bits << 40)
        : fromNumber(env, sign, bits, Format.SINGLE);
  }

  /** A double as an operand, as {@link #widen(FloatEnv, int)}. */
  static long widen(FloatEnv env, long bits) {
    int sign = (int) (bits >>> 48) & SIGN;
    return Format.DOUBLE.nan(bits)
        ? result(env, sign | EXPONENT, INTEGER_BIT | bits << 11)
        : fromNumber(env, sign, bits, Format.DOUBLE);
  }

  private static long fromNumber(FloatEnv env, int sign, long bits, Format format) {
    if (format.zero(bits)) {
      return result(env, sign, 0);
    }
    if (format.infinite(bits)) {
      return result(env, sign | EXPONENT, INTEGER_BIT);
    }
    env.denormalOperand = format.denormal(bits);
    return result(env, sign | format.exponent(bits) + BIAS, format.significand(bits));
  }

  /** FILD: exact. */
  public static long fromInteger(FloatEnv env, long value) {
    if (value == 0) {
      return result(env, 0, 0);
    }
    long magnitude = Math.abs(value);
    int zeros = Long.numberOfLeadingZeros(magnitude);
    return result(env, sign(value < 0) | BIAS + 63 - zeros, magnitude << zeros);
  }

  /** FST to single precision. */
  public static int toSingle(FloatEnv env, int se, long sig) {
    return (int) toFormat(env, se, sig, Format.SINGLE);
  }

  /** FST to double precision. */
  public static long toDouble(FloatEnv env, int se, long sig) {
    return toFormat(env, se, sig, Format.DOUBLE);
  }

  private static long toFormat(FloatEnv env, int se, long sig, Format format) {
    boolean negative = negative(se);
    if (unsupported(se, sig)) {
      env.raised |= FloatEnv.IE;
      return format.defaultNan();
    }
    if (nan(se, sig)) {
      if (signaling(se, sig)) {
        env.raised |= FloatEnv.IE;
      }
      return format.quiet(format.infinity(negative) | sig << 1 >>> (65 - format.precision));
    }
    if (sig == 0) {
      return format.zero(negative);
    }
    if (infinite(se, sig)) {
      return format.infinity(negative);
    }
    long rounded = SoftFloat.round(env, negative, exponent(se, sig), normalised(sig), 0, format);
    return format.pack(env, negative, rounded);
  }

  /**
   * FIST, or FISTTP if {@code truncate}, to an integer of {@code bits} bits (16, 32 or 64), sign
   * extended; the least integer of that size if out of range.
   */
  public static long toInteger(FloatEnv env, int se, long sig, int bits, boolean truncate) {
    long indefinite = -1L << (bits - 1);
    if (sig == 0 && (se & EXPONENT) == 0) {
      return 0;
    }
    if (special(se, sig) || infinite(se, sig) || exponent(se, sig) > 63) {
      env.raised |= FloatEnv.IE;
      return indefinite;
    }
    boolean negative = negative(se);
    int before = env.raised;
    int rounding = env.rounding;
    if (truncate) {
      env.rounding = FloatEnv.TOWARD_ZERO;
    }
    int exp = exponent(se, sig);
    long magnitude = integerPart(env, negative, exp, normalised(sig));
    env.rounding = rounding;
    long value = negative ? -magnitude : magnitude;
    boolean wrapped =
        magnitude == 0 ? exp >= 0 : magnitude < 0 && !(negative && value == magnitude);
    if (wrapped || value << (64 - bits) >> (64 - bits) != value) {
      env.raised = before | FloatEnv.IE;
      env.roundedUp = false;
      return indefinite;
    }
    return value;
  }

  private static final long MAX_BCD = 999_999_999_999_999_999L;

  /**
   * FBSTP: the low 64 bits of the packed decimal, its high 16 bits in {@code env.se}; the packed
   * indefinite if out of range.
   */
  public static long toBcd(FloatEnv env, int se, long sig) {
    int before = env.raised;
    long value = toInteger(env, se, sig, 64, false);
    if (Math.abs(value) > MAX_BCD || value == Long.MIN_VALUE) {
      env.raised = before | FloatEnv.IE;
      env.roundedUp = false;
      return result(env, INDEFINITE_SE, INDEFINITE_SIG);
    }
    long rest = Math.abs(value);
    long low = 0;
    for (int shift = 0; shift < 64; shift += 4) {
      low |= rest % 10 << shift;
      rest /= 10;
    }
    return result(env, se & SIGN | (int) (rest % 10 | rest / 10 << 4), low);
  }

  /** FBLD: exact. A nibble above nine counts its value, as the processors do. */
  public static long fromBcd(FloatEnv env, int high, long low) {
    long value = (high >> 4 & 15) * 10L + (high & 15);
    for (int shift = 60; shift >= 0; shift -= 4) {
      value = value * 10 + (low >>> shift & 15);
    }
    long sig = fromInteger(env, value);
    return result(env, env.se | high & SIGN, sig);
  }
}
