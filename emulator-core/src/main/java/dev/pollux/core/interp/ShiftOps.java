package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.UndefinedResults;

/**
 * Shifts and rotates. A masked count of zero changes neither the operand's value nor the flags, but
 * writes it.
 */
final class ShiftOps {
  private static final UndefinedResults HOST = UndefinedResults.ofHost().orElse(null);

  private ShiftOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.SHL, ShiftOps::shl);
    t.bind(Op.SHR, ShiftOps::shr);
    t.bind(Op.SAR, ShiftOps::sar);
    t.bind(Op.ROL, ShiftOps::rol);
    t.bind(Op.ROR, ShiftOps::ror);
    t.bind(Op.RCL, ShiftOps::rcl);
    t.bind(Op.RCR, ShiftOps::rcr);
    t.bind(Op.SHLD, (cpu, insn) -> doubleShift(cpu, insn, true));
    t.bind(Op.SHRD, (cpu, insn) -> doubleShift(cpu, insn, false));
    t.bind(
        Op.SHLX,
        (cpu, insn) -> cpu.setGpr(insn.reg0, insn.opSize, cpu.read(insn, 1) << countX(cpu, insn)));
    t.bind(
        Op.SHRX,
        (cpu, insn) -> cpu.setGpr(insn.reg0, insn.opSize, cpu.read(insn, 1) >>> countX(cpu, insn)));
    t.bind(
        Op.SARX,
        (cpu, insn) ->
            cpu.setGpr(
                insn.reg0,
                insn.opSize,
                Alu.signExtend(cpu.read(insn, 1), insn.opSize) >> countX(cpu, insn)));
    t.bind(
        Op.RORX,
        (cpu, insn) ->
            cpu.setGpr(
                insn.reg0,
                insn.opSize,
                Alu.rotateRight(cpu.read(insn, 1), (int) insn.imm, insn.opSize)));
  }

  private static int countX(Interpreter cpu, Insn insn) {
    return (int) cpu.gpr(insn.reg2, 1) & insn.opSize * 8 - 1;
  }

  private static int count(Interpreter cpu, Insn insn, int operand) {
    long count = insn.kind(operand) == Insn.IMM ? insn.imm : cpu.gpr(Interpreter.RCX, 1);
    return (int) count & (insn.size0 == 8 ? 63 : 31);
  }

  private static void shl(Interpreter cpu, Insn insn) {
    int count = count(cpu, insn, 1);
    long a = IntegerOps.modify(cpu, insn, (old, n) -> old << n, count);
    if (count != 0) {
      cpu.setStatusFlags(Alu.shlFlags(a, count, insn.size0));
    }
  }

  private static void shr(Interpreter cpu, Insn insn) {
    int count = count(cpu, insn, 1);
    long a = IntegerOps.modify(cpu, insn, (old, n) -> old >>> n, count);
    if (count != 0) {
      cpu.setStatusFlags(Alu.shrFlags(a, count, insn.size0));
    }
  }

  private static void sar(Interpreter cpu, Insn insn) {
    int count = count(cpu, insn, 1);
    int size = insn.size0;
    long a = IntegerOps.modify(cpu, insn, (old, n) -> Alu.signExtend(old, size) >> n, count);
    if (count != 0) {
      cpu.setStatusFlags(Alu.sarFlags(Alu.signExtend(a, size), count, size));
    }
  }

  private static void setRotateFlags(Interpreter cpu, int carryAndOverflow) {
    cpu.setStatusFlags(cpu.statusFlags() & ~(Alu.CF | Alu.OF) | carryAndOverflow);
  }

  private static void rol(Interpreter cpu, Insn insn) {
    int count = count(cpu, insn, 1);
    int size = insn.size0;
    long a = IntegerOps.modify(cpu, insn, (old, n) -> Alu.rotateLeft(old, (int) n, size), count);
    if (count != 0) {
      setRotateFlags(cpu, Alu.rolFlags(Alu.rotateLeft(a, count, size), size));
    }
  }

  private static void ror(Interpreter cpu, Insn insn) {
    int count = count(cpu, insn, 1);
    int size = insn.size0;
    long a = IntegerOps.modify(cpu, insn, (old, n) -> Alu.rotateRight(old, (int) n, size), count);
    if (count != 0) {
      setRotateFlags(cpu, Alu.rorFlags(Alu.rotateRight(a, count, size), size));
    }
  }

  private static int throughCarry(int count, int size) {
    return size >= 4 ? count : count % (size * 8 + 1);
  }

  private static void rcl(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    int count = throughCarry(count(cpu, insn, 1), size);
    long carry = cpu.carry() ? 1 : 0;
    long a =
        IntegerOps.modify(
            cpu, insn, (old, n) -> n == 0 ? old : Alu.rclResult(old, (int) n, size, carry), count);
    if (count != 0) {
      setRotateFlags(cpu, Alu.rclFlags(a, Alu.rclResult(a, count, size, carry), count, size));
    }
  }

  private static void rcr(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    int count = throughCarry(count(cpu, insn, 1), size);
    long carry = cpu.carry() ? 1 : 0;
    long a =
        IntegerOps.modify(
            cpu, insn, (old, n) -> n == 0 ? old : Alu.rcrResult(old, (int) n, size, carry), count);
    if (count != 0) {
      setRotateFlags(cpu, Alu.rcrFlags(a, Alu.rcrResult(a, count, size, carry), count, size));
    }
  }

  private static void doubleShift(Interpreter cpu, Insn insn, boolean left) {
    int size = insn.size0;
    int count = count(cpu, insn, 2);
    long b = cpu.read(insn, 1);
    if (count > size * 8 && HOST != null) {
      undefinedDoubleShift(cpu, insn, left, b, count);
      return;
    }
    long a =
        IntegerOps.modify(
            cpu,
            insn,
            (old, n) ->
                n == 0
                    ? old
                    : left
                        ? Alu.shldResult(old, b, (int) n, size)
                        : Alu.shrdResult(old, b, (int) n, size),
            count);
    if (count != 0) {
      cpu.setStatusFlags(
          left
              ? Alu.shldFlags(a, b, Alu.shldResult(a, b, count, size), count, size)
              : Alu.shrdFlags(a, b, Alu.shrdResult(a, b, count, size), count, size));
    }
  }

  /** 16 bits shifted by more than 16: result and flags are the host's. */
  private static void undefinedDoubleShift(
      Interpreter cpu, Insn insn, boolean left, long b, int count) {
    int before = cpu.statusFlags();
    long a =
        IntegerOps.modify(
            cpu, insn, (old, n) -> HOST.ofDoubleShift(left, old, b, (int) n, before), count);
    cpu.setStatusFlags((int) (HOST.ofDoubleShift(left, a, b, count, before) >>> 32));
  }
}
