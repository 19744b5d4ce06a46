package dev.pollux.core.interp;

/**
 * A number as the unevaluated sum of two doubles, about 106 bits: enough to round elementary
 * functions to the 64 bits of x87 with an error hardly above half an ulp. Dekker's and Knuth's
 * error-free transformations.
 *
 * @param hi the number rounded to double
 * @param lo what is missing, at most half an ulp of {@code hi}
 */
record DoubleDouble(double hi, double lo) {
  static final DoubleDouble ZERO = new DoubleDouble(0, 0);
  static final DoubleDouble ONE = new DoubleDouble(1, 0);
  static final DoubleDouble LN2 = new DoubleDouble(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56);
  static final DoubleDouble LOG2_E = new DoubleDouble(0x1.71547652b82fep0, 0x1.777d0ffda0d24p-56);
  static final DoubleDouble PI = new DoubleDouble(0x1.921fb54442d18p1, 0x1.1a62633145c07p-53);

  /** A 64-bit significand as a number from 1 to 2. */
  static DoubleDouble ofSignificand(long sig) {
    double top = (sig >>> 11) * 0x1p-52;
    return new DoubleDouble(top, 0).plus((sig & 0x7ff) * 0x1p-63);
  }

  private static DoubleDouble quickSum(double a, double b) {
    double sum = a + b;
    return new DoubleDouble(sum, b - (sum - a));
  }

  DoubleDouble plus(double b) {
    double sum = hi + b;
    double part = sum - hi;
    double error = (hi - (sum - part)) + (b - part);
    return quickSum(sum, error + lo);
  }

  DoubleDouble plus(DoubleDouble b) {
    double sum = hi + b.hi;
    double part = sum - hi;
    double error = (hi - (sum - part)) + (b.hi - part);
    double lowSum = lo + b.lo;
    double lowPart = lowSum - lo;
    double lowError = (lo - (lowSum - lowPart)) + (b.lo - lowPart);
    DoubleDouble first = quickSum(sum, error + lowSum);
    return quickSum(first.hi, first.lo + lowError);
  }

  DoubleDouble negate() {
    return new DoubleDouble(-hi, -lo);
  }

  DoubleDouble minus(DoubleDouble b) {
    return plus(b.negate());
  }

  DoubleDouble times(double b) {
    double product = hi * b;
    return quickSum(product, Math.fma(hi, b, -product) + lo * b);
  }

  DoubleDouble times(DoubleDouble b) {
    double product = hi * b.hi;
    return quickSum(product, Math.fma(hi, b.hi, -product) + (hi * b.lo + lo * b.hi));
  }

  DoubleDouble dividedBy(DoubleDouble b) {
    double q1 = hi / b.hi;
    DoubleDouble rest = minus(b.times(q1));
    double q2 = rest.hi / b.hi;
    rest = rest.minus(b.times(q2));
    return quickSum(q1, q2).plus(rest.hi / b.hi);
  }

  DoubleDouble dividedBy(double b) {
    return dividedBy(new DoubleDouble(b, 0));
  }

  /** Multiplied by a power of two, exactly unless it underflows. */
  DoubleDouble scaled(int power) {
    return new DoubleDouble(Math.scalb(hi, power), Math.scalb(lo, power));
  }

  // ---- functions, by their series on a reduced range --------------------------------------------

  /** e^x - 1 for |x| up to 0.7, accurate relative to the result. */
  DoubleDouble expm1() {
    DoubleDouble t = ONE;
    for (int n = 28; n >= 2; n--) {
      t = times(t).dividedBy(n).plus(1);
    }
    return times(t);
  }

  /** The sine for |x| up to 0.8. */
  DoubleDouble sine() {
    DoubleDouble square = times(this).negate();
    DoubleDouble t = ONE;
    for (int n = 28; n >= 2; n -= 2) {
      t = square.times(t).dividedBy((double) n * (n + 1)).plus(1);
    }
    return times(t);
  }

  /** The cosine for |x| up to 0.8. */
  DoubleDouble cosine() {
    DoubleDouble square = times(this).negate();
    DoubleDouble t = ONE;
    for (int n = 27; n >= 1; n -= 2) {
      t = square.times(t).dividedBy((double) n * (n + 1)).plus(1);
    }
    return t;
  }

  /** The logarithm of (1 + s) / (1 - s) for |s| up to 0.18. */
  DoubleDouble twiceAtanh() {
    DoubleDouble square = times(this);
    DoubleDouble t = ZERO;
    for (int n = 47; n >= 1; n -= 2) {
      t = square.times(t).plus(ONE.dividedBy(n));
    }
    return times(t).times(2);
  }

  /** The arc tangent for 0 to 1, by one Newton step from the double result. */
  DoubleDouble arcTangent() {
    DoubleDouble guess = new DoubleDouble(StrictMath.atan(hi), 0);
    DoubleDouble sine = guess.sine();
    DoubleDouble cosine = guess.cosine();
    DoubleDouble step = times(cosine).minus(sine).dividedBy(times(sine).plus(cosine));
    return guess.plus(step);
  }
}
