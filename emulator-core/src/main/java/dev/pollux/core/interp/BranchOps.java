package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;

/**
 * Near branches, calls and returns. RIP in the state block is that of the next instruction when
 * they start.
 */
final class BranchOps {
  private BranchOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.JMP, (cpu, insn) -> branch(cpu, insn, target(cpu, insn)));
    t.bind(
        Op.JCC,
        (cpu, insn) -> {
          if (cpu.condition(insn.cond)) {
            branch(cpu, insn, target(cpu, insn));
          }
        });
    t.bind(Op.CALL, BranchOps::call);
    t.bind(Op.RET, BranchOps::ret);
    t.bind(Op.LOOP, (cpu, insn) -> loop(cpu, insn, true));
    t.bind(Op.LOOPE, (cpu, insn) -> loop(cpu, insn, cpu.zero()));
    t.bind(Op.LOOPNE, (cpu, insn) -> loop(cpu, insn, !cpu.zero()));
    t.bind(
        Op.JCXZ,
        (cpu, insn) -> {
          if (cpu.gpr(Interpreter.RCX, insn.addrSize) == 0) {
            branch(cpu, insn, target(cpu, insn));
          }
        });
  }

  private static long target(Interpreter cpu, Insn insn) {
    return insn.kind0 == Insn.REL ? cpu.state().rip() + insn.imm : cpu.read(insn, 0);
  }

  /**
   * Goes to a target: cut to the operand size, canonical in 64-bit mode, inside the code segment
   * otherwise.
   */
  private static void branch(Interpreter cpu, Insn insn, long target) {
    cpu.state().setRip(checked(cpu, insn, target));
  }

  private static long checked(Interpreter cpu, Insn insn, long target) {
    if (cpu.codeSize() == 64) {
      if (target << 16 >> 16 != target) {
        throw cpu.fault(CpuException.GP, 0);
      }
      return target;
    }
    long rip = Alu.zeroExtend(target, insn.opSize);
    if (rip > cpu.state().segLimit(CpuLayout.CS)) {
      throw cpu.fault(CpuException.GP, 0);
    }
    return rip;
  }

  private static void call(Interpreter cpu, Insn insn) {
    long target = checked(cpu, insn, target(cpu, insn));
    cpu.push(insn.opSize, cpu.state().rip());
    cpu.state().setRip(target);
  }

  private static void ret(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    long target = checked(cpu, insn, cpu.peek(size, 0));
    cpu.addStack(size + (insn.kind0 == Insn.IMM ? insn.imm & 0xffff : 0));
    cpu.state().setRip(target);
  }

  private static void loop(Interpreter cpu, Insn insn, boolean condition) {
    int size = insn.addrSize;
    long count = Alu.zeroExtend(cpu.gpr64(Interpreter.RCX) - 1, size);
    if (count != 0 && condition) {
      long rip = checked(cpu, insn, target(cpu, insn));
      cpu.setGpr(Interpreter.RCX, size, count);
      cpu.state().setRip(rip);
    } else {
      cpu.setGpr(Interpreter.RCX, size, count);
    }
  }
}
