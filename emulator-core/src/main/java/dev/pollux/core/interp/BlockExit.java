package dev.pollux.core.interp;

/** Leaves a block: no guest exception. */
@SuppressWarnings("StaticAssignmentOfThrowable") // without a stack trace, one is as good as many
final class BlockExit extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** The instruction that throws it is to be gone on with later. */
  static final BlockExit AGAIN = new BlockExit();

  /** The block was dropped: what was executed last is the last that its bytes still stood for. */
  static final BlockExit DROPPED = new BlockExit();

  private BlockExit() {
    super(null, null, false, false);
  }
}
