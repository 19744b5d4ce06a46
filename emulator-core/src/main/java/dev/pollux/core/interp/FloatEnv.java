package dev.pollux.core.interp;

/**
 * The floating-point environment of one vCPU while it executes one x87 or SSE instruction: what the
 * control registers ask for, which exceptions have been raised, and the second half of results that
 * do not fit a {@code long}.
 *
 * <p>The arithmetic in {@link SoftFloat}, {@link Float80} and {@link SseFloat} is pure but for this
 * object, which is reused so that no instruction allocates. It is confined to its vCPU's thread.
 *
 * <p>Exception bits are those of the x87 status word, and of MXCSR bits 5:0 (Intel SDM vol. 1,
 * 8.1.3 and 10.2.3).
 */
public final class FloatEnv {
  /** Invalid operation. */
  public static final int IE = 1;

  /** Denormal operand. */
  public static final int DE = 1 << 1;

  /** Division by zero. */
  public static final int ZE = 1 << 2;

  /** Overflow. */
  public static final int OE = 1 << 3;

  /** Underflow. */
  public static final int UE = 1 << 4;

  /** Inexact result. */
  public static final int PE = 1 << 5;

  /** The exceptions that are found before the operation is carried out. */
  public static final int BEFORE_OPERATION = IE | DE | ZE;

  static final int NEAREST = 0;
  static final int DOWN = 1;
  static final int UP = 2;
  static final int TOWARD_ZERO = 3;

  static final int MXCSR_DAZ = 1 << 6;
  static final int MXCSR_MASKS = 0x1f80;
  static final int MXCSR_ROUNDING = 3 << 13;
  static final int MXCSR_FTZ = 1 << 15;

  /** Rounding control: 0 nearest even, 1 down, 2 up, 3 towards zero. */
  int rounding;

  /** Exception masks, a set bit meaning that the exception is masked. */
  int masks;

  /** Exceptions raised since the instruction began. */
  int raised;

  /** What x87 arithmetic rounds to under its precision control. */
  SoftFloat.Format x87Format;

  /** Whether the last rounding increased the magnitude (x87 C1). */
  boolean roundedUp;

  /** An operand was a denormal number before it was widened to 80 bits. */
  boolean denormalOperand;

  boolean denormalsAreZero;
  boolean flushToZero;

  /** The MXCSR that {@link #beginSse} was given. */
  int mxcsr;

  /** Sign and exponent of the last 80-bit result, whose significand was returned. */
  int se;

  /** Unbiased exponent of the last significand returned by {@link SoftFloat#round}. */
  int exp;

  /** Quotient of the last partial remainder, or a second significand. */
  long aux;

  /** Starts an SSE instruction under {@code mxcsr}. */
  public void beginSse(int mxcsr) {
    this.mxcsr = mxcsr;
    raised = 0;
  }

  /** Unpacks MXCSR for the exact path; the fast path tests its bits directly. */
  void unpackMxcsr() {
    rounding = mxcsr >> 13 & 3;
    masks = mxcsr >> 7 & 0x3f;
    denormalsAreZero = (mxcsr & MXCSR_DAZ) != 0;
    flushToZero = (mxcsr & MXCSR_FTZ) != 0;
  }

  /**
   * Starts an x87 instruction under control word {@code fcw}. Precision control 1 is reserved and
   * acts as 64 bits.
   */
  public void beginX87(int fcw) {
    rounding = fcw >> 10 & 3;
    masks = fcw & 0x3f;
    x87Format =
        switch (fcw >> 8 & 3) {
          case 0 -> SoftFloat.Format.EXTENDED_24;
          case 2 -> SoftFloat.Format.EXTENDED_53;
          default -> SoftFloat.Format.EXTENDED;
        };
    raised = 0;
    roundedUp = false;
    denormalOperand = false;
    denormalsAreZero = false;
    flushToZero = false;
  }

  /** Exceptions raised since the instruction began. */
  public int raised() {
    return raised;
  }

  /** Sign (bit 15) and biased exponent of the last 80-bit result. */
  public int signExponent() {
    return se;
  }

  /** Whether the last x87 rounding increased the magnitude, as reported in C1. */
  public boolean roundedUp() {
    return roundedUp;
  }

  /**
   * Quotient of the last partial remainder, or the second significand of a two-result operation.
   */
  public long aux() {
    return aux;
  }

  /** Exceptions raised since the instruction began that are not masked. */
  public int unmasked() {
    return raised & ~masks;
  }

  /** Whether an exception found before the operation keeps it from being carried out. */
  boolean stopped() {
    return (raised & ~masks & BEFORE_OPERATION) != 0;
  }

  void raise(int exceptions) {
    raised |= exceptions;
  }
}
