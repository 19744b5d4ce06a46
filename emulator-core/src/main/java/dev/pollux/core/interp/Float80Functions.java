package dev.pollux.core.interp;

import dev.pollux.core.interp.SoftFloat.Format;

/**
 * The transcendental x87 instructions (Intel SDM vol. 1, 8.3.8).
 *
 * <p>Results are the true values rounded to 64 bits with an error hardly above half an ulp, whereas
 * the processors promise one ulp: the last bit may differ from theirs, and with it C1. Arguments of
 * FSIN, FCOS, FSINCOS and FPTAN are reduced by a pi of 66 bits, as the processors do. Rounding
 * control applies, precision control does not. Results and {@code env} are as in {@link Float80}.
 */
final class Float80Functions {
  private static final int BIAS = 16383;
  private static final int SIGN = 0x8000;
  private static final int EXPONENT = 0x7fff;
  private static final long INTEGER_BIT = Long.MIN_VALUE;

  /** Pi in 66 bits: these, and two ones. */
  private static final long PI_TOP = 0xc90f_daa2_2168_c234L;

  private Float80Functions() {}

  private static boolean special(int se, long sig) {
    return Float80.unsupported(se, sig) || Float80.nan(se, sig);
  }

  private static long result(FloatEnv env, int se, long sig) {
    env.se = se;
    return sig;
  }

  private static long invalid(FloatEnv env) {
    env.raised |= FloatEnv.IE;
    return result(env, Float80.INDEFINITE_SE, Float80.INDEFINITE_SIG);
  }

  private static void noteDenormal(FloatEnv env, int se, long sig) {
    if (Float80.denormal(se, sig)) {
      env.raised |= FloatEnv.DE;
    }
  }

  /** The value of a number whose exponent fits a double's. */
  private static DoubleDouble value(int se, long sig) {
    DoubleDouble magnitude =
        DoubleDouble.ofSignificand(Float80.normalised(sig)).scaled(Float80.exponent(se, sig));
    return (se & SIGN) != 0 ? magnitude.negate() : magnitude;
  }

  /** Rounds {@code value * 2^exp}, taken to be inexact. */
  private static long round(FloatEnv env, DoubleDouble value, int exp) {
    boolean negative = value.hi() < 0;
    DoubleDouble v = negative ? value.negate() : value;
    int e = Math.getExponent(v.hi());
    long top = (long) Math.scalb(v.hi(), 52 - e) << 11;
    double rest = Math.scalb(v.lo(), 63 - e);
    double whole = Math.floor(rest);
    long lo = (long) ((rest - whole) * 0x1p63) << 1 | 1;
    long hi = top + (long) whole;
    if (hi >= 0) {
      // The value is just below a power of two.
      hi = hi << 1 | lo >>> 63;
      lo = lo << 1 | 1;
      e--;
    }
    return Float80.round(env, negative, exp + e, hi, lo, Format.EXTENDED);
  }

  /** A little less in magnitude than a number: what sin x and the like are for tiny x. */
  private static long roundJustBelow(FloatEnv env, int se, long sig) {
    long s = Float80.normalised(sig);
    int exp = Float80.exponent(se, sig);
    if (s == INTEGER_BIT) {
      return Float80.round(env, (se & SIGN) != 0, exp - 1, -1, -1, Format.EXTENDED);
    }
    return Float80.round(env, (se & SIGN) != 0, exp, s - 1, -1, Format.EXTENDED);
  }

  // ---- powers and logarithms --------------------------------------------------------------------

  /** F2XM1: 2^x - 1 for x from -1 to 1; other arguments are left as they are. */
  static long f2xm1(FloatEnv env, int se, long sig) {
    if (special(se, sig)) {
      return Float80.roundToInteger(env, se, sig);
    }
    if (Float80.infinite(se, sig)) {
      return (se & SIGN) != 0 ? result(env, SIGN | BIAS, INTEGER_BIT) : result(env, se, sig);
    }
    if (sig == 0) {
      return result(env, se, sig);
    }
    noteDenormal(env, se, sig);
    int exp = Float80.exponent(se, sig);
    if (env.stopped()) {
      return result(env, se, sig);
    }
    if (exp >= 0) {
      env.raised |= FloatEnv.PE;
      if (exp > 0 || sig != INTEGER_BIT) {
        return result(env, se, sig);
      }
      return roundJustBelow(env, (se & SIGN) == 0 ? BIAS : SIGN | BIAS - 1, INTEGER_BIT);
    }
    if (exp < -80) {
      DoubleDouble m = DoubleDouble.ofSignificand(Float80.normalised(sig));
      DoubleDouble product = m.times(DoubleDouble.LN2);
      return round(env, (se & SIGN) != 0 ? product.negate() : product, exp);
    }
    return round(env, value(se, sig).times(DoubleDouble.LN2).expm1(), 0);
  }

