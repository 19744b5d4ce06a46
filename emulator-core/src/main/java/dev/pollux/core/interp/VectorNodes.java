package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Templates of the SSE moves and packed integer instructions that compilers and string functions
 * use most.
 */
final class VectorNodes {
  private VectorNodes() {}

  static void load16(Interpreter cpu, long linear, long to) {
    long host = cpu.mmu.hostForRead(linear, 16);
    long low;
    long high;
    if (host != 0) {
      low = RawMemory.getLong(host);
      high = RawMemory.getLong(host + 8);
      VarHandle.acquireFence();
    } else {
      low = cpu.mmu.read64(linear);
      high = cpu.mmu.read64(linear + 8);
    }
    RawMemory.putLong(to, low);
    RawMemory.putLong(to + 8, high);
  }

  /** 16 bytes from register to register. */
  static final class MoveRegReg extends Node {
    private final int to;
    private final int from;

    MoveRegReg(Insn insn) {
      to = insn.reg0;
      from = insn.reg1;
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long source = cpu.vectorAddress(from);
      long destination = cpu.vectorAddress(to);
      long low = RawMemory.getLong(source);
      long high = RawMemory.getLong(source + 8);
      RawMemory.putLong(destination, low);
      RawMemory.putLong(destination + 8, high);
    }
  }

  /** 16 bytes from memory; {@code extra} 1: they have to be aligned. */
  static final class Load extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int ADDRESS = SHAPE.address();
    private static final boolean ALIGNED = SHAPE.extra() == 1;

    private final int register;
    private final MemoryOperand memory;

    Load() {
      this(0, null);
    }

    private Load(int register, MemoryOperand memory) {
      this.register = register;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new Load(insn.reg0, new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long linear = memory.linear(cpu, ADDRESS, 16, false);
      if (ALIGNED) {
        VectorUnit.requireAligned(cpu, linear, 16);
      }
      load16(cpu, linear, cpu.vectorAddress(register));
    }
  }

  /** 16 bytes to memory; {@code extra} 1: they have to be aligned. */
  static final class Store extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int ADDRESS = SHAPE.address();
    private static final boolean ALIGNED = SHAPE.extra() == 1;

    private final int register;
    private final MemoryOperand memory;

    Store() {
      this(0, null);
    }

    private Store(int register, MemoryOperand memory) {
      this.register = register;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new Store(insn.reg1, new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long linear = memory.linear(cpu, ADDRESS, 16, true);
      if (ALIGNED) {
        VectorUnit.requireAligned(cpu, linear, 16);
      }
      long from = cpu.vectorAddress(register);
      long host = cpu.mmu.hostForWrite(linear, 16);
      if (host != 0) {
        RawMemory.putLong(host, RawMemory.getLong(from));
        RawMemory.putLong(host + 8, RawMemory.getLong(from + 8));
      } else {
        VectorUnit.store(cpu, linear, from, 16);
      }
    }
  }

  /**
   * MOVD, MOVQ, MOVSS and MOVSD from memory: {@code size} bytes, the rest of the register cleared.
   */
  static final class LoadScalar extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();

    private final int register;
    private final MemoryOperand memory;

    LoadScalar() {
      this(0, null);
    }

    private LoadScalar(int register, MemoryOperand memory) {
      this.register = register;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new LoadScalar(insn.reg0, new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long value = Access.read(cpu, SIZE, memory.linear(cpu, ADDRESS, SIZE, false));
      long to = cpu.vectorAddress(register);
      RawMemory.putLong(to, value);
      RawMemory.putLong(to + 8, 0);
    }
  }

  /** MOVD, MOVQ, MOVSS and MOVSD to memory. */
  static final class StoreScalar extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int SIZE = SHAPE.size();
    private static final int ADDRESS = SHAPE.address();

    private final int register;
    private final MemoryOperand memory;

    StoreScalar() {
      this(0, null);
    }

    private StoreScalar(int register, MemoryOperand memory) {
      this.register = register;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new StoreScalar(insn.reg1, new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      Access.write(
          cpu,
          SIZE,
          memory.linear(cpu, ADDRESS, SIZE, true),
          Access.load(SIZE, cpu.vectorAddress(register)));
    }
  }

  /**
   * An operation on each 8 bytes of two registers, or of a register and aligned memory; {@code op}
   * is the Op's number.
   */
  static final class Lanes extends Node {
    private static final Shape SHAPE = Shape.of(MethodHandles.lookup());
    private static final int OP = SHAPE.op();
    private static final int ADDRESS = SHAPE.address();

    private final int left;
    private final int right;
    private final MemoryOperand memory;

    Lanes() {
      this(0, 0, null);
    }

    private Lanes(int left, int right, MemoryOperand memory) {
      this.left = left;
      this.right = right;
      this.memory = memory;
    }

    @Override
    Node create(Insn insn) {
      return new Lanes(
          insn.reg0, insn.reg1, ADDRESS == MemoryOperand.NONE ? null : new MemoryOperand(insn));
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long b;
      if (ADDRESS == MemoryOperand.NONE) {
        b = cpu.vectorAddress(right);
      } else {
        long linear = memory.linear(cpu, ADDRESS, 16, false);
        VectorUnit.requireAligned(cpu, linear, 16);
        b = VectorUnit.scratch(cpu);
        load16(cpu, linear, b);
      }
      long a = cpu.vectorAddress(left);
      RawMemory.putLong(a, lane(OP, RawMemory.getLong(a), RawMemory.getLong(b)));
      RawMemory.putLong(a + 8, lane(OP, RawMemory.getLong(a + 8), RawMemory.getLong(b + 8)));
    }
  }

