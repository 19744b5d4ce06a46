package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.lang.invoke.VarHandle;

/**
 * MOVS, STOS, LODS, CMPS and SCAS with their repeat prefixes. Registers are right after every
 * element, so that a fault or an interrupt in the middle leaves an instruction that can be gone on
 * with.
 */
final class StringOps {
  private StringOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.MOVS, StringOps::movs);
    t.bind(Op.STOS, StringOps::stos);
    t.bind(Op.LODS, (cpu, insn) -> repeat(cpu, insn, StringOps::lodsOne));
    t.bind(Op.CMPS, (cpu, insn) -> repeatCompare(cpu, insn, StringOps::cmpsOne));
    t.bind(Op.SCAS, (cpu, insn) -> repeatCompare(cpu, insn, StringOps::scasOne));
  }

  private static final int DF = 1 << 10;

  @FunctionalInterface
  private interface Element {
    void execute(Interpreter cpu, Insn insn, int size);
  }

  private static int elementSize(Insn insn) {
    return insn.size0;
  }

  private static long count(Interpreter cpu, Insn insn) {
    return cpu.gpr(Interpreter.RCX, insn.addrSize);
  }

  private static void setCount(Interpreter cpu, Insn insn, long count) {
    cpu.setGpr(Interpreter.RCX, insn.addrSize, count);
  }

  private static boolean down(Interpreter cpu) {
    return (cpu.state().rflags() & DF) != 0;
  }

  private static void advance(Interpreter cpu, Insn insn, int register, long bytes) {
    long value = cpu.gpr64(register) + (down(cpu) ? -bytes : bytes);
    cpu.setGpr(register, insn.addrSize, value);
  }

  private static long source(Interpreter cpu, Insn insn, int size) {
    return cpu.linear(insn.segment, cpu.gpr(Interpreter.RSI, insn.addrSize), size, false);
  }

  private static long destination(Interpreter cpu, Insn insn, int size, boolean write) {
    return cpu.linear(CpuLayout.ES, cpu.gpr(Interpreter.RDI, insn.addrSize), size, write);
  }

  private static void repeat(Interpreter cpu, Insn insn, Element element) {
    int size = elementSize(insn);
    if (insn.rep == 0) {
      element.execute(cpu, insn, size);
      return;
    }
    for (long count = count(cpu, insn); count != 0; ) {
      element.execute(cpu, insn, size);
      setCount(cpu, insn, --count);
      if (count != 0 && cpu.interrupted()) {
        throw BlockExit.AGAIN;
      }
    }
  }

  private static void repeatCompare(Interpreter cpu, Insn insn, Element element) {
    int size = Math.min(insn.size0, insn.size1);
    if (insn.rep == 0) {
      element.execute(cpu, insn, size);
      return;
    }
    boolean whileEqual = insn.rep == 0xf3;
    for (long count = count(cpu, insn); count != 0; ) {
      element.execute(cpu, insn, size);
      setCount(cpu, insn, --count);
      if (cpu.zero() != whileEqual) {
        return;
      }
      if (count != 0 && cpu.interrupted()) {
        throw BlockExit.AGAIN;
      }
    }
  }

  private static void lodsOne(Interpreter cpu, Insn insn, int size) {
    cpu.setGpr(Interpreter.RAX, size, cpu.mmu().read(source(cpu, insn, size), size));
    advance(cpu, insn, Interpreter.RSI, size);
  }

  private static void cmpsOne(Interpreter cpu, Insn insn, int size) {
    // Processors read the second operand first: it is the one to fault where both would.
    long b = cpu.mmu().read(destination(cpu, insn, size, false), size);
    long a = cpu.mmu().read(source(cpu, insn, size), size);
    BinaryOp.SUB.setFlags(cpu, a, b, a - b, size);
    advance(cpu, insn, Interpreter.RSI, size);
    advance(cpu, insn, Interpreter.RDI, size);
  }

  private static void scasOne(Interpreter cpu, Insn insn, int size) {
    long a = cpu.gpr(Interpreter.RAX, size);
    long b = cpu.mmu().read(destination(cpu, insn, size, false), size);
    BinaryOp.SUB.setFlags(cpu, a, b, a - b, size);
    advance(cpu, insn, Interpreter.RDI, size);
  }

  private static void movsOne(Interpreter cpu, Insn insn, int size) {
    long value = cpu.mmu().read(source(cpu, insn, size), size);
    cpu.mmu().write(destination(cpu, insn, size, true), size, value);
    advance(cpu, insn, Interpreter.RSI, size);
    advance(cpu, insn, Interpreter.RDI, size);
  }

  private static void stosOne(Interpreter cpu, Insn insn, int size) {
    cpu.mmu().write(destination(cpu, insn, size, true), size, cpu.gpr64(Interpreter.RAX));
    advance(cpu, insn, Interpreter.RDI, size);
  }

  private static void movs(Interpreter cpu, Insn insn) {
    int size = elementSize(insn);
    if (insn.rep == 0) {
      movsOne(cpu, insn, size);
      return;
    }
    for (long count = count(cpu, insn); count != 0; ) {
      long done = moveRun(cpu, insn, size, count);
      if (done == 0) {
        movsOne(cpu, insn, size);
        done = 1;
      }
      count -= done;
      setCount(cpu, insn, count);
      if (count != 0 && cpu.interrupted()) {
        throw BlockExit.AGAIN;
      }
    }
  }

  private static void stos(Interpreter cpu, Insn insn) {
    int size = elementSize(insn);
    if (insn.rep == 0) {
      stosOne(cpu, insn, size);
      return;
    }
    for (long count = count(cpu, insn); count != 0; ) {
      long done = fillRun(cpu, insn, size, count);
      if (done == 0) {
        stosOne(cpu, insn, size);
        done = 1;
      }
      count -= done;
      setCount(cpu, insn, count);
      if (count != 0 && cpu.interrupted()) {
        throw BlockExit.AGAIN;
      }
    }
  }

  private static long bytesToPageEnd(long linear) {
    return RamBlock.PAGE_SIZE - (linear & RamBlock.PAGE_SIZE - 1);
  }

  /**
   * Runs of whole pages are for addresses that need no segment check or wrap, while alignment is
   * not checked.
   */
  private static boolean mayRun(Interpreter cpu, Insn insn) {
    return cpu.codeSize() == 64
        && insn.addrSize == 8
        && cpu.mmu().tlbUsable()
        && !cpu.interrupted();
  }

  /**
   * Copies as many elements as lie in one page at both ends; 0 if the next has to go one by one.
   */
  private static long moveRun(Interpreter cpu, Insn insn, int size, long count) {
    if (!mayRun(cpu, insn)) {
      return 0;
    }
    if (down(cpu)) {
      return moveRunDown(cpu, insn, size, count);
    }
    long from = source(cpu, insn, size);
    long to = destination(cpu, insn, size, true);
    long elements = Math.min(count, Math.min(bytesToPageEnd(from), bytesToPageEnd(to)) / size);
    if (elements < 2) {
      return 0;
    }
    long hostFrom = cpu.mmu().hostForRead(from, 1);
    long hostTo = hostFrom == 0 ? 0 : cpu.mmu().hostForWrite(to, 1);
    if (hostTo == 0) {
      return 0;
    }
    long bytes = elements * size;
    if (hostTo > hostFrom && hostTo < hostFrom + bytes) {
      copyPattern(hostFrom, hostTo, size, elements);
    } else {
      RawMemory.copy(hostFrom, hostTo, bytes);
    }
    VarHandle.acquireFence();
    advance(cpu, insn, Interpreter.RSI, bytes);
    advance(cpu, insn, Interpreter.RDI, bytes);
    return elements;
  }

  /** As {@link #moveRun} with DF set: the elements lie below the one at each end. */
  private static long moveRunDown(Interpreter cpu, Insn insn, int size, long count) {
    long from = source(cpu, insn, size);
    long to = destination(cpu, insn, size, true);
    if (bytesToPageEnd(from) < size || bytesToPageEnd(to) < size) {
      return 0;
    }
    long below = Math.min(from & RamBlock.PAGE_SIZE - 1, to & RamBlock.PAGE_SIZE - 1);
    long elements = Math.min(count, below / size + 1);
    if (elements < 2) {
      return 0;
    }
    long hostFrom = cpu.mmu().hostForRead(from, size);
    long hostTo = hostFrom == 0 ? 0 : cpu.mmu().hostForWrite(to, size);
    long bytes = elements * size;
    if (hostTo == 0 || hostTo < hostFrom && hostTo + bytes > hostFrom) {
      return 0;
    }
    long lower = bytes - size;
    RawMemory.copy(hostFrom - lower, hostTo - lower, bytes);
    VarHandle.acquireFence();
    advance(cpu, insn, Interpreter.RSI, bytes);
    advance(cpu, insn, Interpreter.RDI, bytes);
    return elements;
  }

  /** A copy onto what it has yet to read repeats its first elements. */
  private static void copyPattern(long from, long to, int size, long elements) {
    for (long i = 0; i < elements; i++) {
      long at = i * size;
      switch (size) {
        case 1 -> RawMemory.putByte(to + at, RawMemory.getByte(from + at));
        case 2 -> RawMemory.putShort(to + at, RawMemory.getShort(from + at));
        case 4 -> RawMemory.putInt(to + at, RawMemory.getInt(from + at));
        default -> RawMemory.putLong(to + at, RawMemory.getLong(from + at));
      }
    }
  }

  private static long fillRun(Interpreter cpu, Insn insn, int size, long count) {
    if (down(cpu) || !mayRun(cpu, insn)) {
      return 0;
    }
    long to = destination(cpu, insn, size, true);
    long elements = Math.min(count, bytesToPageEnd(to) / size);
    if (elements < 2) {
      return 0;
    }
    long host = cpu.mmu().hostForWrite(to, 1);
    if (host == 0) {
      return 0;
    }
    long value = cpu.gpr(Interpreter.RAX, size);
    long first = value & 0xff;
    if (value == Alu.zeroExtend(first * 0x0101_0101_0101_0101L, size)) {
      RawMemory.fill(host, elements * size, (byte) first);
    } else {
      for (long i = 0; i < elements; i++) {
        long at = host + i * size;
        switch (size) {
          case 2 -> RawMemory.putShort(at, (short) value);
          case 4 -> RawMemory.putInt(at, (int) value);
          default -> RawMemory.putLong(at, value);
        }
      }
    }
    advance(cpu, insn, Interpreter.RDI, elements * size);
    return elements;
  }
}
