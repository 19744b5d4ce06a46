package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Templates of the integer instructions that programs are made of; {@link NodeFactory} chooses
 * among them.
 */
final class IntegerNodes {
  private IntegerNodes() {}

  /** {@code op register, register}. */
  static final class AluRegReg extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();

    private final int destination;
    private final int source;

    AluRegReg() {
      this(0, 0);
    }

    private AluRegReg(int destination, int source) {
      this.destination = destination;
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new AluRegReg(Access.register(insn, 0), Access.register(insn, 1));
    }

    @Override
    void execute(Interpreter cpu) {
      long s = cpu.s;
      long a = Access.load(SIZE, s + destination);
      long b = Access.load(SIZE, s + source);
      long r = AluCode.result(OP, cpu, a, b);
      if (AluCode.writes(OP)) {
        Access.storeRegister(SIZE, s + destination, r);
      }
      if (FLAGS) {
        AluCode.setFlags(OP, cpu, a, b, r, SIZE);
      }
    }
  }

  /** {@code op register, immediate}. */
  static final class AluRegImm extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();

    private final int destination;
    private final long b;

    AluRegImm() {
      this(0, 0);
    }

    private AluRegImm(int destination, long b) {
      this.destination = destination;
      this.b = b;
    }

    @Override
    Node create(Insn insn) {
      return new AluRegImm(Access.register(insn, 0), insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      long at = cpu.s + destination;
      long a = Access.load(SIZE, at);
      long r = AluCode.result(OP, cpu, a, b);
      if (AluCode.writes(OP)) {
        Access.storeRegister(SIZE, at, r);
      }
      if (FLAGS) {
        AluCode.setFlags(OP, cpu, a, b, r, SIZE);
      }
    }
  }

  /** {@code op register, memory}. */
  static final class AluRegMem extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();
    private static final boolean FLAGS = SHAPE.flags();

    private final int destination;
    private final MemoryOperand memory;

    AluRegMem() {
      this(0, null);
    }

    private AluRegMem(int destination, MemoryOperand memory) {
      this.destination = destination;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new AluRegMem(Access.register(insn, 0), new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      long b = Access.read(cpu, SIZE, memory.linear(cpu, ADDRESS, SIZE, false));
      long at = cpu.s + destination;
      long a = Access.load(SIZE, at);
      long r = AluCode.result(OP, cpu, a, b);
      if (AluCode.writes(OP)) {
        Access.storeRegister(SIZE, at, r);
      }
      if (FLAGS) {
        AluCode.setFlags(OP, cpu, a, b, r, SIZE);
      }
    }
  }

  /**
   * {@code op memory, register} and {@code op memory, immediate}: the source is a register if
   * {@code extra} is 1.
   */
  static final class AluMem extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();
    private static final boolean FLAGS = SHAPE.flags();
    private static final boolean REGISTER = SHAPE.extra() == 1;

    private final MemoryOperand memory;
    private final long source;

    AluMem() {
      this(null, 0);
    }

    private AluMem(MemoryOperand memory, long source) {
      this.memory = memory;
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new AluMem(new MemoryOperand(insn), REGISTER ? Access.register(insn, 1) : insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      long linear = memory.linear(cpu, ADDRESS, SIZE, AluCode.writes(OP));
      long b = REGISTER ? Access.load(SIZE, cpu.s + source) : source;
      if (AluCode.writes(OP)) {
        modify(cpu, linear, b);
      } else {
        long a = Access.read(cpu, SIZE, linear);
        AluCode.setFlags(OP, cpu, a, b, AluCode.result(OP, cpu, a, b), SIZE);
      }
    }

    private void modify(Interpreter cpu, long linear, long b) {
      long host = cpu.mmu.hostForWrite(linear, SIZE);
      long a;
      long r;
      if (host != 0) {
        a = Access.load(SIZE, host);
        VarHandle.acquireFence();
        r = AluCode.result(OP, cpu, a, b);
        Access.store(SIZE, host, r);
      } else {
        a = Access.read(cpu, SIZE, linear);
        r = AluCode.result(OP, cpu, a, b);
        Access.write(cpu, SIZE, linear, r);
      }
      if (FLAGS) {
        AluCode.setFlags(OP, cpu, a, b, r, SIZE);
      }
    }
  }

  /** INC and DEC of a register ({@code op} ADD, SUB), NEG ({@code CMP}) and NOT ({@code XOR}). */
  static final class UnaryReg extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();

    private final int register;

    UnaryReg() {
      this(0);
    }

    private UnaryReg(int register) {
      this.register = register;
    }

    @Override
    Node create(Insn insn) {
      return new UnaryReg(Access.register(insn, 0));
    }

    @Override
    void execute(Interpreter cpu) {
      long at = cpu.s + register;
      long a = Access.load(SIZE, at);
      switch (OP) {
        case AluCode.ADD -> {
          Access.storeRegister(SIZE, at, a + 1);
          if (FLAGS) {
            cpu.setFlagsButCarry(a + 1, Alu.addCarries(a, 1, a + 1), SIZE);
          }
        }
        case AluCode.SUB -> {
          Access.storeRegister(SIZE, at, a - 1);
          if (FLAGS) {
            cpu.setFlagsButCarry(a - 1, Alu.subCarries(a, 1, a - 1), SIZE);
          }
        }
        case AluCode.CMP -> {
          Access.storeRegister(SIZE, at, -a);
          if (FLAGS) {
            cpu.setFlags(-a, Alu.subCarries(0, a, -a), SIZE);
          }
        }
        default -> Access.storeRegister(SIZE, at, ~a);
      }
    }
  }

  /** INC and DEC of memory: {@code op} ADD or SUB. */
  static final class StepMem extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int STEP = SHAPE.op() == AluCode.ADD ? 1 : -1;
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();

    private final MemoryOperand memory;

    StepMem() {
      this(null);
    }

    private StepMem(MemoryOperand memory) {
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new StepMem(new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      long linear = memory.linear(cpu, ADDRESS, SIZE, true);
      long host = cpu.mmu.hostForWrite(linear, SIZE);
      long a;
      if (host != 0) {
        a = Access.load(SIZE, host);
        VarHandle.acquireFence();
        Access.store(SIZE, host, a + STEP);
      } else {
        a = Access.read(cpu, SIZE, linear);
        Access.write(cpu, SIZE, linear, a + STEP);
      }
      long r = a + STEP;
      cpu.setFlagsButCarry(r, STEP == 1 ? Alu.addCarries(a, 1, r) : Alu.subCarries(a, 1, r), SIZE);
    }
  }

  /**
   * {@code mov register, register}; with {@code extra} another source size, {@code op} 1 for sign
   * extension.
   */
  static final class MovRegReg extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final boolean SIGNED = SHAPE.op() == 1;
    private static final int SIZE = SHAPE.size();
    private static final int FROM = SHAPE.extra();

    private final int destination;
    private final int source;

    MovRegReg() {
      this(0, 0);
    }

    private MovRegReg(int destination, int source) {
      this.destination = destination;
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new MovRegReg(Access.register(insn, 0), Access.register(insn, 1));
    }

    @Override
    void execute(Interpreter cpu) {
      long value = Access.load(FROM, cpu.s + source);
      Access.storeRegister(SIZE, cpu.s + destination, SIGNED ? Alu.signExtend(value, FROM) : value);
    }
  }

  /** {@code mov register, immediate}. */
  static final class MovRegImm extends Node {
    private static final int SIZE = Shape.of(MethodHandles.lookup()).size();

    private final int destination;
    private final long value;

    MovRegImm() {
      this(0, 0);
    }

    private MovRegImm(int destination, long value) {
      this.destination = destination;
      this.value = value;
    }

    @Override
    Node create(Insn insn) {
      return new MovRegImm(Access.register(insn, 0), insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      Access.storeRegister(SIZE, cpu.s + destination, value);
    }
  }

  /**
   * {@code mov register, memory}; with {@code extra} another source size, {@code op} 1 for sign
   * extension.
   */
  static final class MovRegMem extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final boolean SIGNED = SHAPE.op() == 1;
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();
    private static final int FROM = SHAPE.extra();

    private final int destination;
    private final MemoryOperand memory;

    MovRegMem() {
      this(0, null);
    }

    private MovRegMem(int destination, MemoryOperand memory) {
      this.destination = destination;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new MovRegMem(Access.register(insn, 0), new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      long value = Access.read(cpu, FROM, memory.linear(cpu, ADDRESS, FROM, false));
      Access.storeRegister(SIZE, cpu.s + destination, SIGNED ? Alu.signExtend(value, FROM) : value);
    }
  }

  /**
   * {@code mov memory, register} and {@code mov memory, immediate}: a register if {@code extra} is
   * 1.
   */
  static final class MovMem extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();
    private static final boolean REGISTER = SHAPE.extra() == 1;

    private final MemoryOperand memory;
    private final long source;

    MovMem() {
      this(null, 0);
    }

    private MovMem(MemoryOperand memory, long source) {
      this.memory = memory;
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new MovMem(new MemoryOperand(insn), REGISTER ? Access.register(insn, 1) : insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      long linear = memory.linear(cpu, ADDRESS, SIZE, true);
      Access.write(cpu, SIZE, linear, REGISTER ? Access.load(SIZE, cpu.s + source) : source);
    }
  }

  /** LEA in 64-bit mode: {@code address} tells whether there is an index. */
  static final class Lea extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();

    private final int destination;
    private final MemoryOperand memory;

    Lea() {
      this(0, null);
    }

    private Lea(int destination, MemoryOperand memory) {
      this.destination = destination;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new Lea(Access.register(insn, 0), new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      Access.storeRegister(SIZE, cpu.s + destination, memory.linear(cpu, ADDRESS, SIZE, false));
    }
  }

  /** A shift or rotate of a register by an immediate that is not 0 once masked. */
  static final class ShiftRegImm extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();

    private final int register;
    private final int count;

    ShiftRegImm() {
      this(0, 1);
    }

    private ShiftRegImm(int register, int count) {
      this.register = register;
      this.count = count;
    }

    @Override
    Node create(Insn insn) {
      return new ShiftRegImm(Access.register(insn, 0), (int) insn.imm & (SIZE == 8 ? 63 : 31));
    }

    @Override
    void execute(Interpreter cpu) {
      long at = cpu.s + register;
      long a = Access.load(SIZE, at);
      long r = AluCode.shift(OP, a, count, SIZE);
      Access.storeRegister(SIZE, at, r);
      if (FLAGS) {
        AluCode.setShiftFlags(OP, cpu, a, r, count, SIZE);
      }
    }
  }

  /** A shift or rotate of a register by CL. */
  static final class ShiftRegCl extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();

    private final int register;

    ShiftRegCl() {
      this(0);
    }

    private ShiftRegCl(int register) {
      this.register = register;
    }

    @Override
    Node create(Insn insn) {
      return new ShiftRegCl(Access.register(insn, 0));
    }

    @Override
    void execute(Interpreter cpu) {
      int count = (int) Access.load(1, cpu.s + Interpreter.RCX * 8) & (SIZE == 8 ? 63 : 31);
      long at = cpu.s + register;
      long a = Access.load(SIZE, at);
      long r = AluCode.shift(OP, a, count, SIZE);
      Access.storeRegister(SIZE, at, r);
      if (FLAGS && count != 0) {
        AluCode.setShiftFlags(OP, cpu, a, r, count, SIZE);
      }
    }
  }

  /** {@code imul register, register}, and with {@code extra} 1 an immediate. Sizes 2 to 8. */
  static final class ImulReg extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final boolean FLAGS = SHAPE.flags();
    private static final boolean IMMEDIATE = SHAPE.extra() == 1;

    private final int destination;
    private final int source;
    private final long immediate;

    ImulReg() {
      this(0, 0, 0);
    }

    private ImulReg(int destination, int source, long immediate) {
      this.destination = destination;
      this.source = source;
      this.immediate = immediate;
    }

    @Override
    Node create(Insn insn) {
      return new ImulReg(Access.register(insn, 0), Access.register(insn, 1), insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      long a = Alu.signExtend(Access.load(SIZE, cpu.s + source), SIZE);
      long b = IMMEDIATE ? immediate : Alu.signExtend(Access.load(SIZE, cpu.s + destination), SIZE);
      long r = a * b;
      Access.storeRegister(SIZE, cpu.s + destination, r);
      if (FLAGS) {
        boolean overflow =
            SIZE == 8 ? Math.multiplyHigh(a, b) != r >> 63 : Alu.signExtend(r, SIZE) != r;
        cpu.setProductFlags(r, SIZE, overflow);
      }
    }
  }

  /** {@code setcc register}. */
  static final class SetccReg extends Node {
    private static final int COND = Shape.of(MethodHandles.lookup()).extra();

    private final int register;

    SetccReg() {
      this(0);
    }

    private SetccReg(int register) {
      this.register = register;
    }

    @Override
    Node create(Insn insn) {
      return new SetccReg(Access.register(insn, 0));
    }

    @Override
    void execute(Interpreter cpu) {
      Access.store(1, cpu.s + register, cpu.condition(COND) ? 1 : 0);
    }
  }

  /** {@code cmovcc register, register}. */
  static final class CmovRegReg extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final int COND = SHAPE.extra();

    private final int destination;
    private final int source;

    CmovRegReg() {
      this(0, 0);
    }

    private CmovRegReg(int destination, int source) {
      this.destination = destination;
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new CmovRegReg(Access.register(insn, 0), Access.register(insn, 1));
    }

    @Override
    void execute(Interpreter cpu) {
      long at = cpu.s + destination;
      Access.storeRegister(SIZE, at, Access.load(SIZE, cpu.condition(COND) ? cpu.s + source : at));
    }
  }

  /** PUSH of a register or, with {@code extra} 0, an immediate in 64-bit mode: 8 bytes. */
  static final class Push extends Node {
    private static final boolean REGISTER = Shape.of(MethodHandles.lookup()).extra() == 1;

    private final long source;

    Push() {
      this(0);
    }

    private Push(long source) {
      this.source = source;
    }

    @Override
    Node create(Insn insn) {
      return new Push(REGISTER ? Access.register(insn, 0) : insn.imm);
    }

    @Override
    void execute(Interpreter cpu) {
      cpu.push64(REGISTER ? Access.load(8, cpu.s + source) : source);
    }
  }

  /** POP of a register in 64-bit mode: 8 bytes. */
  static final class PopReg extends Node {
    private final int register;

    PopReg(Insn insn) {
      this.register = Access.register(insn, 0);
    }

    @Override
    void execute(Interpreter cpu) {
      long rsp = cpu.gpr64(Interpreter.RSP);
      long value = cpu.mmu.read64(rsp);
      cpu.setGpr64(Interpreter.RSP, rsp + 8);
      Access.store(8, cpu.s + register, value);
    }
  }

  /** LEAVE in 64-bit mode. */
  static final class Leave extends Node {
    @Override
    void execute(Interpreter cpu) {
      long rbp = cpu.gpr64(Interpreter.RBP);
      long value = cpu.mmu.read64(rbp);
      cpu.setGpr64(Interpreter.RSP, rbp + 8);
      cpu.setGpr64(Interpreter.RBP, value);
    }
  }
}
