package dev.pollux.core.interp;

import static dev.pollux.core.interp.VectorUnit.alignedSource;
import static dev.pollux.core.interp.VectorUnit.checkSse;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * SSE floating-point instructions on XMM registers (Intel SDM vol. 1, chapter 11). No result is
 * written before all of its elements are known to raise no unmasked exception.
 */
final class SseFloatOps {
  static final int ADD = 0;
  static final int SUB = 1;
  static final int MUL = 2;
  static final int DIV = 3;
  static final int MIN = 4;
  static final int MAX = 5;
  static final int SQRT = 6;
  static final int COMPARE = 7;
  static final int ROUND = 8;
  static final int RCP = 9;
  static final int RSQRT = 10;

  private static final int CR4_OSXMMEXCPT = 1 << 10;
  private static final long LOW = 0xffff_ffffL;

  private SseFloatOps() {}

  static void register(HandlerTable t) {
    t.bind(Op.ADDPS, (cpu, insn) -> packedSingle(cpu, insn, ADD));
    t.bind(Op.SUBPS, (cpu, insn) -> packedSingle(cpu, insn, SUB));
    t.bind(Op.MULPS, (cpu, insn) -> packedSingle(cpu, insn, MUL));
    t.bind(Op.DIVPS, (cpu, insn) -> packedSingle(cpu, insn, DIV));
    t.bind(Op.MINPS, (cpu, insn) -> packedSingle(cpu, insn, MIN));
    t.bind(Op.MAXPS, (cpu, insn) -> packedSingle(cpu, insn, MAX));
    t.bind(Op.SQRTPS, (cpu, insn) -> packedSingle(cpu, insn, SQRT));
    t.bind(Op.CMPPS, (cpu, insn) -> packedSingle(cpu, insn, COMPARE));
    t.bind(Op.ROUNDPS, (cpu, insn) -> packedSingle(cpu, insn, ROUND));
    t.bind(Op.RCPPS, (cpu, insn) -> packedSingle(cpu, insn, RCP));
    t.bind(Op.RSQRTPS, (cpu, insn) -> packedSingle(cpu, insn, RSQRT));
    t.bind(Op.ADDSS, (cpu, insn) -> scalarSingle(cpu, insn, ADD));
    t.bind(Op.SUBSS, (cpu, insn) -> scalarSingle(cpu, insn, SUB));
    t.bind(Op.MULSS, (cpu, insn) -> scalarSingle(cpu, insn, MUL));
    t.bind(Op.DIVSS, (cpu, insn) -> scalarSingle(cpu, insn, DIV));
    t.bind(Op.MINSS, (cpu, insn) -> scalarSingle(cpu, insn, MIN));
    t.bind(Op.MAXSS, (cpu, insn) -> scalarSingle(cpu, insn, MAX));
    t.bind(Op.SQRTSS, (cpu, insn) -> scalarSingle(cpu, insn, SQRT));
    t.bind(Op.CMPSS, (cpu, insn) -> scalarSingle(cpu, insn, COMPARE));
    t.bind(Op.ROUNDSS, (cpu, insn) -> scalarSingle(cpu, insn, ROUND));
    t.bind(Op.RCPSS, (cpu, insn) -> scalarSingle(cpu, insn, RCP));
    t.bind(Op.RSQRTSS, (cpu, insn) -> scalarSingle(cpu, insn, RSQRT));
    t.bind(Op.ADDPD, (cpu, insn) -> packedDouble(cpu, insn, ADD));
    t.bind(Op.SUBPD, (cpu, insn) -> packedDouble(cpu, insn, SUB));
    t.bind(Op.MULPD, (cpu, insn) -> packedDouble(cpu, insn, MUL));
    t.bind(Op.DIVPD, (cpu, insn) -> packedDouble(cpu, insn, DIV));
    t.bind(Op.MINPD, (cpu, insn) -> packedDouble(cpu, insn, MIN));
    t.bind(Op.MAXPD, (cpu, insn) -> packedDouble(cpu, insn, MAX));
    t.bind(Op.SQRTPD, (cpu, insn) -> packedDouble(cpu, insn, SQRT));
    t.bind(Op.CMPPD, (cpu, insn) -> packedDouble(cpu, insn, COMPARE));
    t.bind(Op.ROUNDPD, (cpu, insn) -> packedDouble(cpu, insn, ROUND));
    t.bind(Op.ADDSD, (cpu, insn) -> scalarDouble(cpu, insn, ADD));
    t.bind(Op.SUBSD, (cpu, insn) -> scalarDouble(cpu, insn, SUB));
    t.bind(Op.MULSD, (cpu, insn) -> scalarDouble(cpu, insn, MUL));
    t.bind(Op.DIVSD, (cpu, insn) -> scalarDouble(cpu, insn, DIV));
    t.bind(Op.MINSD, (cpu, insn) -> scalarDouble(cpu, insn, MIN));
    t.bind(Op.MAXSD, (cpu, insn) -> scalarDouble(cpu, insn, MAX));
    t.bind(Op.SQRTSD, (cpu, insn) -> scalarDouble(cpu, insn, SQRT));
    t.bind(Op.CMPSD, (cpu, insn) -> scalarDouble(cpu, insn, COMPARE));
    t.bind(Op.ROUNDSD, (cpu, insn) -> scalarDouble(cpu, insn, ROUND));
    t.bind(
        Op.COMISS,
        (cpu, insn) -> {
          checkSse(cpu);
          compareSingle(cpu, insn, true);
        });
    t.bind(
        Op.UCOMISS,
        (cpu, insn) -> {
          checkSse(cpu);
          compareSingle(cpu, insn, false);
        });
    t.bind(
        Op.COMISD,
        (cpu, insn) -> {
          checkSse(cpu);
          compareDouble(cpu, insn, true);
        });
    t.bind(
        Op.UCOMISD,
        (cpu, insn) -> {
          checkSse(cpu);
          compareDouble(cpu, insn, false);
        });
    for (Op op :
        new Op[] {Op.HADDPS, Op.HSUBPS, Op.ADDSUBPS, Op.HADDPD, Op.HSUBPD, Op.ADDSUBPD, Op.DPPD}) {
      t.bind(op, SseFloatOps::horizontal);
    }
    t.bind(Op.DPPS, SseFloatOps::dpps);
    registerConversions(t);
  }

