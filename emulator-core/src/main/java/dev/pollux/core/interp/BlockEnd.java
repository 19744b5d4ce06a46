package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;

/** The last instruction of a block and what follows it. */
abstract class BlockEnd {
  /**
   * Executes the instruction. Returns the next block with its RIP in the block register, or null
   * with the next RIP in the state block.
   */
  abstract Block next(Interpreter cpu, Block from);

  /**
   * An end of the same class, of a template, for a branch and the comparison joined with it, or
   * null.
   */
  BlockEnd create(Insn compare, Insn branch) {
    throw new IllegalStateException("not a template: " + branch);
  }

  /** No instruction: the block ended for its length. */
  static final class FallThrough extends BlockEnd {
    private Block chained;

    @Override
    Block next(Interpreter cpu, Block from) {
      Block to = chained;
      if (to != null) {
        cpu.advanceBlock(from.length);
        return to;
      }
      long rip = cpu.blockRip() + from.length;
      to = cpu.jump(rip);
      if (to != null && from.mayChain(to, from.length)) {
        chained = to;
      }
      return to;
    }
  }

  /** A branch with a shared handler, which finds and leaves RIP in the state block. */
  static final class Branch extends BlockEnd {
    private final InsnHandler handler;
    private final Insn insn;

    Branch(InsnHandler handler, Insn insn) {
      this.handler = handler;
      this.insn = insn;
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      cpu.state().setRip(cpu.nextRip(insn));
      handler.execute(cpu, insn);
      return cpu.jump(cpu.state().rip());
    }
  }

  /** A system instruction: anything may be different after it. */
  static final class SystemInsn extends BlockEnd {
    private final InsnHandler handler;
    private final Insn insn;

    SystemInsn(InsnHandler handler, Insn insn) {
      this.handler = handler;
      this.insn = insn;
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      cpu.executeSystem(handler, insn);
      return cpu.nextAfterSystem();
    }
  }

  /**
   * The end of a block whose instructions have no copies of templates yet: most blocks are executed
   * so seldom that the copies would cost more than they save.
   */
  static final class Cold extends BlockEnd {
    private final BlockEnd end;
    private final long liveFlags;
    private int left;

    /**
     * @param liveFlags bit n: somebody sees the flags of the n-th node
     * @param runs how often the block is executed as it is
     */
    Cold(BlockEnd end, long liveFlags, int runs) {
      this.end = end;
      this.liveFlags = liveFlags;
      left = runs;
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      if (--left == 0) {
        from.warm(end, liveFlags);
      }
      return end.next(cpu, from);
    }
  }

  /** Stands in a block that was dropped while it executes. */
  static final BlockEnd LEAVE =
      new BlockEnd() {
        @Override
        Block next(Interpreter cpu, Block from) {
          throw BlockExit.DROPPED;
        }
      };
}
