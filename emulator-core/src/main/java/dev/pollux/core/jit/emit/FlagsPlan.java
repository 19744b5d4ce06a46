package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;

/**
 * Which status flags are live in a block: the ones that something after a point may read before
 * they are written. Computed backwards over the block; dead flags are neither saved nor restored.
 */
final class FlagsPlan {
  /** Tells which status flags code at a target may read before writing them. */
  @FunctionalInterface
  interface Successors {
    /**
     * @param offset of the target relative to the block's start
     */
    int liveAt(long offset);
  }

  private final int[] liveAfter;
  private final int[] liveBefore;
  private final int[] liveTaken;

  FlagsPlan(Insn[] insns, int[] offsets, int count, boolean[] interpreted, Successors successors) {
    liveAfter = new int[count];
    liveBefore = new int[count];
    liveTaken = new int[count];
    int live = OpcodeInfo.STATUS_FLAGS;
    for (int i = count - 1; i >= 0; i--) {
      Insn insn = insns[i];
      int next = offsets[i] + insn.length;
      if (insn.op == Op.JCC) {
        if (i == count - 1) {
          live = successors.liveAt(next);
        }
        liveTaken[i] = successors.liveAt(next + insn.imm);
      } else if (i == count - 1) {
        live =
            insn.op == Op.JMP && insn.kind0 == Insn.REL
                ? successors.liveAt(next + insn.imm)
                : insn.info.endsBlock() ? OpcodeInfo.STATUS_FLAGS : successors.liveAt(next);
      }
      liveAfter[i] = live;
      live |= liveTaken[i];
      live = interpreted[i] || returns(insn) ? OpcodeInfo.STATUS_FLAGS : before(insn, live);
      liveBefore[i] = live;
    }
  }

  /**
   * A return of privilege that may turn out to be a fault, which shows the flags to its handler.
   */
  private static boolean returns(Insn insn) {
    return insn.op == Op.IRET || insn.op == Op.SYSRET;
  }

  /** Status flags live before an instruction, given those live after it. */
  static int before(Insn insn, int after) {
    return after & ~killed(insn) | insn.flagsRead() & OpcodeInfo.STATUS_FLAGS;
  }

  /** Status flags that the instruction surely replaces. */
  static int killed(Insn insn) {
    OpcodeInfo info = insn.info;
    int conditional = shiftsByConstant(insn) ? 0 : info.flagsConditional;
    return (info.flagsWritten | info.flagsUndefined) & ~conditional & OpcodeInfo.STATUS_FLAGS;
  }

  /** A shift whose count is a constant other than zero always sets its flags. */
  private static boolean shiftsByConstant(Insn insn) {
    return switch (insn.op) {
      case ROL, ROR, RCL, RCR, SHL, SHR, SAR ->
          insn.kind1 == Insn.IMM && (insn.imm & (insn.size0 == 8 ? 63 : 31)) != 0;
      case SHLD, SHRD -> insn.kind2 == Insn.IMM && (insn.imm & (insn.size0 == 8 ? 63 : 31)) != 0;
      default -> false;
    };
  }

  /** True if the instruction changes the host's status flags when executed natively. */
  static boolean writes(Insn insn) {
    OpcodeInfo info = insn.info;
    return ((info.flagsWritten | info.flagsUndefined) & OpcodeInfo.STATUS_FLAGS) != 0;
  }

  /** Status flags live behind an instruction, where a conditional jump has not jumped. */
  int after(int i) {
    return liveAfter[i];
  }

  /** Status flags live where a conditional jump has jumped. */
  int taken(int i) {
    return liveTaken[i];
  }

  int before(int i) {
    return liveBefore[i];
  }

  /**
   * True if the flags as they are before instruction {@code i} must be in the host's flags when it
   * executes: it reads some, or leaves some alone that are live afterwards although it writes
   * others.
   */
  boolean needsFlags(int i, Insn insn) {
    return (insn.flagsRead() & OpcodeInfo.STATUS_FLAGS) != 0
        || (writes(insn) && (liveAfter[i] & ~killed(insn)) != 0);
  }
}