  private static void registerConversions(HandlerTable t) {
    for (Op op :
        new Op[] {
          Op.CVTPS2PD,
          Op.CVTPD2PS,
          Op.CVTDQ2PS,
          Op.CVTPS2DQ,
          Op.CVTTPS2DQ,
          Op.CVTPD2DQ,
          Op.CVTTPD2DQ,
          Op.CVTDQ2PD
        }) {
      t.bind(op, SseFloatOps::convertPacked);
    }
    for (Op op : new Op[] {Op.CVTSS2SD, Op.CVTSD2SS, Op.CVTSI2SS, Op.CVTSI2SD}) {
      t.bind(op, SseFloatOps::convertScalar);
    }
    for (Op op : new Op[] {Op.CVTSS2SI, Op.CVTTSS2SI, Op.CVTSD2SI, Op.CVTTSD2SI}) {
      t.bind(op, SseFloatOps::convertToGpr);
    }
    for (Op op : new Op[] {Op.CVTPI2PS, Op.CVTPI2PD}) {
      t.bind(op, SseFloatOps::convertFromMmx);
    }
    for (Op op : new Op[] {Op.CVTPS2PI, Op.CVTTPS2PI, Op.CVTPD2PI, Op.CVTTPD2PI}) {
      t.bind(op, SseFloatOps::convertToMmx);
    }
  }

  // ---- exceptions -------------------------------------------------------------------------------

  static FloatEnv begin(Interpreter cpu) {
    FloatEnv env = cpu.floatEnv;
    env.beginSse(RawMemory.getInt(cpu.s + CpuLayout.MXCSR));
    return env;
  }

  /** Puts what was raised into MXCSR, and throws if any of it is not masked. */
  static void end(Interpreter cpu, FloatEnv env) {
    if (env.raised != 0) {
      report(cpu, env);
    }
  }