  /** FYL2X: y * log2(x). */
  static long fyl2x(FloatEnv env, int seX, long sigX, int seY, long sigY) {
    if (special(seX, sigX) || special(seY, sigY)) {
      return Float80.multiply(env, seX, sigX, seY, sigY);
    }
    boolean negativeY = (seY & SIGN) != 0;
    if (sigX == 0) {
      if (sigY == 0) {
        return invalid(env);
      }
      if (!Float80.infinite(seY, sigY)) {
        env.raised |= FloatEnv.ZE;
      }
      return result(env, (negativeY ? 0 : SIGN) | EXPONENT, INTEGER_BIT);
    }
    if ((seX & SIGN) != 0) {
      return invalid(env);
    }
    if (Float80.infinite(seX, sigX)) {
      if (sigY == 0) {
        return invalid(env);
      }
      noteDenormal(env, seY, sigY);
      return result(env, seY & SIGN | EXPONENT, INTEGER_BIT);
    }
    int exp = Float80.exponent(seX, sigX);
    long significand = Float80.normalised(sigX);
    boolean one = exp == 0 && significand == INTEGER_BIT;
    boolean negative = negativeY ^ exp < 0;
    if (Float80.infinite(seY, sigY)) {
      if (one) {
        return invalid(env);
      }
      noteDenormal(env, seX, sigX);
      return result(env, (negative ? SIGN : 0) | EXPONENT, INTEGER_BIT);
    }
    noteDenormal(env, seX, sigX);
    noteDenormal(env, seY, sigY);
    if (sigY == 0 || one || env.stopped()) {
      return result(env, negative ? SIGN : 0, 0);
    }
    if (significand == INTEGER_BIT) {
      // A power of two has an exact logarithm; PE is raised all the same, as by AMD's processors.
      long logarithm = Float80.fromInteger(env, exp);
      Format format = env.x87Format;
      env.x87Format = Format.EXTENDED;
      long product = Float80.multiply(env, env.se, logarithm, seY, sigY);
      env.x87Format = format;
      env.raised |= FloatEnv.PE;
      return product;
    }
    DoubleDouble m = DoubleDouble.ofSignificand(significand);
    if (m.hi() > 1.4142135623730951) {
      m = m.scaled(-1);
      exp++;
    }
    DoubleDouble s = m.plus(-1).dividedBy(m.plus(1));
    DoubleDouble logarithm = s.twiceAtanh().times(DoubleDouble.LOG2_E).plus(exp);
    return timesY(env, logarithm, 0, seY, sigY);
  }

  private static long timesY(
      FloatEnv env, DoubleDouble factor, int factorExponent, int seY, long sigY) {
    DoubleDouble y = DoubleDouble.ofSignificand(Float80.normalised(sigY));
    DoubleDouble product = factor.times((seY & SIGN) != 0 ? y.negate() : y);
    return round(env, product, factorExponent + Float80.exponent(seY, sigY));
  }

  /** FYL2XP1: y * log2(x + 1) for |x| up to 1 - sqrt(1/2). */
  static long fyl2xp1(FloatEnv env, int seX, long sigX, int seY, long sigY) {
    if (special(seX, sigX) || special(seY, sigY)) {
      return Float80.multiply(env, seX, sigX, seY, sigY);
    }
    boolean negative = ((seX ^ seY) & SIGN) != 0;
    if (Float80.infinite(seX, sigX)) {
      return (seX & SIGN) != 0 || sigY == 0
          ? invalid(env)
          : result(env, seY & SIGN | EXPONENT, INTEGER_BIT);
    }
    if (Float80.infinite(seY, sigY)) {
      return sigX == 0 ? invalid(env) : result(env, (negative ? SIGN : 0) | EXPONENT, INTEGER_BIT);
    }
    noteDenormal(env, seX, sigX);
    noteDenormal(env, seY, sigY);
    if (sigX == 0 || sigY == 0 || env.stopped()) {
      return result(env, negative ? SIGN : 0, 0);
    }
    int exp = Float80.exponent(seX, sigX);
    if (exp >= 0) {
      return beyondUnity(env, seX, sigX, exp, seY, sigY);
    }
    if (exp < -110) {
      DoubleDouble m = DoubleDouble.ofSignificand(Float80.normalised(sigX));
      DoubleDouble logarithm = m.times(DoubleDouble.LOG2_E);
      return timesY(env, (seX & SIGN) != 0 ? logarithm.negate() : logarithm, exp, seY, sigY);
    }
    DoubleDouble x = value(seX, sigX);
    DoubleDouble logarithm;
    if (exp < -1) {
      logarithm = x.dividedBy(x.plus(2)).twiceAtanh();
    } else {
      // Up to the ends of the unit interval, though no more is promised than for the range above.
      DoubleDouble halved = x.plus(1).scaled(x.hi() > 0 ? -1 : 1);
      logarithm =
          halved
              .plus(-1)
              .dividedBy(halved.plus(1))
              .twiceAtanh()
              .plus(x.hi() > 0 ? DoubleDouble.LN2 : DoubleDouble.LN2.negate());
    }
    return timesY(env, logarithm.times(DoubleDouble.LOG2_E), 0, seY, sigY);
  }

