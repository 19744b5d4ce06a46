package dev.pollux.core.jit.emit;

import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.jit.JitLayout;

/**
 * How to find out later which status flags an instruction has set, from what it read and what came
 * out of it: a word of 32 bits, which generated code puts in the place of the flags in {@link
 * JitLayout#FLAGS}. Flags that are read are never kept that way.
 *
 * <pre>
 *   0..1   2, which flags never are: their low byte is 0 or 1
 *   2..5   {@link Kind}
 *   6..7   operand size: 1, 2, 4 or 8 bytes, as a power of two
 *   8..12  where A is: a general register by its number, {@link #SAVED_A}, {@link #SAVED_B}, {@link
 *          #CONSTANT}
 *   13..17 where B is
 *   18..31 the constant, signed
 * </pre>
 */
public final class FlagRecipe {
  /** What was done, in terms of A and B. */
  enum Kind {
    /** A + B. */
    ADD,
    /** A - B, as CMP. */
    SUB,
    /** A & B, as TEST. */
    AND,
    /** A << B, B not 0. */
    SHL,
    /** A >>> B, B not 0. */
    SHR,
    /** A >> B, B not 0. */
    SAR,
    /** A * B. */
    IMUL,
    /** A is what came of adding B to something. */
    SUM_WITH,
    /** A is what was left when B had been taken from something. */
    REST_WITHOUT,
    /** B is what came of adding something to A. */
    SUM_FROM,
    /** B is what was left when something had been taken from A. */
    REST_FROM
  }

  private static final int MARK = 2;
  private static final Kind[] KINDS = Kind.values();

  /** An operand is in the first of {@link JitLayout#FLAG_OPERANDS}. */
  static final int SAVED_A = 16;

  /** In the second. */
  static final int SAVED_B = 17;

  /** It is the recipe's constant. */
  static final int CONSTANT = 18;

  private static final int CONSTANT_SHIFT = 18;
  private static final int LEAST = -1 << 12;
  private static final int MOST = (1 << 13) - 1;

  private FlagRecipe() {}

  /**
   * @param bytes of the operands
   * @param a where A is
   * @param b where B is
   * @param constant for which {@link #fits}
   */
  static int of(Kind kind, int bytes, int a, int b, int constant) {
    return MARK
        | kind.ordinal() << 2
        | Integer.numberOfTrailingZeros(bytes) << 6
        | a << 8
        | b << 13
        | constant << CONSTANT_SHIFT;
  }

  /**
   * True for what a recipe has room for, but for the lowest: with those it would look like an
   * address of a kernel, which moves.
   */
  static boolean fits(long constant) {
    return constant >= LEAST && constant <= MOST;
  }

  /** True if {@code flags}, the word at {@link JitLayout#FLAGS}, is a recipe. */
  public static boolean is(int flags) {
    return (flags & MARK) != 0;
  }

  /** The flags, CF PF AF ZF SF OF in their places, once generated code has been left. */
  public static long flags(int recipe, CpuState state, FlagFunctions functions) {
    Kind kind = KINDS[recipe >> 2 & 15];
    int size = recipe >> 6 & 3;
    long a = operand(recipe >> 8 & 31, recipe, state);
    long b = operand(recipe >> 13 & 31, recipe, state);
    return switch (kind) {
      case SUM_WITH -> functions.call(Kind.ADD, size, a - b, b);
      case REST_WITHOUT -> functions.call(Kind.SUB, size, a + b, b);
      case SUM_FROM -> functions.call(Kind.ADD, size, a, b - a);
      case REST_FROM -> functions.call(Kind.SUB, size, a, a - b);
      default -> functions.call(kind, size, a, b);
    };
  }

  private static long operand(int where, int recipe, CpuState state) {
    return switch (where) {
      case SAVED_A -> state.u64(JitLayout.FLAG_OPERANDS);
      case SAVED_B -> state.u64(JitLayout.FLAG_OPERANDS + 8);
      case CONSTANT -> recipe >> CONSTANT_SHIFT;
      default -> state.gpr(where);
    };
  }
}