  private static void report(Interpreter cpu, FloatEnv env) {
    int masks = env.mxcsr >> 7 & 0x3f;
    int raised = env.raised;
    if ((raised & ~masks & FloatEnv.BEFORE_OPERATION) != 0) {
      // No element is computed once one has an unmasked exception of this kind.
      raised &= FloatEnv.BEFORE_OPERATION;
    }
    RawMemory.putInt(cpu.s + CpuLayout.MXCSR, env.mxcsr | raised);
    if ((raised & ~masks) != 0) {
      boolean handled = (RawMemory.getInt(cpu.s + CpuLayout.CR4) & CR4_OSXMMEXCPT) != 0;
      throw cpu.fault(handled ? CpuException.XM : CpuException.UD);
    }
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  static int single(FloatEnv env, int kind, int a, int b, int control) {
    return switch (kind) {
      case ADD -> SseFloat.add32(env, a, b);
      case SUB -> SseFloat.sub32(env, a, b);
      case MUL -> SseFloat.mul32(env, a, b);
      case DIV -> SseFloat.div32(env, a, b);
      case MIN -> SseFloat.min32(env, a, b);
      case MAX -> SseFloat.max32(env, a, b);
      case SQRT -> SseFloat.sqrt32(env, b);
      case COMPARE -> SseFloat.compare32(env, a, b, control);
      case ROUND -> SseFloat.round32(env, b, control);
      case RCP -> Reciprocal.rcp(b);
      default -> Reciprocal.rsqrt(b);
    };
  }

  static long twoSingles(FloatEnv env, int kind, long a, long b, int control) {
    int low = single(env, kind, (int) a, (int) b, control);
    int high = single(env, kind, (int) (a >> 32), (int) (b >> 32), control);
    return join(low, high);
  }

  static long join(int low, int high) {
    return low & LOW | (long) high << 32;
  }

  static long oneDouble(FloatEnv env, int kind, long a, long b, int control) {
    return switch (kind) {
      case ADD -> SseFloat.add64(env, a, b);
      case SUB -> SseFloat.sub64(env, a, b);
      case MUL -> SseFloat.mul64(env, a, b);
      case DIV -> SseFloat.div64(env, a, b);
      case MIN -> SseFloat.min64(env, a, b);
      case MAX -> SseFloat.max64(env, a, b);
      case SQRT -> SseFloat.sqrt64(env, b);
      case COMPARE -> SseFloat.compare64(env, a, b, control);
      default -> SseFloat.round64(env, b, control);
    };
  }

  /** The predicate of a legacy comparison has three bits; other immediates are taken whole. */
  private static int control(Insn insn, int kind) {
    return (int) insn.imm & (kind == COMPARE ? 7 : 0xff);
  }

  private static void packedSingle(Interpreter cpu, Insn insn, int kind) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    FloatEnv env = begin(cpu);
    int control = control(insn, kind);
    long lo = twoSingles(env, kind, RawMemory.getLong(d), RawMemory.getLong(b), control);
    long hi = twoSingles(env, kind, RawMemory.getLong(d + 8), RawMemory.getLong(b + 8), control);
    end(cpu, env);
    RawMemory.putLong(d, lo);
    RawMemory.putLong(d + 8, hi);
  }