  /**
   * FYL2XP1 where the manuals define no result, |x| being 1 or more: the logarithm all the same, as
   * processors give it, or x where there is none.
   */
  private static long beyondUnity(FloatEnv env, int seX, long sigX, int exp, int seY, long sigY) {
    if ((seX & SIGN) != 0) {
      env.raised |= FloatEnv.PE;
      return result(env, seX, sigX);
    }
    DoubleDouble m = DoubleDouble.ofSignificand(sigX);
    if (exp < 128) {
      m = m.plus(Math.scalb(1.0, -exp));
    }
    if (m.hi() > 1.4142135623730951) {
      m = m.scaled(-1);
      exp++;
    }
    DoubleDouble s = m.plus(-1).dividedBy(m.plus(1));
    DoubleDouble logarithm = s.twiceAtanh().times(DoubleDouble.LOG2_E).plus(exp);
    return timesY(env, logarithm, 0, seY, sigY);
  }

  // ---- trigonometry -----------------------------------------------------------------------------

  /** Whether FSIN and its kin leave the operand alone and set C2: finite and 2^63 or more. */
  static boolean outOfRange(int se, long sig) {
    return !special(se, sig)
        && !Float80.infinite(se, sig)
        && sig != 0
        && Float80.exponent(se, sig) >= 63;
  }

  /**
   * An angle modulo pi/2, from -pi/4 to pi/4, and the quadrant it came from.
   *
   * @param quadrant 0 to 3
   */
  private record Angle(DoubleDouble rest, int quadrant) {
    /** Reduces a finite number below 2^63 whose exponent is at least -80. */
    static Angle of(int se, long sig) {
      int exp = Float80.exponent(se, sig);
      if (exp < -2) {
        return new Angle(value(se, sig), 0);
      }
      // In units of 2^-65 pi/2 is the 66-bit integer and the angle is sig << (exp + 2).
      long pHi = PI_TOP >>> 62;
      long pLo = PI_TOP << 2 | 3;
      long rHi = 0;
      long rLo = 0;
      int quotient = 0;
      for (int i = 63; i >= -(exp + 2); i--) {
        long bit = i >= 0 ? sig >>> i & 1 : 0;
        rHi = rHi << 1 | rLo >>> 63;
        rLo = rLo << 1 | bit;
        quotient <<= 1;
        if (rHi > pHi || (rHi == pHi && Long.compareUnsigned(rLo, pLo) >= 0)) {
          rHi -= pHi + (Long.compareUnsigned(rLo, pLo) < 0 ? 1 : 0);
          rLo -= pLo;
          quotient |= 1;
        }
      }
      DoubleDouble rest = integer(rHi, rLo);
      if (rest.hi() > 0x1p-1 * integer(pHi, pLo).hi()) {
        long lo = pLo - rLo;
        long hi = pHi - rHi - (Long.compareUnsigned(pLo, rLo) < 0 ? 1 : 0);
        rest = integer(hi, lo).negate();
        quotient++;
      }
      rest = rest.scaled(-65);
      if ((se & SIGN) != 0) {
        rest = rest.negate();
        quotient = -quotient;
      }
      return new Angle(rest, quotient & 3);
    }

    private static DoubleDouble integer(long hi, long lo) {
      return new DoubleDouble(hi * 0x1p64, 0)
          .plus((lo >>> 32) * 0x1p32)
          .plus((double) (lo & 0xffff_ffffL));
    }

    DoubleDouble sine() {
      DoubleDouble s = (quadrant & 1) == 0 ? rest.sine() : rest.cosine();
      return (quadrant & 2) == 0 ? s : s.negate();
    }

    DoubleDouble cosine() {
      return new Angle(rest, quadrant + 1 & 3).sine();
    }
  }

  /** The end of a trigonometric function for an argument that is no ordinary number. */
  private static long specialAngle(FloatEnv env, int se, long sig) {
    return Float80.infinite(se, sig) ? invalid(env) : Float80.roundToInteger(env, se, sig);
  }

