package dev.pollux.core.interp;

import static dev.pollux.core.interp.AvxOps.commit;
import static dev.pollux.core.interp.AvxOps.hi;
import static dev.pollux.core.interp.AvxOps.lo;
import static dev.pollux.core.interp.AvxOps.put;
import static dev.pollux.core.interp.AvxOps.result;
import static dev.pollux.core.interp.AvxOps.vectorSize;
import static dev.pollux.core.interp.AvxOps.vex;
import static dev.pollux.core.interp.SseFloatOps.begin;
import static dev.pollux.core.interp.SseFloatOps.end;
import static dev.pollux.core.interp.VectorUnit.checkAvx;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/** AVX floating point, FMA and F16C (Intel SDM vol. 1, chapter 14). */
final class AvxFloatOps {
  private static final String[] KINDS = {
    "ADD", "SUB", "MUL", "DIV", "MIN", "MAX", "SQRT", "CMP", "ROUND", "RCP", "RSQRT"
  };

  private AvxFloatOps() {}

  static void register(HandlerTable t) {
    for (int kind = 0; kind < KINDS.length; kind++) {
      registerArithmetic(t, kind);
    }
    for (Op op :
        new Op[] {Op.HADDPS, Op.HSUBPS, Op.ADDSUBPS, Op.HADDPD, Op.HSUBPD, Op.ADDSUBPD, Op.DPPD}) {
      AvxOps.lanes(t, vex(op), AvxFloatOps::horizontal);
    }
    t.bind(Op.VDPPS, AvxFloatOps::dpps);
    for (Op op : new Op[] {Op.CVTDQ2PS, Op.CVTPS2DQ, Op.CVTTPS2DQ}) {
      AvxOps.lanes(t, vex(op), AvxFloatOps::convert);
    }
    for (Op op : new Op[] {Op.VCVTPS2PD, Op.VCVTDQ2PD}) {
      t.bind(op, AvxFloatOps::widening);
    }
    for (Op op : new Op[] {Op.VCVTPD2PS, Op.VCVTPD2DQ, Op.VCVTTPD2DQ}) {
      t.bind(op, AvxFloatOps::narrowing);
    }
    for (Op op : new Op[] {Op.VCVTSS2SD, Op.VCVTSD2SS, Op.VCVTSI2SS, Op.VCVTSI2SD}) {
      t.bind(op, AvxFloatOps::convertScalar);
    }
    for (Op op : new Op[] {Op.VCVTSS2SI, Op.VCVTTSS2SI, Op.VCVTSD2SI, Op.VCVTTSD2SI}) {
      t.bind(op, AvxFloatOps::convertToGpr);
    }
    t.bind(Op.VCOMISS, (cpu, insn) -> compareSingle(cpu, insn, true));
    t.bind(Op.VUCOMISS, (cpu, insn) -> compareSingle(cpu, insn, false));
    t.bind(Op.VCOMISD, (cpu, insn) -> compareDouble(cpu, insn, true));
    t.bind(Op.VUCOMISD, (cpu, insn) -> compareDouble(cpu, insn, false));
    t.bind(Op.VCVTPH2PS, AvxFloatOps::fromHalf);
    t.bind(Op.VCVTPS2PH, AvxFloatOps::toHalf);
    for (Op op : Op.values()) {
      if (FusedForm.named(op.name())) {
        registerFused(t, op, FusedForm.of(op.name()));
      }
    }
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  private static void registerArithmetic(HandlerTable t, int kind) {
    String name = "V" + KINDS[kind];
    AvxOps.lanes(
        t, Op.valueOf(name + "PS"), (cpu, op, d, a, b, i) -> singles(cpu, kind, d, a, b, i));
    t.bind(Op.valueOf(name + "SS"), (cpu, insn) -> scalarSingle(cpu, insn, kind));
    if (kind < SseFloatOps.RCP) {
      AvxOps.lanes(
          t, Op.valueOf(name + "PD"), (cpu, op, d, a, b, i) -> doubles(cpu, kind, d, a, b, i));
      t.bind(Op.valueOf(name + "SD"), (cpu, insn) -> scalarDouble(cpu, insn, kind));
    }
  }

  private static int control(int kind, int immediate) {
    return kind == SseFloatOps.COMPARE ? immediate & 31 : immediate;
  }

  private static void singles(Interpreter cpu, int kind, long d, long a, long b, int immediate) {
    FloatEnv env = cpu.floatEnv;
    int control = control(kind, immediate);
    long low = SseFloatOps.twoSingles(env, kind, lo(a), lo(b), control);
    put(d, low, SseFloatOps.twoSingles(env, kind, hi(a), hi(b), control));
  }

  private static void doubles(Interpreter cpu, int kind, long d, long a, long b, int immediate) {
    FloatEnv env = cpu.floatEnv;
    int control = control(kind, immediate);
    long low = SseFloatOps.oneDouble(env, kind, lo(a), lo(b), control);
    put(d, low, SseFloatOps.oneDouble(env, kind, hi(a), hi(b), control));
  }

  private static void scalarSingle(Interpreter cpu, Insn insn, int kind) {
    checkAvx(cpu);
    int b = SseFloatOps.singleOperand(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    FloatEnv env = begin(cpu);
    int control = control(kind, (int) insn.imm & 0xff);
    int r = SseFloatOps.single(env, kind, RawMemory.getInt(a), b, control);
    end(cpu, env);
    AvxOps.set(cpu, insn.reg0, lo(a) & ~0xffff_ffffL | r & 0xffff_ffffL, hi(a));
  }

  private static void scalarDouble(Interpreter cpu, Insn insn, int kind) {
    checkAvx(cpu);
    long b = SseFloatOps.doubleOperand(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    FloatEnv env = begin(cpu);
    int control = control(kind, (int) insn.imm & 0xff);
    long r = SseFloatOps.oneDouble(env, kind, lo(a), b, control);
    end(cpu, env);
    AvxOps.set(cpu, insn.reg0, r, hi(a));
  }

  private static void compareSingle(Interpreter cpu, Insn insn, boolean signalQuiet) {
    checkAvx(cpu);
    SseFloatOps.compareSingle(cpu, insn, signalQuiet);
  }

  private static void compareDouble(Interpreter cpu, Insn insn, boolean signalQuiet) {
    checkAvx(cpu);
    SseFloatOps.compareDouble(cpu, insn, signalQuiet);
  }

  private static void horizontal(Interpreter cpu, Op op, long d, long a, long b, int control) {
    FloatEnv env = cpu.floatEnv;
    long low = SseFloatOps.horizontal(env, op, a, b, control);
    put(d, low, env.aux);
  }

  private static void dpps(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    FloatEnv env = begin(cpu);
    SseFloatOps.dotProducts(env, result(cpu), a, b, vectorSize(insn), (int) insn.imm);
    end(cpu, env);
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  // ---- conversions ------------------------------------------------------------------------------

  private static void convert(Interpreter cpu, Op op, long d, long a, long b, int control) {
    FloatEnv env = cpu.floatEnv;
    long low = SseFloatOps.convert(env, op, b);
    put(d, low, env.aux);
  }

  /** 32-bit elements to doubles. */
  private static void widening(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 1);
    Op op = PackedLanes.legacy(insn.op);
    FloatEnv env = begin(cpu);
    for (int lane = 0; lane <= insn.vexL; lane++) {
      long low = SseFloatOps.convert(env, op, b + 8L * lane);
      put(result(cpu) + 16L * lane, low, env.aux);
    }
    end(cpu, env);
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  /** Doubles to 32-bit elements. */
  private static void narrowing(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 1);
    Op op = PackedLanes.legacy(insn.op);
    FloatEnv env = begin(cpu);
    long low = SseFloatOps.convertDoubles(env, op, lo(b), hi(b));
    long high = insn.vexL == 0 ? 0 : SseFloatOps.convertDoubles(env, op, lo(b + 16), hi(b + 16));
    end(cpu, env);
    AvxOps.set(cpu, insn.reg0, low, high);
  }

  private static void convertScalar(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long a = cpu.vectorAddress(insn.reg1);
    put(result(cpu), lo(a), hi(a));
    SseFloatOps.convertScalar(cpu, insn, PackedLanes.legacy(insn.op), 2, result(cpu));
    commit(cpu, insn.reg0, 16);
  }

  private static void convertToGpr(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    SseFloatOps.convertToGpr(cpu, insn, PackedLanes.legacy(insn.op));
  }

  private static void fromHalf(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 1);
    FloatEnv env = begin(cpu);
    for (int i = 0; i < vectorSize(insn) / 4; i++) {
      int half = RawMemory.getShort(b + 2L * i) & 0xffff;
      RawMemory.putInt(result(cpu) + 4L * i, SseFloat.halfToSingle(env, half));
    }
    end(cpu, env);
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void toHalf(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long from = cpu.vectorAddress(insn.reg1);
    int size = vectorSize(insn) / 2;
    long to = result(cpu);
    put(to, 0, 0);
    FloatEnv env = begin(cpu);
    if (insn.kind0 == Insn.MEM) {
      // A fault of the store comes before a floating-point exception.
      cpu.mmu().probeWrite(cpu.address(insn, size, true), size);
    }
    for (int i = 0; i < size / 2; i++) {
      int a = RawMemory.getInt(from + 4L * i);
      RawMemory.putShort(to + 2L * i, (short) SseFloat.singleToHalf(env, a, (int) insn.imm));
    }
    end(cpu, env);
    if (insn.kind0 != Insn.MEM) {
      commit(cpu, insn.reg0, 16);
    } else if (size == 8) {
      cpu.mmu().write64(cpu.address(insn, 8, true), lo(to));
    } else {
      VectorUnit.store(cpu, cpu.address(insn, 16, true), to, 16);
    }
  }

  // ---- FMA --------------------------------------------------------------------------------------

  /**
   * What a name like VFNMADD213SD says.
   *
   * @param order which operands are multiplied and which is added: 132, 213 or 231
   * @param negateEven whether the addend of even elements is subtracted
   * @param negateOdd whether that of odd elements is
   */
  private record FusedForm(
      int order,
      boolean negateProduct,
      boolean negateEven,
      boolean negateOdd,
      boolean scalar,
      boolean single) {
    static boolean named(String name) {
      return name.startsWith("VFM") || name.startsWith("VFNM");
    }

    static FusedForm of(String name) {
      int at = name.length() - 5;
      String kind = name.substring(2, at);
      boolean alternates = kind.equals("MADDSUB") || kind.equals("MSUBADD");
      boolean subtracts = kind.equals("MSUB") || kind.equals("NMSUB");
      return new FusedForm(
          Integer.parseInt(name.substring(at, at + 3)),
          kind.startsWith("N"),
          subtracts || kind.equals("MADDSUB"),
          subtracts || (alternates && kind.equals("MSUBADD")),
          name.charAt(at + 3) == 'S',
          name.endsWith("S"));
    }
  }

  private static void registerFused(HandlerTable t, Op op, FusedForm form) {
    t.bind(
        op,
        form.single
            ? (cpu, insn) -> fusedSingles(cpu, insn, form)
            : (cpu, insn) -> fusedDoubles(cpu, insn, form));
  }

  private static void fusedSingles(Interpreter cpu, Insn insn, FusedForm form) {
    checkAvx(cpu);
    long third = source(cpu, insn, 2);
    long first = cpu.vectorAddress(insn.reg0);
    long second = cpu.vectorAddress(insn.reg1);
    int size = form.scalar ? 4 : vectorSize(insn);
    long to = result(cpu);
    put(to, lo(first), hi(first));
    FloatEnv env = begin(cpu);
    for (int at = 0; at < size; at += 4) {
      int a = RawMemory.getInt(first + at);
      int b = RawMemory.getInt(second + at);
      int c = RawMemory.getInt(third + at);
      boolean negate = (at & 4) == 0 ? form.negateEven : form.negateOdd;
      int r =
          switch (form.order) {
            case 132 -> SseFloat.fma32(env, a, c, b, form.negateProduct, negate);
            case 213 -> SseFloat.fma32(env, b, a, c, form.negateProduct, negate);
            default -> SseFloat.fma32(env, b, c, a, form.negateProduct, negate);
          };
      RawMemory.putInt(to + at, r);
    }
    end(cpu, env);
    commit(cpu, insn.reg0, form.scalar ? 16 : size);
  }

  private static void fusedDoubles(Interpreter cpu, Insn insn, FusedForm form) {
    checkAvx(cpu);
    long third = source(cpu, insn, 2);
    long first = cpu.vectorAddress(insn.reg0);
    long second = cpu.vectorAddress(insn.reg1);
    int size = form.scalar ? 8 : vectorSize(insn);
    long to = result(cpu);
    put(to, lo(first), hi(first));
    FloatEnv env = begin(cpu);
    for (int at = 0; at < size; at += 8) {
      long a = lo(first + at);
      long b = lo(second + at);
      long c = lo(third + at);
      boolean negate = (at & 8) == 0 ? form.negateEven : form.negateOdd;
      long r =
          switch (form.order) {
            case 132 -> SseFloat.fma64(env, a, c, b, form.negateProduct, negate);
            case 213 -> SseFloat.fma64(env, b, a, c, form.negateProduct, negate);
            default -> SseFloat.fma64(env, b, c, a, form.negateProduct, negate);
          };
      RawMemory.putLong(to + at, r);
    }
    end(cpu, env);
    commit(cpu, insn.reg0, form.scalar ? 16 : size);
  }
}
