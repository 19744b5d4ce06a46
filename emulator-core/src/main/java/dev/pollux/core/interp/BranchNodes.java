package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.decode.Insn;
import java.lang.invoke.MethodHandles;

/**
 * Ends of blocks of 64-bit code: near branches, and comparisons joined with the branch that follows
 * them.
 */
final class BranchNodes {
  private BranchNodes() {}

  static void checkCanonical(Interpreter cpu, long target) {
    if (target << 16 >> 16 != target && !cpu.state().isCanonical(target)) {
      throw cpu.fault(CpuException.GP, 0);
    }
  }

  /** One way out of a block, to a fixed distance from its start. */
  static final class Exit {
    private final long distance;
    private Block chained;

    Exit(long distance) {
      this.distance = distance;
    }

    Block take(Interpreter cpu, Block from) {
      Block to = chained;
      if (to != null) {
        cpu.advanceBlock(distance);
        return to;
      }
      return find(cpu, from);
    }

    private Block find(Interpreter cpu, Block from) {
      Block to = cpu.jump(cpu.blockRip() + distance);
      if (to != null && from.mayChain(to, distance)) {
        chained = to;
      }
      return to;
    }
  }

  static Exit taken(Insn branch) {
    return new Exit(branch.nextOffset + branch.imm);
  }

  static Exit notTaken(Insn branch) {
    return new Exit(branch.nextOffset);
  }

  /** JMP to a fixed place. */
  static final class Jump extends BlockEnd {
    private final Exit exit;

    Jump(Insn insn) {
      exit = taken(insn);
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      return exit.take(cpu, from);
    }
  }

  /** CALL of a fixed place. */
  static final class Call extends BlockEnd {
    private final long nextOffset;
    private final Exit exit;

    Call(Insn insn) {
      nextOffset = insn.nextOffset;
      exit = taken(insn);
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      cpu.push64(cpu.blockRip() + nextOffset);
      return exit.take(cpu, from);
    }
  }

  /** RET without an immediate. */
  static final class Return extends BlockEnd {
    @Override
    Block next(Interpreter cpu, Block from) {
      long rsp = cpu.gpr64(Interpreter.RSP);
      long target = cpu.mmu.read64(rsp);
      checkCanonical(cpu, target);
      cpu.setGpr64(Interpreter.RSP, rsp + 8);
      return cpu.jump(target);
    }
  }

  /** JMP and CALL ({@code extra} 1) through a register or memory. */
  static final class Indirect extends BlockEnd {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int ADDRESS = SHAPE.address();
    private static final boolean CALL = SHAPE.extra() == 1;

    private final int register;
    private final MemoryOperand memory;
    private final long nextOffset;

    Indirect() {
      this(0, null, 0);
    }

    private Indirect(int register, MemoryOperand memory, long nextOffset) {
      this.register = register;
      this.memory = memory;
      this.nextOffset = nextOffset;
    }

    @Override
    BlockEnd create(Insn compare, Insn insn) {
      return new Indirect(
          ADDRESS == MemoryOperand.NONE ? Access.register(insn, 0) : 0,
          ADDRESS == MemoryOperand.NONE ? null : new MemoryOperand(insn),
          insn.nextOffset);
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      long target =
          ADDRESS == MemoryOperand.NONE
              ? Access.load(8, cpu.s + register)
              : cpu.mmu.read64(memory.linear(cpu, ADDRESS, 8, false));
      checkCanonical(cpu, target);
      if (CALL) {
        cpu.push64(cpu.blockRip() + nextOffset);
      }
      return cpu.jump(target);
    }
  }

  /** Jcc on the flags as they are. */
  static final class Jcc extends BlockEnd {
    private static final int COND = Shape.of(MethodHandles.lookup()).extra();

    private final Exit taken;
    private final Exit notTaken;

    Jcc() {
      this(null, null);
    }

    private Jcc(Exit taken, Exit notTaken) {
      this.taken = taken;
      this.notTaken = notTaken;
    }

    @Override
    BlockEnd create(Insn compare, Insn insn) {
      return new Jcc(taken(insn), notTaken(insn));
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      return cpu.condition(COND) ? taken.take(cpu, from) : notTaken.take(cpu, from);
    }
  }

  /** CMP or TEST of a register with a register, and Jcc. */
  static final class CompareRegReg extends BlockEnd {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final int COND = SHAPE.extra();

    private final int left;
    private final int right;
    private final Exit taken;
    private final Exit notTaken;

    CompareRegReg() {
      this(0, 0, null, null);
    }

    private CompareRegReg(int left, int right, Exit taken, Exit notTaken) {
      this.left = left;
      this.right = right;
      this.taken = taken;
      this.notTaken = notTaken;
    }

    @Override
    BlockEnd create(Insn compare, Insn insn) {
      return new CompareRegReg(
          Access.register(compare, 0), Access.register(compare, 1), taken(insn), notTaken(insn));
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      long a = Access.load(SIZE, cpu.s + left);
      long b = Access.load(SIZE, cpu.s + right);
      AluCode.setFlags(OP, cpu, a, b, AluCode.result(OP, cpu, a, b), SIZE);
      return AluCode.compares(OP, COND, a, b, SIZE)
          ? taken.take(cpu, from)
          : notTaken.take(cpu, from);
    }
  }

  /** CMP or TEST of a register with an immediate, and Jcc. */
  static final class CompareRegImm extends BlockEnd {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final int COND = SHAPE.extra();

    private final int left;
    private final long b;
    private final Exit taken;
    private final Exit notTaken;

    CompareRegImm() {
      this(0, 0, null, null);
    }

    private CompareRegImm(int left, long b, Exit taken, Exit notTaken) {
      this.left = left;
      this.b = b;
      this.taken = taken;
      this.notTaken = notTaken;
    }

    @Override
    BlockEnd create(Insn compare, Insn insn) {
      return new CompareRegImm(
          Access.register(compare, 0), compare.imm, taken(insn), notTaken(insn));
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      long a = Access.load(SIZE, cpu.s + left);
      AluCode.setFlags(OP, cpu, a, b, AluCode.result(OP, cpu, a, b), SIZE);
      return AluCode.compares(OP, COND, a, b, SIZE)
          ? taken.take(cpu, from)
          : notTaken.take(cpu, from);
    }
  }

  /** CMP or TEST of memory with an immediate, and Jcc. */
  static final class CompareMemImm extends BlockEnd {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();
    private static final int COND = SHAPE.extra();

    private final MemoryOperand memory;
    private final long b;
    private final Exit taken;
    private final Exit notTaken;

    CompareMemImm() {
      this(null, 0, null, null);
    }

    private CompareMemImm(MemoryOperand memory, long b, Exit taken, Exit notTaken) {
      this.memory = memory;
      this.b = b;
      this.taken = taken;
      this.notTaken = notTaken;
    }

    @Override
    BlockEnd create(Insn compare, Insn insn) {
      return new CompareMemImm(
          new MemoryOperand(compare), compare.imm, taken(insn), notTaken(insn));
    }

    @Override
    Block next(Interpreter cpu, Block from) {
      long a = Access.read(cpu, SIZE, memory.linear(cpu, ADDRESS, SIZE, false));
      AluCode.setFlags(OP, cpu, a, b, AluCode.result(OP, cpu, a, b), SIZE);
      return AluCode.compares(OP, COND, a, b, SIZE)
          ? taken.take(cpu, from)
          : notTaken.take(cpu, from);
    }
  }
}