  /** FSIN of a number in range. */
  static long fsin(FloatEnv env, int se, long sig) {
    if (special(se, sig) || Float80.infinite(se, sig)) {
      return specialAngle(env, se, sig);
    }
    if (sig == 0) {
      return result(env, se, sig);
    }
    noteDenormal(env, se, sig);
    if (env.stopped()) {
      return result(env, se, sig);
    }
    if (Float80.exponent(se, sig) < -40) {
      return roundJustBelow(env, se, sig);
    }
    DoubleDouble sine = Angle.of(se, sig).sine();
    return sine.hi() == 0 ? result(env, se & SIGN, 0) : round(env, sine, 0);
  }

  /** FCOS of a number in range. */
  static long fcos(FloatEnv env, int se, long sig) {
    if (special(se, sig) || Float80.infinite(se, sig)) {
      return specialAngle(env, se, sig);
    }
    if (sig == 0) {
      return result(env, BIAS, INTEGER_BIT);
    }
    noteDenormal(env, se, sig);
    if (env.stopped()) {
      return result(env, se, sig);
    }
    if (Float80.exponent(se, sig) < -40) {
      return roundJustBelow(env, BIAS, INTEGER_BIT);
    }
    DoubleDouble cosine = Angle.of(se, sig).cosine();
    return cosine.hi() == 0 ? result(env, 0, 0) : round(env, cosine, 0);
  }

  /** FPTAN of a number in range. */
  static long fptan(FloatEnv env, int se, long sig) {
    if (special(se, sig) || Float80.infinite(se, sig)) {
      return specialAngle(env, se, sig);
    }
    if (sig == 0) {
      return result(env, se, sig);
    }
    noteDenormal(env, se, sig);
    if (env.stopped()) {
      return result(env, se, sig);
    }
    int exp = Float80.exponent(se, sig);
    if (exp < -40) {
      // A little more than the argument.
      return Float80.round(env, (se & SIGN) != 0, exp, Float80.normalised(sig), 1, Format.EXTENDED);
    }
    Angle angle = Angle.of(se, sig);
    DoubleDouble sine = angle.sine();
    return sine.hi() == 0
        ? result(env, se & SIGN, 0)
        : round(env, sine.dividedBy(angle.cosine()), 0);
  }

  /** FPATAN: the angle of the point (x, y), from -pi to pi. */
  static long fpatan(FloatEnv env, int seX, long sigX, int seY, long sigY) {
    if (special(seX, sigX) || special(seY, sigY)) {
      return Float80.multiply(env, seX, sigX, seY, sigY);
    }
    noteDenormal(env, seX, sigX);
    noteDenormal(env, seY, sigY);
    if (env.stopped()) {
      return result(env, seX, sigX);
    }
    boolean negativeX = (seX & SIGN) != 0;
    boolean infiniteX = Float80.infinite(seX, sigX);
    boolean infiniteY = Float80.infinite(seY, sigY);
    if (infiniteX && infiniteY) {
      return angle(env, seY, DoubleDouble.PI.times(negativeX ? 0.75 : 0.25));
    }
    if (infiniteY || (sigX == 0 && sigY != 0)) {
      return angle(env, seY, DoubleDouble.PI.times(0.5));
    }
    if (sigY == 0 || infiniteX) {
      return negativeX ? angle(env, seY, DoubleDouble.PI) : result(env, seY & SIGN, 0);
    }
    int distance = Float80.exponent(seY, sigY) - Float80.exponent(seX, sigX);
    DoubleDouble x = DoubleDouble.ofSignificand(Float80.normalised(sigX));
    DoubleDouble y = DoubleDouble.ofSignificand(Float80.normalised(sigY));
    if (distance > 130) {
      return angle(env, seY, DoubleDouble.PI.times(0.5));
    }
    if (distance < -130) {
      if (negativeX) {
        return angle(env, seY, DoubleDouble.PI);
      }
      DoubleDouble ratio = y.dividedBy(x);
      return round(env, (seY & SIGN) != 0 ? ratio.negate() : ratio, distance);
    }
    y = y.scaled(distance);
    boolean steep = y.hi() > x.hi() || (y.hi() == x.hi() && y.lo() > x.lo());
    DoubleDouble theta = (steep ? x.dividedBy(y) : y.dividedBy(x)).arcTangent();
    if (steep) {
      theta = DoubleDouble.PI.times(0.5).minus(theta);
    }
    if (negativeX) {
      theta = DoubleDouble.PI.minus(theta);
    }
    return angle(env, seY, theta);
  }

  private static long angle(FloatEnv env, int seY, DoubleDouble magnitude) {
    return round(env, (seY & SIGN) != 0 ? magnitude.negate() : magnitude, 0);
  }
}
