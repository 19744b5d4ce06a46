package dev.pollux.core.interp;

/**
 * Leaves a block before the instruction that throws it has executed, or to execute it again: no
 * guest exception.
 */
@SuppressWarnings("StaticAssignmentOfThrowable") // without a stack trace, one is as good as many
final class BlockExit extends RuntimeException {
  private static final long serialVersionUID = 1;

  static final BlockExit INSTANCE = new BlockExit();

  private BlockExit() {
    super(null, null, false, false);
  }
}
