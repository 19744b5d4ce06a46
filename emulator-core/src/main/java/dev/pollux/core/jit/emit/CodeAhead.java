package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;

/**
 * What code in a block's page, but behind or before the block, does with the flags, as far as a few
 * instructions tell.
 */
final class CodeAhead implements FlagsPlan.Successors {
  /** How many instructions are looked at to find out which flags are live. */
  private static final int LOOK_AHEAD = 6;

  private final BlockCompiler.Neighbours neighbours;
  private final BlockCompiler.Context context;

  CodeAhead(BlockCompiler.Context context, BlockCompiler.Neighbours neighbours) {
    this.context = context;
    this.neighbours = neighbours;
  }

  @Override
  public int liveAt(long offset) {
    int live = OpcodeInfo.STATUS_FLAGS;
    int read = 0;
    long at = offset;
    for (int n = 0; n < LOOK_AHEAD && live != 0; n++) {
      Insn insn = neighbours.at(at);
      if (insn == null
          || insn.info == null
          || insn.info.endsBlock()
          || !Translatable.isPlain(insn, context)) {
        break;
      }
      read |= insn.flagsRead() & live;
      if (FlagsPlan.writes(insn)) {
        // What it leaves alone may have to be there, so that the flags are right behind it.
        read |= live & ~FlagsPlan.killed(insn);
      }
      live &= ~FlagsPlan.killed(insn);
      at += insn.length;
    }
    return read | live;
  }

  @Override
  public int changedWhenSeen(long from, long offset) {
    int changed = 0;
    int whenSeen = JumpCode.polls(from, offset) ? 0 : FlagsPlan.UNSEEN;
    long at = offset;
    while (true) {
      Insn insn = neighbours.at(at);
      if (Translatable.destroysFlags(insn)) {
        whenSeen = changed;
      }
      if (FlagsPlan.writes(insn)) {
        return whenSeen;
      }
      changed |= RegistersWritten.by(insn);
      at += insn.length;
    }
  }
}
