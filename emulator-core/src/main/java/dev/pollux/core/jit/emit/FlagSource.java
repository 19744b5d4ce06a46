package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.jit.emit.FlagRecipe.Kind;

/**
 * How an instruction's flags can be told after the host's flags are others: the recipe, and what
 * has to be kept for it.
 *
 * @param recipe for {@link FlagRecipe}, or 0
 * @param before0 general register that is saved as A before the instruction, or {@link #NONE}
 * @param before1 the same for B
 * @param after1 general register that is saved as B behind the instruction, or {@link #NONE}
 * @param immediate the instruction's immediate is saved as B
 * @param memory the operand as which the value of the memory operand is saved, {@link
 *     FlagRecipe#SAVED_A} or {@link FlagRecipe#SAVED_B}; or {@link #NONE}
 * @param stored the recipe is put in the place of the flags at once
 */
record FlagSource(
    int recipe,
    int before0,
    int before1,
    int after1,
    boolean immediate,
    int memory,
    boolean stored) {
  static final int NONE = -1;

  /** The flags can only be saved. */
  static final FlagSource SAVED = new FlagSource(0, NONE, NONE, NONE, false, NONE, false);

  /** True if there is no recipe: the flags are saved before the host's become others. */
  boolean saved() {
    return recipe == 0;
  }

  /** True if the recipe's operands are kept when the instruction is executed. */
  boolean keepsOperands() {
    return before0 != NONE || before1 != NONE || after1 != NONE || memory != NONE || immediate;
  }

  /**
   * For an instruction that sets all status flags.
   *
   * @param changed general registers, a bit each, that may have changed since the instruction when
   *     its flags are asked for
   */
  static FlagSource of(Insn insn, int changed, boolean stored) {
    return switch (insn.op) {
      case ADD, SUB, CMP, AND, OR, XOR, TEST, NEG, SHL, SHR, SAR, IMUL ->
          new Builder(insn, changed).build(stored);
      default -> SAVED;
    };
  }

  private static final class Builder {
    private final Insn insn;
    private final int changed;
    private int before0 = NONE;
    private int before1 = NONE;
    private int after1 = NONE;
    private boolean immediate;
    private int memory = NONE;
    private int constant;

    Builder(Insn insn, int changed) {
      this.insn = insn;
      this.changed = changed;
    }

    FlagSource build(boolean stored) {
      int recipe = recipe();
      return recipe == 0
          ? SAVED
          : new FlagSource(recipe, before0, before1, after1, immediate, memory, stored);
    }

    private int recipe() {
      if (hasHighByte() || insn.operandCount == 0) {
        return 0;
      }
      if (insn.op == Op.CMP || insn.op == Op.TEST) {
        return recipe(insn.op == Op.CMP ? Kind.SUB : Kind.AND, first(), second());
      }
      if (insn.kind0 != Insn.GPR) {
        return 0;
      }
      return switch (insn.op) {
        case ADD -> sum(Kind.ADD, Kind.SUM_WITH, Kind.SUM_FROM);
        case SUB -> isSame() ? zero() : sum(Kind.SUB, Kind.REST_WITHOUT, Kind.REST_FROM);
        case XOR -> isSame() ? zero() : ofResult();
        case AND, OR -> ofResult();
        case NEG -> recipe(Kind.REST_FROM, FlagRecipe.CONSTANT, result());
        case SHL -> shift(Kind.SHL);
        case SHR -> shift(Kind.SHR);
        case SAR -> shift(Kind.SAR);
        case IMUL -> product();
        default -> 0;
      };
    }

    private int recipe(Kind kind, int a, int b) {
      return FlagRecipe.of(kind, insn.size0, a, b, constant);
    }

    private boolean hasHighByte() {
      return insn.kind0 == Insn.GPR8H || insn.kind1 == Insn.GPR8H;
    }

    private boolean isSame() {
      return insn.kind1 == Insn.GPR && insn.reg0 == insn.reg1;
    }

    private boolean stays(int register) {
      return (changed >> register & 1) == 0;
    }

    /** The first operand as it was before. */
    private int first() {
      if (insn.kind0 == Insn.MEM) {
        memory = FlagRecipe.SAVED_A;
      } else if (stays(insn.reg0) && !Translatable.writes(insn, 0)) {
        return insn.reg0;
      } else {
        before0 = insn.reg0;
      }
      return FlagRecipe.SAVED_A;
    }

    private int second() {
      if (insn.kind1 == Insn.IMM) {
        return immediate();
      }
      if (insn.kind1 == Insn.MEM) {
        memory = FlagRecipe.SAVED_B;
      } else if (stays(insn.reg1) && !(isSame() && Translatable.writes(insn, 0))) {
        return insn.reg1;
      } else {
        before1 = insn.reg1;
      }
      return FlagRecipe.SAVED_B;
    }

    private int immediate() {
      if (FlagRecipe.fits(insn.imm)) {
        constant = (int) insn.imm;
        return FlagRecipe.CONSTANT;
      }
      immediate = true;
      return FlagRecipe.SAVED_B;
    }

    private int result() {
      if (stays(insn.reg0)) {
        return insn.reg0;
      }
      after1 = insn.reg0;
      return FlagRecipe.SAVED_B;
    }

    private int zero() {
      return recipe(Kind.AND, FlagRecipe.CONSTANT, FlagRecipe.CONSTANT);
    }

    private int ofResult() {
      int result = result();
      return recipe(Kind.AND, result, result);
    }

    /**
     * @param with makes it out of the result and the second operand
     * @param from makes it out of the first operand and the result
     */
    private int sum(Kind kind, Kind with, Kind from) {
      if (insn.kind1 == Insn.MEM) {
        return recipe(from, first(), result());
      }
      boolean known = insn.kind1 == Insn.IMM || stays(insn.reg1) && !isSame();
      if (stays(insn.reg0)) {
        return known ? recipe(with, insn.reg0, second()) : recipe(from, first(), insn.reg0);
      }
      return recipe(kind, first(), second());
    }

    private int shift(Kind kind) {
      return insn.kind1 == Insn.IMM ? recipe(kind, first(), immediate()) : 0;
    }

    private int product() {
      if (insn.operandCount == 1 || insn.kind1 == Insn.MEM) {
        return 0;
      }
      if (insn.operandCount == 2) {
        return recipe(Kind.IMUL, first(), second());
      }
      int factor = second();
      constant = (int) insn.imm;
      return FlagRecipe.fits(insn.imm) ? recipe(Kind.IMUL, factor, FlagRecipe.CONSTANT) : 0;
    }
  }
}
