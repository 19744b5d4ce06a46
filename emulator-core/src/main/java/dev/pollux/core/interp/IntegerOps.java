package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import java.lang.invoke.VarHandle;

/** General-purpose arithmetic, logic and moves (Intel SDM vol. 2). */
final class IntegerOps {
  private IntegerOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.ADD, (cpu, insn) -> binary(cpu, insn, BinaryOp.ADD));
    t.bind(Op.OR, (cpu, insn) -> binary(cpu, insn, BinaryOp.OR));
    t.bind(Op.ADC, (cpu, insn) -> binary(cpu, insn, BinaryOp.ADC));
    t.bind(Op.SBB, (cpu, insn) -> binary(cpu, insn, BinaryOp.SBB));
    t.bind(Op.AND, (cpu, insn) -> binary(cpu, insn, BinaryOp.AND));
    t.bind(Op.SUB, (cpu, insn) -> binary(cpu, insn, BinaryOp.SUB));
    t.bind(Op.XOR, (cpu, insn) -> binary(cpu, insn, BinaryOp.XOR));
    t.bind(Op.CMP, (cpu, insn) -> compare(cpu, insn, BinaryOp.SUB));
    t.bind(Op.TEST, (cpu, insn) -> compare(cpu, insn, BinaryOp.AND));
    t.bind(Op.INC, (cpu, insn) -> step(cpu, insn, BinaryOp.ADD));
    t.bind(Op.DEC, (cpu, insn) -> step(cpu, insn, BinaryOp.SUB));
    t.bind(Op.NEG, IntegerOps::neg);
    t.bind(Op.NOT, IntegerOps::not);
    t.bind(Op.MOV, (cpu, insn) -> cpu.write(insn, 0, cpu.read(insn, 1)));
    t.bind(Op.MOVNTI, (cpu, insn) -> cpu.write(insn, 0, cpu.read(insn, 1)));
    t.bind(Op.MOVDIRI, (cpu, insn) -> cpu.write(insn, 0, cpu.read(insn, 1)));
    t.bind(Op.MOVZX, (cpu, insn) -> cpu.write(insn, 0, cpu.read(insn, 1)));
    t.bind(
        Op.MOVSX, (cpu, insn) -> cpu.write(insn, 0, Alu.signExtend(cpu.read(insn, 1), insn.size1)));
    t.bind(
        Op.MOVSXD,
        (cpu, insn) -> cpu.write(insn, 0, Alu.signExtend(cpu.read(insn, 1), insn.size1)));
    t.bind(
        Op.MOVBE, (cpu, insn) -> cpu.write(insn, 0, reverseBytes(cpu.read(insn, 1), insn.opSize)));
    t.bind(Op.BSWAP, IntegerOps::bswap);
    t.bind(Op.LEA, (cpu, insn) -> cpu.setGpr(insn.reg0, insn.opSize, cpu.effectiveAddress(insn)));
    t.bind(Op.XLAT, IntegerOps::xlat);
    t.bind(Op.CBW, IntegerOps::cbw);
    t.bind(Op.CWD, IntegerOps::cwd);
    t.bind(Op.SETCC, (cpu, insn) -> cpu.write(insn, 0, cpu.condition(insn.cond) ? 1 : 0));
    t.bind(Op.CMOVCC, IntegerOps::cmov);
    t.bind(Op.BOUND, IntegerOps::bound);

    t.bind(Op.XCHG, IntegerOps::xchg);
    t.bind(Op.XADD, IntegerOps::xadd);
    t.bind(Op.CMPXCHG, IntegerOps::cmpxchg);
    t.bind(Op.CMPXCHG8B, IntegerOps::cmpxchg8b);
    t.bind(Op.CMPXCHG16B, IntegerOps::cmpxchg16b);

    t.bind(Op.CLC, (cpu, insn) -> cpu.setStatusFlags(cpu.statusFlags() & ~Alu.CF));
    t.bind(Op.STC, (cpu, insn) -> cpu.setStatusFlags(cpu.statusFlags() | Alu.CF));
    t.bind(Op.CMC, (cpu, insn) -> cpu.setStatusFlags(cpu.statusFlags() ^ Alu.CF));
    t.bind(Op.CLD, (cpu, insn) -> cpu.state().setRflags(cpu.state().rflags() & ~(long) DF));
    t.bind(Op.STD, (cpu, insn) -> cpu.state().setRflags(cpu.state().rflags() | DF));
    t.bind(
        Op.LAHF,
        (cpu, insn) -> cpu.setGpr(0, 2, cpu.gpr(0, 1) | (cpu.statusFlags() & 0xd5 | 2) << 8));
    t.bind(
        Op.SAHF,
        (cpu, insn) ->
            cpu.setStatusFlags(cpu.statusFlags() & Alu.OF | (int) (cpu.gpr(0, 2) >>> 8) & 0xd5));
    t.bind(Op.SALC, (cpu, insn) -> cpu.setGpr(0, 1, cpu.carry() ? 0xff : 0));

    t.bind(Op.PUSH, IntegerOps::push);
    t.bind(Op.POP, IntegerOps::pop);
    t.bind(Op.PUSHA, IntegerOps::pusha);
    t.bind(Op.POPA, IntegerOps::popa);
    t.bind(Op.ENTER, IntegerOps::enter);
    t.bind(Op.LEAVE, IntegerOps::leave);

    for (Op op :
        new Op[] {
          Op.NOP,
          Op.ENDBR32,
          Op.ENDBR64,
          Op.PREFETCH,
          Op.PREFETCHNTA,
          Op.PREFETCHT0,
          Op.PREFETCHT1,
          Op.PREFETCHT2,
          Op.LFENCE,
          Op.SERIALIZE,
          Op.SFENCE
        }) {
      t.bind(op, (cpu, insn) -> {});
    }
    t.bind(Op.PAUSE, (cpu, insn) -> cpu.pause());
    t.bind(Op.MFENCE, (cpu, insn) -> VarHandle.fullFence());
    // Caches are not modelled; the address is checked as by a load.
    t.bind(Op.CLFLUSH, (cpu, insn) -> cpu.mmu().probeRead(cpu.address(insn, 1, false), 1));
    t.bind(Op.CLFLUSHOPT, (cpu, insn) -> cpu.mmu().probeRead(cpu.address(insn, 1, false), 1));
    t.bind(Op.CLWB, (cpu, insn) -> cpu.mmu().probeRead(cpu.address(insn, 1, false), 1));
    t.bind(Op.CLZERO, IntegerOps::clzero);
  }

  private static final int DF = 1 << 10;

  // ---- two operands ----

  private static void binary(Interpreter cpu, Insn insn, BinaryOp op) {
    int size = insn.size0;
    long b = cpu.read(insn, 1);
    long carry = cpu.carry() ? 1 : 0;
    long a;
    if (insn.kind0 == Insn.MEM) {
      long address = cpu.address(insn, size, true);
      if (insn.lock) {
        a = AtomicMemory.update(cpu, address, size, op.update(carry), b);
      } else {
        cpu.mmu().probeWrite(address, size);
        a = cpu.mmu().read(address, size);
        cpu.mmu().write(address, size, op.result(a, b, carry));
      }
    } else {
      a = cpu.read(insn, 0);
      cpu.write(insn, 0, op.result(a, b, carry));
    }
    op.setFlags(cpu, a, b, op.result(a, b, carry), size);
  }

  private static void compare(Interpreter cpu, Insn insn, BinaryOp op) {
    long b = cpu.read(insn, 1);
    long a = cpu.read(insn, 0);
    op.setFlags(cpu, a, b, op.result(a, b, 0), insn.size0);
  }

  /** INC and DEC: CF stays. */
  private static void step(Interpreter cpu, Insn insn, BinaryOp op) {
    int size = insn.size0;
    long a = modify(cpu, insn, op.update(0), 1);
    boolean carry = cpu.carry();
    op.setFlags(cpu, a, 1, op.result(a, 1, 0), size);
    cpu.setCarryOnly(carry);
  }

  private static void neg(Interpreter cpu, Insn insn) {
    long a = modify(cpu, insn, (old, operand) -> -old, 0);
    BinaryOp.SUB.setFlags(cpu, 0, a, -a, insn.size0);
  }

  private static void not(Interpreter cpu, Insn insn) {
    modify(cpu, insn, (old, operand) -> ~old, 0);
  }

  /** Replaces operand 0 and returns its old value, zero-extended. */
  static long modify(Interpreter cpu, Insn insn, AtomicMemory.Update update, long operand) {
    int size = insn.size0;
    if (insn.kind0 == Insn.MEM) {
      long address = cpu.address(insn, size, true);
      if (insn.lock) {
        return AtomicMemory.update(cpu, address, size, update, operand);
      }
      return plainUpdate(cpu, address, size, update, operand);
    }
    long old = cpu.read(insn, 0);
    cpu.write(insn, 0, update.apply(old, operand));
    return old;
  }

  /** Read-modify-write without LOCK. */
  private static long plainUpdate(
      Interpreter cpu, long address, int size, AtomicMemory.Update update, long operand) {
    cpu.mmu().probeWrite(address, size);
    long old = cpu.mmu().read(address, size);
    cpu.mmu().write(address, size, update.apply(old, operand));
    return old;
  }

  // ---- moves ----

  private static long reverseBytes(long value, int size) {
    return Long.reverseBytes(value) >>> 64 - size * 8;
  }

  /** A 16-bit BSWAP is undefined; processors give 0. */
  private static void bswap(Interpreter cpu, Insn insn) {
    long value = cpu.gpr(insn.reg0, insn.opSize);
    cpu.setGpr(insn.reg0, insn.opSize, insn.opSize == 2 ? 0 : reverseBytes(value, insn.opSize));
  }

  private static void xlat(Interpreter cpu, Insn insn) {
    long offset = cpu.gpr64(Interpreter.RBX) + cpu.gpr(Interpreter.RAX, 1);
    long address = cpu.linear(insn.segment, Alu.zeroExtend(offset, insn.addrSize), 1, false);
    cpu.setGpr(Interpreter.RAX, 1, cpu.mmu().read8(address));
  }

  private static void cbw(Interpreter cpu, Insn insn) {
    int half = insn.opSize / 2;
    cpu.setGpr(Interpreter.RAX, insn.opSize, Alu.signExtend(cpu.gpr(Interpreter.RAX, half), half));
  }

  private static void cwd(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    cpu.setGpr(Interpreter.RDX, size, Alu.signExtend(cpu.gpr(Interpreter.RAX, size), size) >> 63);
  }

  private static void cmov(Interpreter cpu, Insn insn) {
    long value = cpu.read(insn, 1);
    if (cpu.condition(insn.cond)) {
      cpu.setGpr(insn.reg0, insn.opSize, value);
    } else if (insn.opSize == 4) {
      cpu.setGpr32(insn.reg0, cpu.gpr32(insn.reg0));
    }
  }

  private static void bound(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    long address = cpu.address(insn, size * 2, false);
    long low = Alu.signExtend(cpu.mmu().read(address, size), size);
    long high = Alu.signExtend(cpu.mmu().read(address + size, size), size);
    long index = Alu.signExtend(cpu.gpr(insn.reg0, size), size);
    if (index < low || index > high) {
      throw cpu.fault(CpuException.BR);
    }
  }

  private static void clzero(Interpreter cpu, Insn insn) {
    long address = cpu.address(insn, 1, true) & -64;
    cpu.mmu().probeWrite(address, 64);
    for (int i = 0; i < 64; i += 8) {
      cpu.mmu().write64(address + i, 0);
    }
  }

  // ---- exchanges ----

  private static void xchg(Interpreter cpu, Insn insn) {
    int memory = insn.kind1 == Insn.MEM ? 1 : 0;
    int register = 1 - memory;
    long value = cpu.read(insn, register);
    if (insn.hasMemory()) {
      int size = insn.size0;
      long address = cpu.address(insn, size, true);
      cpu.write(
          insn,
          register,
          AtomicMemory.update(cpu, address, size, (old, operand) -> operand, value));
    } else {
      long other = cpu.read(insn, memory);
      cpu.write(insn, memory, value);
      cpu.write(insn, register, other);
    }
  }

  private static void xadd(Interpreter cpu, Insn insn) {
    long b = cpu.read(insn, 1);
    long a;
    if (insn.kind0 == Insn.MEM) {
      a = modify(cpu, insn, (old, operand) -> old + operand, b);
      cpu.write(insn, 1, a);
    } else {
      // XADD of a register with itself doubles it: the sum is written last.
      a = cpu.read(insn, 0);
      cpu.write(insn, 1, a);
      cpu.write(insn, 0, a + b);
    }
    BinaryOp.ADD.setFlags(cpu, a, b, a + b, insn.size0);
  }

  private static void cmpxchg(Interpreter cpu, Insn insn) {
    int size = insn.size0;
    long expected = cpu.gpr(Interpreter.RAX, size);
    long replacement = cpu.read(insn, 1);
    if (insn.kind0 != Insn.MEM) {
      cmpxchgRegister(cpu, insn, expected, replacement);
      return;
    }
    long old =
        modify(cpu, insn, (found, operand) -> found == expected ? operand : found, replacement);
    BinaryOp.SUB.setFlags(cpu, expected, old, expected - old, size);
    if (old != expected) {
      cpu.setGpr(Interpreter.RAX, size, old);
    }
  }

  /**
   * A destination that is not exchanged is not written either: the upper half of a 32-bit one
   * stays.
   */
  private static void cmpxchgRegister(Interpreter cpu, Insn insn, long expected, long replacement) {
    long old = cpu.read(insn, 0);
    BinaryOp.SUB.setFlags(cpu, expected, old, expected - old, insn.size0);
    if (old == expected) {
      cpu.write(insn, 0, replacement);
    } else {
      cpu.setGpr(Interpreter.RAX, insn.size0, old);
    }
  }

  private static void cmpxchg8b(Interpreter cpu, Insn insn) {
    long expected = cpu.gpr(Interpreter.RDX, 4) << 32 | cpu.gpr(Interpreter.RAX, 4);
    long replacement = cpu.gpr(Interpreter.RCX, 4) << 32 | cpu.gpr(Interpreter.RBX, 4);
    long address = cpu.address(insn, 8, true);
    AtomicMemory.Update exchange = (found, operand) -> found == expected ? operand : found;
    long old =
        insn.lock
            ? AtomicMemory.update(cpu, address, 8, exchange, replacement)
            : plainUpdate(cpu, address, 8, exchange, replacement);
    setZero(cpu, old == expected);
    if (old != expected) {
      cpu.setGpr(Interpreter.RAX, 4, old);
      cpu.setGpr(Interpreter.RDX, 4, old >>> 32);
    }
  }

  private static void cmpxchg16b(Interpreter cpu, Insn insn) {
    long address = cpu.address(insn, 16, true);
    if ((address & 15) != 0) {
      throw cpu.fault(CpuException.GP, 0);
    }
    long[] old = cpu.pair;
    long low = cpu.gpr64(Interpreter.RAX);
    long high = cpu.gpr64(Interpreter.RDX);
    long newLow = cpu.gpr64(Interpreter.RBX);
    long newHigh = cpu.gpr64(Interpreter.RCX);
    boolean equal =
        insn.lock
            ? AtomicMemory.compareAndSet16(cpu, address, low, high, newLow, newHigh, old)
            : replace16(cpu, address, low, high, newLow, newHigh, old);
    setZero(cpu, equal);
    if (!equal) {
      cpu.setGpr64(Interpreter.RAX, old[0]);
      cpu.setGpr64(Interpreter.RDX, old[1]);
    }
  }

  /** CMPXCHG16B without LOCK: other vCPUs may come in between. */
  static boolean replace16(
      Interpreter cpu, long linear, long low, long high, long newLow, long newHigh, long[] old) {
    cpu.mmu().probeWrite(linear, 16);
    old[0] = cpu.mmu().read64(linear);
    old[1] = cpu.mmu().read64(linear + 8);
    boolean equal = old[0] == low && old[1] == high;
    cpu.mmu().write64(linear, equal ? newLow : old[0]);
    cpu.mmu().write64(linear + 8, equal ? newHigh : old[1]);
    return equal;
  }

  static void setZero(Interpreter cpu, boolean zero) {
    cpu.setStatusFlags(cpu.statusFlags() & ~Alu.ZF | (zero ? Alu.ZF : 0));
  }

  // ---- the stack ----

  private static void push(Interpreter cpu, Insn insn) {
    cpu.push(insn.opSize, cpu.read(insn, 0));
  }

  private static void pop(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    long value = cpu.peek(size, 0);
    if (insn.kind0 != Insn.MEM) {
      cpu.addStack(size);
      cpu.write(insn, 0, value);
      return;
    }
    // The address is computed with the stack pointer after the pop; a fault leaves it before.
    long rsp = cpu.gpr64(Interpreter.RSP);
    cpu.addStack(size);
    long after = cpu.gpr64(Interpreter.RSP);
    try {
      long address = cpu.address(insn, size, true);
      cpu.setGpr64(Interpreter.RSP, rsp);
      cpu.mmu().write(address, size, value);
    } finally {
      cpu.setGpr64(Interpreter.RSP, rsp);
    }
    cpu.setGpr64(Interpreter.RSP, after);
  }

  private static void pusha(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    long rsp = cpu.gpr64(Interpreter.RSP);
    try {
      for (int register = 0; register < 8; register++) {
        cpu.push(size, register == Interpreter.RSP ? rsp : cpu.gpr64(register));
      }
    } catch (CpuException e) {
      cpu.setGpr64(Interpreter.RSP, rsp);
      throw e;
    }
  }

  private static void popa(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    for (int register = 7; register >= 0; register--) {
      cpu.peek(size, (7 - register) * (long) size); // all faults first
    }
    for (int register = 7; register >= 0; register--) {
      if (register != Interpreter.RSP) {
        cpu.setGpr(register, size, cpu.peek(size, (7 - register) * (long) size));
      }
    }
    cpu.addStack(8L * size);
  }

  private static void enter(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    int width = cpu.stackWidth();
    int level = insn.imm2 & 31;
    long rsp = cpu.gpr64(Interpreter.RSP);
    long rbp = cpu.gpr64(Interpreter.RBP);
    try {
      cpu.push(size, rbp);
      long frame = cpu.gpr64(Interpreter.RSP);
      if (level > 0) {
        long link = rbp;
        for (int i = 1; i < level; i++) {
          link -= size;
          long address = cpu.linear(CpuLayout.SS, Alu.zeroExtend(link, width), size, false);
          cpu.push(size, cpu.mmu().read(address, size));
        }
        cpu.push(size, frame);
      }
      long top = Alu.zeroExtend(cpu.gpr64(Interpreter.RSP) - (insn.imm & 0xffff), width);
      cpu.mmu().probeWrite(cpu.linear(CpuLayout.SS, top, size, true), size);
      cpu.setGpr(Interpreter.RBP, size, frame);
      cpu.setGpr(Interpreter.RSP, width, top);
    } catch (CpuException e) {
      cpu.setGpr64(Interpreter.RSP, rsp);
      throw e;
    }
  }

  private static void leave(Interpreter cpu, Insn insn) {
    int size = insn.opSize;
    int width = cpu.stackWidth();
    long frame = Alu.zeroExtend(cpu.gpr64(Interpreter.RBP), width);
    long value = cpu.mmu().read(cpu.linear(CpuLayout.SS, frame, size, false), size);
    cpu.setGpr(Interpreter.RSP, width, frame + size);
    cpu.setGpr(Interpreter.RBP, size, value);
  }
}