  private static void packedDouble(Interpreter cpu, Insn insn, int kind) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    FloatEnv env = begin(cpu);
    int control = control(insn, kind);
    long lo = oneDouble(env, kind, RawMemory.getLong(d), RawMemory.getLong(b), control);
    long hi = oneDouble(env, kind, RawMemory.getLong(d + 8), RawMemory.getLong(b + 8), control);
    end(cpu, env);
    RawMemory.putLong(d, lo);
    RawMemory.putLong(d + 8, hi);
  }

  static int singleOperand(Interpreter cpu, Insn insn, int i) {
    return insn.kind(i) == Insn.MEM
        ? cpu.mmu().read32(cpu.address(insn, 4, false))
        : RawMemory.getInt(cpu.vectorAddress(insn.reg(i)));
  }

  static long doubleOperand(Interpreter cpu, Insn insn, int i) {
    return insn.kind(i) == Insn.MEM
        ? cpu.mmu().read64(cpu.address(insn, 8, false))
        : RawMemory.getLong(cpu.vectorAddress(insn.reg(i)));
  }

  private static void scalarSingle(Interpreter cpu, Insn insn, int kind) {
    checkSse(cpu);
    int b = singleOperand(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    FloatEnv env = begin(cpu);
    int result = single(env, kind, RawMemory.getInt(d), b, control(insn, kind));
    end(cpu, env);
    RawMemory.putInt(d, result);
  }

  private static void scalarDouble(Interpreter cpu, Insn insn, int kind) {
    checkSse(cpu);
    long b = doubleOperand(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    FloatEnv env = begin(cpu);
    long result = oneDouble(env, kind, RawMemory.getLong(d), b, control(insn, kind));
    end(cpu, env);
    RawMemory.putLong(d, result);
  }

  static void compareSingle(Interpreter cpu, Insn insn, boolean signalQuiet) {
    int b = singleOperand(cpu, insn, 1);
    int a = RawMemory.getInt(cpu.vectorAddress(insn.reg0));
    FloatEnv env = begin(cpu);
    int flags = SseFloat.comi32(env, a, b, signalQuiet);
    end(cpu, env);
    cpu.setStatusFlags(flags);
  }

  static void compareDouble(Interpreter cpu, Insn insn, boolean signalQuiet) {
    long b = doubleOperand(cpu, insn, 1);
    long a = RawMemory.getLong(cpu.vectorAddress(insn.reg0));
    FloatEnv env = begin(cpu);
    int flags = SseFloat.comi64(env, a, b, signalQuiet);
    end(cpu, env);
    cpu.setStatusFlags(flags);
  }

  // ---- horizontal operations --------------------------------------------------------------------

  private static void horizontal(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    FloatEnv env = begin(cpu);
    long lo = horizontal(env, insn.op, d, b, (int) insn.imm);
    long hi = env.aux;
    end(cpu, env);
    RawMemory.putLong(d, lo);
    RawMemory.putLong(d + 8, hi);
  }

  /** The result for 16 bytes each at {@code a} and {@code b}; its high half in {@code env.aux}. */
  static long horizontal(FloatEnv env, Op op, long a, long b, int control) {
    long aLo = RawMemory.getLong(a);
    long aHi = RawMemory.getLong(a + 8);
    long bLo = RawMemory.getLong(b);
    long bHi = RawMemory.getLong(b + 8);
    long lo;
    long hi;
    switch (op) {
      case HADDPS -> {
        lo = join(acrossSingles(env, ADD, aLo), acrossSingles(env, ADD, aHi));
        hi = join(acrossSingles(env, ADD, bLo), acrossSingles(env, ADD, bHi));
      }
      case HSUBPS -> {
        lo = join(acrossSingles(env, SUB, aLo), acrossSingles(env, SUB, aHi));
        hi = join(acrossSingles(env, SUB, bLo), acrossSingles(env, SUB, bHi));
      }
      case ADDSUBPS -> {
        lo = alternate(env, aLo, bLo);
        hi = alternate(env, aHi, bHi);
      }
      case HADDPD -> {
        lo = SseFloat.add64(env, aLo, aHi);
        hi = SseFloat.add64(env, bLo, bHi);
      }
      case HSUBPD -> {
        lo = SseFloat.sub64(env, aLo, aHi);
        hi = SseFloat.sub64(env, bLo, bHi);
      }
      case ADDSUBPD -> {
        lo = SseFloat.sub64(env, aLo, bLo);
        hi = SseFloat.add64(env, aHi, bHi);
      }
      default -> {
        long dot = SseFloat.dotProduct64(env, aLo, aHi, bLo, bHi, control);
        lo = (control & 1) != 0 ? dot : 0;
        hi = (control & 2) != 0 ? dot : 0;
      }
    }
    env.aux = hi;
    return lo;
  }

  private static void dpps(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    long result = VectorUnit.scratch(cpu) + 64;
    FloatEnv env = begin(cpu);
    dotProducts(env, result, d, b, 16, (int) insn.imm);
    end(cpu, env);
    RawMemory.putLong(d, RawMemory.getLong(result));
    RawMemory.putLong(d + 8, RawMemory.getLong(result + 8));
  }

  /**
   * DPPS of 16 or 32 bytes in its three steps: products, sums of two, sums of four. An unmasked
   * exception in one step keeps the next from being taken, in any lane.
   */
  static void dotProducts(FloatEnv env, long d, long a, long b, int size, int control) {
    for (int at = 0; at < size; at += 4) {
      boolean chosen = (control >> (4 + (at >> 2 & 3)) & 1) != 0;
      int product =
          chosen ? SseFloat.mul32(env, RawMemory.getInt(a + at), RawMemory.getInt(b + at)) : 0;
      RawMemory.putInt(d + at, product);
    }
    if (SseFloat.trapped(env)) {
      return;
    }
    int earlier = SseFloat.nextStep(env);
    for (int at = 0; at < size; at += 8) {
      int sum = SseFloat.add32(env, RawMemory.getInt(d + at), RawMemory.getInt(d + at + 4));
      RawMemory.putInt(d + at, sum);
    }
    if (SseFloat.trapped(env)) {
      return;
    }
    earlier |= SseFloat.nextStep(env);
    for (int at = 0; at < size; at += 16) {
      int dot = SseFloat.add32(env, RawMemory.getInt(d + at), RawMemory.getInt(d + at + 8));
      for (int i = 0; i < 4; i++) {
        RawMemory.putInt(d + at + 4L * i, (control >> i & 1) != 0 ? dot : 0);
      }
    }
    if (!SseFloat.trapped(env)) {
      env.raised |= earlier;
    }
  }

  private static int acrossSingles(FloatEnv env, int kind, long a) {
    return single(env, kind, (int) a, (int) (a >> 32), 0);
  }

  private static long alternate(FloatEnv env, long a, long b) {
    int low = SseFloat.sub32(env, (int) a, (int) b);
    return join(low, SseFloat.add32(env, (int) (a >> 32), (int) (b >> 32)));
  }

  // ---- conversions ------------------------------------------------------------------------------

  private static void convertPacked(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    FloatEnv env = begin(cpu);
    long lo = convert(env, insn.op, b);
    long hi = env.aux;
    end(cpu, env);
    long d = cpu.vectorAddress(insn.reg0);
    RawMemory.putLong(d, lo);
    RawMemory.putLong(d + 8, hi);
  }

  /** Converts what makes a result of 16 bytes; its high half is in {@code env.aux}. */
  static long convert(FloatEnv env, Op op, long address) {
    long b = RawMemory.getLong(address);
    long lo;
    switch (op) {
      case CVTPS2PD -> {
        lo = SseFloat.widen(env, (int) b);
        env.aux = SseFloat.widen(env, (int) (b >> 32));
      }
      case CVTDQ2PD -> {
        lo = SseFloat.intToDouble((int) b);
        env.aux = SseFloat.intToDouble((int) (b >> 32));
      }
      case CVTPD2PS, CVTPD2DQ, CVTTPD2DQ -> {
        lo = convertDoubles(env, op, b, RawMemory.getLong(address + 8));
        env.aux = 0;
      }
      default -> {
        lo = convertSingles(env, op, b);
        env.aux = convertSingles(env, op, RawMemory.getLong(address + 8));
      }
    }
    return lo;
  }

  /** Two doubles to two elements of 32 bits. */
  static long convertDoubles(FloatEnv env, Op op, long first, long second) {
    return switch (op) {
      case CVTPD2PS -> {
        int low = SseFloat.narrow(env, first);
        yield join(low, SseFloat.narrow(env, second));
      }
      case CVTPD2DQ, CVTPD2PI -> {
        int low = SseFloat.toInt64(env, first);
        yield join(low, SseFloat.toInt64(env, second));
      }
      default -> {
        int low = SseFloat.truncateToInt64(env, first);
        yield join(low, SseFloat.truncateToInt64(env, second));
      }
    };
  }

  /** Two elements of 32 bits to two of 32 bits. */
  private static long convertSingles(FloatEnv env, Op op, long b) {
    int low = (int) b;
    int high = (int) (b >> 32);
    return switch (op) {
      case CVTDQ2PS, CVTPI2PS -> {
        int r = SseFloat.toFloat(env, low);
        yield join(r, SseFloat.toFloat(env, high));
      }
      case CVTPS2DQ, CVTPS2PI -> {
        int r = SseFloat.toInt32(env, low);
        yield join(r, SseFloat.toInt32(env, high));
      }
      default -> {
        int r = SseFloat.truncateToInt32(env, low);
        yield join(r, SseFloat.truncateToInt32(env, high));
      }
    };
  }

  private static void convertScalar(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long d = cpu.vectorAddress(insn.reg0);
    convertScalar(cpu, insn, insn.op, 1, d);
  }

  /** Converts operand {@code i} to the low element at {@code d}. */
  static void convertScalar(Interpreter cpu, Insn insn, Op op, int i, long d) {
    switch (op) {
      case CVTSS2SD -> {
        int b = singleOperand(cpu, insn, i);
        FloatEnv env = begin(cpu);
        long r = SseFloat.widen(env, b);
        end(cpu, env);
        RawMemory.putLong(d, r);
      }
      case CVTSD2SS -> {
        long b = doubleOperand(cpu, insn, i);
        FloatEnv env = begin(cpu);
        int r = SseFloat.narrow(env, b);
        end(cpu, env);
        RawMemory.putInt(d, r);
      }
      default -> {
        long b = cpu.read(insn, i);
        long value = insn.size(i) == 8 ? b : (int) b;
        FloatEnv env = begin(cpu);
        if (op == Op.CVTSI2SD) {
          long r = SseFloat.longToDouble(env, value);
          end(cpu, env);
          RawMemory.putLong(d, r);
        } else {
          int r = SseFloat.toFloat(env, value);
          end(cpu, env);
          RawMemory.putInt(d, r);
        }
      }
    }
  }

  private static void convertToGpr(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    convertToGpr(cpu, insn, insn.op);
  }

  static void convertToGpr(Interpreter cpu, Insn insn, Op op) {
    boolean single = op == Op.CVTSS2SI || op == Op.CVTTSS2SI;
    boolean truncate = op == Op.CVTTSS2SI || op == Op.CVTTSD2SI;
    long b = single ? singleOperand(cpu, insn, 1) : doubleOperand(cpu, insn, 1);
    FloatEnv env = begin(cpu);
    long result;
    if (insn.size0 == 8) {
      if (single) {
        result =
            truncate ? SseFloat.truncateToLong32(env, (int) b) : SseFloat.toLong32(env, (int) b);
      } else {
        result = truncate ? SseFloat.truncateToLong64(env, b) : SseFloat.toLong64(env, b);
      }
    } else if (single) {
      result = truncate ? SseFloat.truncateToInt32(env, (int) b) : SseFloat.toInt32(env, (int) b);
    } else {
      result = truncate ? SseFloat.truncateToInt64(env, b) : SseFloat.toInt64(env, b);
    }
    end(cpu, env);
    cpu.setGpr(insn.reg0, insn.size0, result);
  }

  /** CVTPI2PS, CVTPI2PD: only a register operand brings MMX state, even if #XM follows. */
  private static void convertFromMmx(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    if (insn.kind1 == Insn.MMX) {
      VectorUnit.checkMmx(cpu);
      VectorUnit.enterMmx(cpu);
    }
    long b = RawMemory.getLong(source(cpu, insn, 1));
    long d = cpu.vectorAddress(insn.reg0);
    if (insn.op == Op.CVTPI2PD) {
      RawMemory.putLong(d, SseFloat.intToDouble((int) b));
      RawMemory.putLong(d + 8, SseFloat.intToDouble((int) (b >> 32)));
    } else {
      FloatEnv env = begin(cpu);
      long r = convertSingles(env, insn.op, b);
      end(cpu, env);
      RawMemory.putLong(d, r);
    }
  }

  /** CVTPS2PI, CVTPD2PI and those that truncate: MMX state comes even if #XM follows. */
  private static void convertToMmx(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    VectorUnit.checkMmx(cpu);
    long b = alignedSource(cpu, insn, 1);
    VectorUnit.enterMmx(cpu);
    FloatEnv env = begin(cpu);
    long r =
        insn.op == Op.CVTPS2PI || insn.op == Op.CVTTPS2PI
            ? convertSingles(env, insn.op, RawMemory.getLong(b))
            : convertDoubles(env, insn.op, RawMemory.getLong(b), RawMemory.getLong(b + 8));
    end(cpu, env);
    VectorUnit.setMmx(cpu, insn.reg0, r);
  }
}
