package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;

/**
 * Which status flags are live in a block: the ones that something after a point may read before
 * they are written. Computed backwards over the block; dead flags are neither saved nor restored.
 *
 * <p>Flags that nothing reads can still be seen, by the handler of an exception or an interrupt
 * that comes before they are replaced. For such places there is a recipe; where there can be none,
 * they count as read.
 */
final class FlagsPlan {
  /** Tells about code at a target. */
  interface Successors {
    /**
     * Status flags that it may read before writing them.
     *
     * @param offset of the target relative to the block's start
     */
    int liveAt(long offset);

    /**
     * Where none is live: general registers, a bit each, that may have changed when the old flags
     * can be seen for the last time; {@link #UNSEEN} if they cannot.
     *
     * @param from offset of the jump there
     */
    int changedWhenSeen(long from, long offset);
  }

  static final int UNSEEN = -1;

  private final Insn[] insns;
  private final int[] offsets;
  private final int count;
  private final boolean[] interpreted;
  private final Successors successors;
  private final int[] liveAfter;
  private final int[] liveBefore;
  private final int[] liveTaken;

  /** By instruction that sets flags which can be seen although nothing reads them; or null. */
  private final FlagSource[] sources;

  FlagsPlan(Insn[] insns, int[] offsets, int count, boolean[] interpreted, Successors successors) {
    this.insns = insns;
    this.offsets = offsets;
    this.count = count;
    this.interpreted = interpreted;
    this.successors = successors;
    liveAfter = new int[count];
    liveBefore = new int[count];
    liveTaken = new int[count];
    sources = new FlagSource[count];
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
            isJump(insn)
                ? successors.liveAt(next + insn.imm)
                : insn.info.endsBlock() ? OpcodeInfo.STATUS_FLAGS : successors.liveAt(next);
      }
      liveAfter[i] = live;
      if (!interpreted[i] && writes(insn)) {
        planWhatCanBeSeen(i);
      }
      live = liveAfter[i] | liveTaken[i];
      live = interpreted[i] || returns(insn) ? OpcodeInfo.STATUS_FLAGS : before(insn, live);
      liveBefore[i] = live;
    }
  }

  private static boolean isJump(Insn insn) {
    return insn.op == Op.JMP && insn.kind0 == Insn.REL;
  }

  /**
   * A return of privilege that may turn out to be a fault, which shows the flags to its handler.
   */
  private static boolean returns(Insn insn) {
    return insn.op == Op.IRET || insn.op == Op.SYSRET;
  }

  /**
   * Follows the flags that instruction {@code i} sets to where they are saved or replaced, and
   * finds a way to tell them wherever they can be seen after they have left the host's flags.
   */
  private void planWhatCanBeSeen(int i) {
    if (killed(insns[i]) != OpcodeInfo.STATUS_FLAGS) {
      if (!replacedAtOnce(i)) {
        // Those that it leaves alone must be there, too.
        sources[i] = FlagSource.SAVED;
        liveAfter[i] = OpcodeInfo.STATUS_FLAGS;
      }
      return;
    }
    Course course = new Course();
    int j = i + 1;
    while (j < count && course.passes(j)) {
      j++;
    }
    if (j == count && liveAfter[count - 1] == 0 && !isJump(insns[count - 1])) {
      course.leads(count - 1, offsets[count - 1] + insns[count - 1].length);
    }
    if (course.seen || course.stored) {
      sources[i] = FlagSource.of(insns[i], course.changedWhenSeen, course.stored);
    }
  }

  /** True if another instruction sets flags before anybody can see those of instruction i. */
  private boolean replacedAtOnce(int i) {
    for (int j = i + 1; j < count && !interpreted[j]; j++) {
      Insn insn = insns[j];
      if (Translatable.destroysFlags(insn) || insn.op == Op.JCC || insn.info.endsBlock()) {
        return false;
      }
      if (writes(insn)) {
        return true;
      }
    }
    return false;
  }

  /** What happens to some instruction's flags on their way. */
  private final class Course {
    /** The host's flags are others. */
    private boolean lost;

    /** They can be seen in this block after that. */
    private boolean seen;

    /** They can be seen in another block, which does not know where they come from. */
    private boolean stored;

    /** General registers that may have changed, a bit each. */
    private int changed;

    private int changedWhenSeen;

    /** Goes beyond instruction {@code j}; false if the flags are saved or replaced there. */
    boolean passes(int j) {
      Insn insn = insns[j];
      if (interpreted[j]) {
        return false;
      }
      if (Translatable.destroysFlags(insn)) {
        if (liveBefore[j] != 0) {
          return false;
        }
        lost = true;
        see();
      }
      if (insn.op == Op.JCC && liveTaken[j] == 0 || isJump(insn) && liveAfter[j] == 0) {
        leads(j, offsets[j] + insn.length + insn.imm);
      }
      changed |= RegistersWritten.by(insn);
      return !writes(insn);
    }

    /** From instruction {@code j} to other code, where none of the flags is live. */
    void leads(int j, long offset) {
      if (lost) {
        see();
      }
      int there = successors.changedWhenSeen(offsets[j], offset);
      if (there != UNSEEN) {
        stored = true;
        changedWhenSeen |= changed | there;
      }
    }

    private void see() {
      seen = true;
      changedWhenSeen |= changed;
    }
  }

  /** Status flags live before an instruction, given those live after it. */
  static int before(Insn insn, int after) {
    return after & ~killed(insn) | insn.flagsRead() & OpcodeInfo.STATUS_FLAGS;
  }

  /** Status flags that the instruction surely replaces. */
  static int killed(Insn insn) {
    if (!writes(insn)) {
      return 0;
    }
    OpcodeInfo info = insn.info;
    int conditional = shiftsByConstant(insn) ? 0 : info.flagsConditional;
    return (info.flagsWritten | info.flagsUndefined) & ~conditional & OpcodeInfo.STATUS_FLAGS;
  }

  /** A shift whose count is a constant other than zero always sets its flags. */
  private static boolean shiftsByConstant(Insn insn) {
    return switch (insn.op) {
      case ROL, ROR, SHL, SHR, SAR -> insn.kind1 == Insn.IMM && count(insn, insn.imm) != 0;
      // A byte and its carry may come back to where they were.
      case RCL, RCR -> insn.kind1 == Insn.IMM && count(insn, insn.imm) % (insn.size0 * 8 + 1) != 0;
      // Beyond 16 bits the host may leave some alone.
      case SHLD, SHRD -> {
        long count = insn.kind2 == Insn.IMM ? count(insn, insn.imm) : 0;
        yield count != 0 && count <= insn.size0 * 8;
      }
      default -> false;
    };
  }

  private static long count(Insn shift, long count) {
    return count & (shift.size0 == 8 ? 63 : 31);
  }

  /** True if the instruction changes the status flags. */
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

  /** How to tell the flags that instruction {@code i} sets, or null if that is never needed. */
  FlagSource source(int i) {
    return sources[i];
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