  /** Shifts of all elements of a register by an immediate. */
  static final class ShiftImm extends Node {
    private static final int OP = Shape.of(MethodHandles.lookup()).op();

    private final int register;
    private final int count;

    ShiftImm() {
      this(0, 0);
    }

    private ShiftImm(int register, int count) {
      this.register = register;
      this.count = count;
    }

    @Override
    Node create(Insn insn) {
      return new ShiftImm(insn.reg0, (int) insn.imm & 0xff);
    }

    @Override
    void execute(Interpreter cpu) {
      VectorUnit.checkSse(cpu);
      long a = cpu.vectorAddress(register);
      RawMemory.putLong(a, shift(OP, RawMemory.getLong(a), count));
      RawMemory.putLong(a + 8, shift(OP, RawMemory.getLong(a + 8), count));
    }
  }

  // The operations of Lanes and ShiftImm, by numbers of their own: a short switch is compiled away.

  private static final int PXOR = 0;
  private static final int PAND = 1;
  private static final int PANDN = 2;
  private static final int POR = 3;
  private static final int PADDB = 4;
  private static final int PADDW = 5;
  private static final int PADDD = 6;
  private static final int PADDQ = 7;
  private static final int PSUBB = 8;
  private static final int PSUBW = 9;
  private static final int PSUBD = 10;
  private static final int PSUBQ = 11;
  private static final int PCMPEQB = 12;
  private static final int PCMPEQW = 13;
  private static final int PCMPEQD = 14;
  private static final int PMINUB = 15;
  private static final int PMAXUB = 16;
  private static final int PCMPGTB = 17;
  private static final int PCMPGTD = 18;
  private static final int PMULUDQ = 19;

  /** The number of an operation of {@link Lanes}, or -1. */
  static int laneNumber(Op op) {
    return switch (op) {
      case PXOR, XORPS, XORPD -> PXOR;
      case PAND, ANDPS, ANDPD -> PAND;
      case PANDN, ANDNPS, ANDNPD -> PANDN;
      case POR, ORPS, ORPD -> POR;
      case PADDB -> PADDB;
      case PADDW -> PADDW;
      case PADDD -> PADDD;
      case PADDQ -> PADDQ;
      case PSUBB -> PSUBB;
      case PSUBW -> PSUBW;
      case PSUBD -> PSUBD;
      case PSUBQ -> PSUBQ;
      case PCMPEQB -> PCMPEQB;
      case PCMPEQW -> PCMPEQW;
      case PCMPEQD -> PCMPEQD;
      case PMINUB -> PMINUB;
      case PMAXUB -> PMAXUB;
      case PCMPGTB -> PCMPGTB;
      case PCMPGTD -> PCMPGTD;
      case PMULUDQ -> PMULUDQ;
      default -> -1;
    };
  }

  static long lane(int op, long a, long b) {
    return switch (op) {
      case PXOR -> a ^ b;
      case PAND -> a & b;
      case PANDN -> ~a & b;
      case POR -> a | b;
      case PADDB -> Packed.paddb(a, b);
      case PADDW -> Packed.paddw(a, b);
      case PADDD -> Packed.paddd(a, b);
      case PADDQ -> a + b;
      case PSUBB -> Packed.psubb(a, b);
      case PSUBW -> Packed.psubw(a, b);
      case PSUBD -> Packed.psubd(a, b);
      case PSUBQ -> a - b;
      case PCMPEQB -> Packed.pcmpeqb(a, b);
      case PCMPEQW -> Packed.pcmpeqw(a, b);
      case PCMPEQD -> Packed.pcmpeqd(a, b);
      case PMINUB -> Packed.pminub(a, b);
      case PMAXUB -> Packed.pmaxub(a, b);
      case PCMPGTB -> Packed.pcmpgtb(a, b);
      case PCMPGTD -> Packed.pcmpgtd(a, b);
      default -> Packed.pmuludq(a, b);
    };
  }

  private static final int PSLLW = 0;
  private static final int PSLLD = 1;
  private static final int PSLLQ = 2;
  private static final int PSRLW = 3;
  private static final int PSRLD = 4;
  private static final int PSRLQ = 5;
  private static final int PSRAW = 6;
  private static final int PSRAD = 7;

  /** The number of an operation of {@link ShiftImm}, or -1. */
  static int shiftNumber(Op op) {
    return switch (op) {
      case PSLLW -> PSLLW;
      case PSLLD -> PSLLD;
      case PSLLQ -> PSLLQ;
      case PSRLW -> PSRLW;
      case PSRLD -> PSRLD;
      case PSRLQ -> PSRLQ;
      case PSRAW -> PSRAW;
      case PSRAD -> PSRAD;
      default -> -1;
    };
  }

  static long shift(int op, long a, int count) {
    return switch (op) {
      case PSLLW -> Packed.psllw(a, count);
      case PSLLD -> Packed.pslld(a, count);
      case PSLLQ -> Packed.psllq(a, count);
      case PSRLW -> Packed.psrlw(a, count);
      case PSRLD -> Packed.psrld(a, count);
      case PSRLQ -> Packed.psrlq(a, count);
      case PSRAW -> Packed.psraw(a, count);
      default -> Packed.psrad(a, count);
    };
  }
}
