package dev.pollux.core.interp;

import static dev.pollux.core.interp.VectorUnit.checkAvx;
import static dev.pollux.core.interp.VectorUnit.scratch;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * AVX and AVX2 (Intel SDM vol. 2). Most instructions do in each 128-bit lane what the SSE one of
 * the same name does, with the destination apart from the first source. A result is made in the
 * scratch area and then copied, which also clears the destination's upper bits.
 */
final class AvxOps {
  /** Where results are made in the scratch area; memory operands are in its first 32 bytes. */
  private static final int RESULT = 64;

  private AvxOps() {}

  /** One 128-bit lane: {@code d = op(a, b, control)}, given as host addresses. */
  interface Lane {
    void apply(Interpreter cpu, Op op, long d, long a, long b, int control);
  }

  static void register(HandlerTable t) {
    all(t, PackedLanes.LANE_OPS, AvxOps::lane);
    all(t, PackedLanes.PAIR_OPS, AvxOps::pair);
    all(t, PackedLanes.LOW_INTERLEAVE_OPS, (cpu, op, d, a, b, i) -> interleave(op, d, a, b));
    all(
        t,
        PackedLanes.HIGH_INTERLEAVE_OPS,
        (cpu, op, d, a, b, i) -> interleave(op, d, a + 8, b + 8));
    lanes(t, Op.VPSHUFB, AvxOps::pshufb);
    lanes(t, Op.VPALIGNR, AvxOps::palignr);
    lanes(t, Op.VPSHUFD, AvxOps::pshufd);
    lanes(t, Op.VPSHUFLW, AvxOps::pshuflw);
    lanes(t, Op.VPSHUFHW, AvxOps::pshufhw);
    lanes(t, Op.VSHUFPS, AvxOps::shufps);
    lanes(t, Op.VSHUFPD, AvxOps::shufpd);
    lanes(t, Op.VPSLLDQ, AvxOps::pslldq);
    lanes(t, Op.VPSRLDQ, AvxOps::psrldq);
    for (Op op : new Op[] {Op.VPBLENDW, Op.VBLENDPS, Op.VBLENDPD}) {
      lanes(t, op, AvxOps::blend);
    }
    lanes(t, Op.VPBLENDD, AvxOps::pblendd);
    lanes(t, Op.VMPSADBW, (cpu, op, d, a, b, i) -> SseIntegerOps.mpsadbw(d, a, b, i));
    lanes(t, Op.VMOVSLDUP, (cpu, op, d, a, b, i) -> duplicate(d, b, false));
    lanes(t, Op.VMOVSHDUP, (cpu, op, d, a, b, i) -> duplicate(d, b, true));
    for (Op op :
        new Op[] {
          Op.VAESENC,
          Op.VAESENCLAST,
          Op.VAESDEC,
          Op.VAESDECLAST,
          Op.VAESIMC,
          Op.VAESKEYGENASSIST,
          Op.VPCLMULQDQ,
          Op.VGF2P8MULB,
          Op.VGF2P8AFFINEQB,
          Op.VGF2P8AFFINEINVQB
        }) {
      lanes(t, op, SseIntegerOps::crypto);
    }
    lanes(t, Op.VPHMINPOSUW, (cpu, op, d, a, b, i) -> put(d, Packed.phminposuw(lo(b), hi(b)), 0));
    byForm(t, Op.VPERMILPS, AvxOps::pshufd, AvxOps::permuteSingles);
    byForm(t, Op.VPERMILPD, AvxOps::permuteDoublesByControl, AvxOps::permuteDoubles);
    for (Op op : new Op[] {Op.VPSRLVD, Op.VPSRLVQ, Op.VPSRAVD, Op.VPSLLVD, Op.VPSLLVQ}) {
      lanes(t, op, AvxOps::shiftEach);
    }
    for (Op op : new Op[] {Op.VPDPBUSD, Op.VPDPBUSDS, Op.VPDPWSSD, Op.VPDPWSSDS}) {
      t.bind(op, AvxOps::dotProduct);
    }
    for (Op op : PackedLanes.SHIFT_OPS) {
      t.bind(vex(op), AvxOps::shift);
    }
    for (Op op : PackedLanes.EXTEND_OPS) {
      t.bind(vex(op), AvxOps::extend);
    }
    for (Op op : new Op[] {Op.VPBLENDVB, Op.VBLENDVPS, Op.VBLENDVPD}) {
      t.bind(op, AvxOps::blendByMask);
    }
    AvxMoves.register(t);
    AvxFloatOps.register(t);
    t.bind(Op.VPTEST, AvxOps::vptest);
    t.bind(Op.VTESTPS, (cpu, insn) -> vtest(cpu, insn, 0x8000_0000_8000_0000L));
    t.bind(Op.VTESTPD, (cpu, insn) -> vtest(cpu, insn, Long.MIN_VALUE));
    t.bind(Op.VPCMPESTRI, (cpu, insn) -> compareStrings(cpu, insn, true, true));
    t.bind(Op.VPCMPESTRM, (cpu, insn) -> compareStrings(cpu, insn, true, false));
    t.bind(Op.VPCMPISTRI, (cpu, insn) -> compareStrings(cpu, insn, false, true));
    t.bind(Op.VPCMPISTRM, (cpu, insn) -> compareStrings(cpu, insn, false, false));
  }

  private static void all(HandlerTable t, Op[] legacy, Lane lane) {
    for (Op op : legacy) {
      lanes(t, vex(op), lane);
    }
  }

  /** VPADDB for PADDB. */
  static Op vex(Op legacy) {
    return Op.valueOf("V" + legacy.name());
  }

  static void lanes(HandlerTable t, Op op, Lane lane) {
    t.bind(op, (cpu, insn) -> byLanes(cpu, insn, lane));
  }

  /** Two forms: one source and an immediate, or two sources. */
  private static void byForm(HandlerTable t, Op op, Lane immediate, Lane vector) {
    t.bindByForm(
        op,
        form ->
            form.kind2 == Insn.IMM
                ? (cpu, insn) -> byLanes(cpu, insn, immediate)
                : (cpu, insn) -> byLanes(cpu, insn, vector));
  }

  // ---- operands and results ---------------------------------------------------------------------

  static long lo(long address) {
    return RawMemory.getLong(address);
  }

  static long hi(long address) {
    return RawMemory.getLong(address + 8);
  }

  static void put(long address, long lo, long hi) {
    RawMemory.putLong(address, lo);
    RawMemory.putLong(address + 8, hi);
  }

  static long result(Interpreter cpu) {
    return scratch(cpu) + RESULT;
  }

  /** Bytes of the instruction's vectors. */
  static int vectorSize(Insn insn) {
    return 16 << insn.vexL;
  }

  /** The index of the last operand that is a register or memory rather than an immediate. */
  private static int lastSource(Insn insn) {
    return insn.operandCount > 2 && insn.kind2 != Insn.IMM ? 2 : 1;
  }

  /** Copies a result of 16 or 32 bytes to a register and clears what is above. */
  static void commit(Interpreter cpu, int register, int size) {
    long from = result(cpu);
    long to = cpu.vectorAddress(register);
    put(to, lo(from), hi(from));
    if (size == 32) {
      put(to + 16, lo(from + 16), hi(from + 16));
    } else {
      put(to + 16, 0, 0);
    }
  }

  /** Writes 128 bits to a register and clears what is above. */
  static void set(Interpreter cpu, int register, long lo, long hi) {
    long to = cpu.vectorAddress(register);
    put(to, lo, hi);
    put(to + 16, 0, 0);
  }

  /** Operand 0 from operands 1 and 2, or from operand 1 alone, lane by lane. */
  private static void byLanes(Interpreter cpu, Insn insn, Lane lane) {
    checkAvx(cpu);
    int last = lastSource(insn);
    long b = source(cpu, insn, last);
    long a = last == 2 ? cpu.vectorAddress(insn.reg1) : b;
    long d = result(cpu);
    Op op = PackedLanes.legacy(insn.op);
    int control = (int) insn.imm & 0xff;
    FloatEnv env = SseFloatOps.begin(cpu);
    lane.apply(cpu, op, d, a, b, control);
    if (insn.vexL != 0) {
      lane.apply(cpu, op, d + 16, a + 16, b + 16, upperControl(insn.op, control));
    }
    SseFloatOps.end(cpu, env);
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  /** The immediate as it counts for the upper lane. */
  private static int upperControl(Op op, int control) {
    return switch (op) {
      case VBLENDPS, VPBLENDD -> control >> 4;
      case VMPSADBW -> control >> 3;
      case VBLENDPD, VSHUFPD, VPERMILPD -> control >> 2;
      default -> control;
    };
  }

  // ---- lanes ------------------------------------------------------------------------------------

  private static void lane(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, PackedLanes.lane(op, lo(a), lo(b)), PackedLanes.lane(op, hi(a), hi(b)));
  }

  private static void pair(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, PackedLanes.pair(op, lo(a), hi(a)), PackedLanes.pair(op, lo(b), hi(b)));
  }

  private static void interleave(Op op, long d, long a, long b) {
    put(
        d,
        PackedLanes.interleaveLow(op, lo(a), lo(b)),
        PackedLanes.interleaveHigh(op, lo(a), lo(b)));
  }

  private static void pshufb(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, Packed.pshufb(lo(a), hi(a), lo(b)), Packed.pshufb(lo(a), hi(a), hi(b)));
  }

  private static void palignr(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(
        d,
        SseIntegerOps.alignRight(lo(a), hi(a), lo(b), hi(b), control),
        SseIntegerOps.alignRight(lo(a), hi(a), lo(b), hi(b), control + 8));
  }

  private static void pshufd(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, Packed.pshufd(lo(b), hi(b), control), Packed.pshufd(lo(b), hi(b), control >> 4));
  }

  private static void pshuflw(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, Packed.pshufw(lo(b), control), hi(b));
  }

  private static void pshufhw(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, lo(b), Packed.pshufw(hi(b), control));
  }

  private static void shufps(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, Packed.pshufd(lo(a), hi(a), control), Packed.pshufd(lo(b), hi(b), control >> 4));
  }

  private static void shufpd(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, (control & 1) == 0 ? lo(a) : hi(a), (control & 2) == 0 ? lo(b) : hi(b));
  }

  private static void pslldq(Interpreter cpu, Op op, long d, long a, long b, int count) {
    put(d, Packed.shiftBytesLeftLow(lo(b), count), Packed.shiftBytesLeftHigh(lo(b), hi(b), count));
  }

  private static void psrldq(Interpreter cpu, Op op, long d, long a, long b, int count) {
    put(d, Packed.shiftBytesRight(lo(b), hi(b), count), Packed.shiftBytesRight(hi(b), 0, count));
  }

  private static void blend(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(
        d,
        SseIntegerOps.blend(op, lo(a), lo(b), control, 0),
        SseIntegerOps.blend(op, hi(a), hi(b), control, 1));
  }

  private static void pblendd(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, Packed.blendps(lo(a), lo(b), control), Packed.blendps(hi(a), hi(b), control >> 2));
  }

  private static void duplicate(long d, long b, boolean odd) {
    if (odd) {
      put(d, SseMoves.oddTwice(lo(b)), SseMoves.oddTwice(hi(b)));
    } else {
      put(d, SseMoves.evenTwice(lo(b)), SseMoves.evenTwice(hi(b)));
    }
  }

  private static void permuteSingles(Interpreter cpu, Op op, long d, long a, long b, int control) {
    int c =
        RawMemory.getInt(b) & 3
            | (RawMemory.getInt(b + 4) & 3) << 2
            | (RawMemory.getInt(b + 8) & 3) << 4
            | (RawMemory.getInt(b + 12) & 3) << 6;
    put(d, Packed.pshufd(lo(a), hi(a), c), Packed.pshufd(lo(a), hi(a), c >> 4));
  }

  private static void permuteDoubles(Interpreter cpu, Op op, long d, long a, long b, int control) {
    permuteDoublesByControl(cpu, op, d, a, a, (int) (lo(b) >> 1 & 1 | hi(b) & 2));
  }

  private static void permuteDoublesByControl(
      Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, (control & 1) == 0 ? lo(b) : hi(b), (control & 2) == 0 ? lo(b) : hi(b));
  }

  /** Every element shifted by its own count. */
  private static void shiftEach(Interpreter cpu, Op op, long d, long a, long b, int control) {
    put(d, shiftEach(op, lo(a), lo(b)), shiftEach(op, hi(a), hi(b)));
  }

  private static long shiftEach(Op op, long a, long b) {
    return switch (op) {
      case VPSRLVQ -> Packed.psrlq(a, b);
      case VPSLLVQ -> Packed.psllq(a, b);
      default ->
          shiftDoubleword(op, (int) a, (int) b) & 0xffff_ffffL
              | (long) shiftDoubleword(op, (int) (a >>> 32), (int) (b >>> 32)) << 32;
    };
  }

  private static int shiftDoubleword(Op op, int a, int count) {
    boolean beyond = Integer.compareUnsigned(count, 32) >= 0;
    return switch (op) {
      case VPSRAVD -> a >> (beyond ? 31 : count);
      case VPSRLVD -> beyond ? 0 : a >>> count;
      default -> beyond ? 0 : a << count;
    };
  }

  // ---- what does not go lane by lane ------------------------------------------------------------

  private static void shift(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    Op op = PackedLanes.legacy(insn.op);
    long count = insn.kind2 == Insn.IMM ? insn.imm & 0xff : lo(source(cpu, insn, 2));
    long a = cpu.vectorAddress(insn.reg1);
    long d = result(cpu);
    for (int at = 0; at < vectorSize(insn); at += 8) {
      RawMemory.putLong(d + at, PackedLanes.shift(op, RawMemory.getLong(a + at), count));
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  /** AVX-VNNI: products of bytes or words of each doubleword, added to the destination's. */
  private static void dotProduct(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    long b = source(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    long to = cpu.vectorAddress(insn.reg0);
    long d = result(cpu);
    for (int at = 0; at < vectorSize(insn); at += 4) {
      int x = RawMemory.getInt(a + at);
      int y = RawMemory.getInt(b + at);
      long sum = RawMemory.getInt(to + at);
      if (insn.op == Op.VPDPBUSD || insn.op == Op.VPDPBUSDS) {
        for (int shift = 0; shift < 32; shift += 8) {
          sum += (x >>> shift & 0xff) * (byte) (y >>> shift);
        }
      } else {
        sum += (long) (short) x * (short) y + (long) (x >> 16) * (y >> 16);
      }
      boolean saturates = insn.op == Op.VPDPBUSDS || insn.op == Op.VPDPWSSDS;
      RawMemory.putInt(
          d + at, saturates ? Math.clamp(sum, Integer.MIN_VALUE, Integer.MAX_VALUE) : (int) sum);
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void extend(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    Op op = PackedLanes.legacy(insn.op);
    long b = source(cpu, insn, 1);
    long lo = lo(b);
    long hi = insn.kind1 == Insn.XMM || insn.size1 > 8 ? hi(b) : 0;
    long d = result(cpu);
    int step = PackedLanes.extendStep(op);
    for (int i = 0; i < vectorSize(insn) / 8; i++) {
      long part = Packed.shiftBytesRight(lo, hi, i * step / 8);
      RawMemory.putLong(d + 8L * i, PackedLanes.extend(op, part));
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void blendByMask(Interpreter cpu, Insn insn) {
    checkAvx(cpu);
    Op op = PackedLanes.legacy(insn.op);
    long b = source(cpu, insn, 2);
    long a = cpu.vectorAddress(insn.reg1);
    long mask = cpu.vectorAddress(insn.reg3);
    long d = result(cpu);
    for (int at = 0; at < vectorSize(insn); at += 8) {
      RawMemory.putLong(
          d + at, SseIntegerOps.blendByMask(op, lo(a + at), lo(b + at), lo(mask + at)));
    }
    commit(cpu, insn.reg0, vectorSize(insn));
  }

  private static void vptest(Interpreter cpu, Insn insn) {
    vtest(cpu, insn, -1);
  }

  /** ZF and CF from the bits of {@code mask} in each quadword. */
  private static void vtest(Interpreter cpu, Insn insn, long mask) {
    checkAvx(cpu);
    long b = source(cpu, insn, 1);
    long a = cpu.vectorAddress(insn.reg0);
    long both = 0;
    long onlyB = 0;
    for (int at = 0; at < vectorSize(insn); at += 8) {
      both |= lo(a + at) & lo(b + at);
      onlyB |= ~lo(a + at) & lo(b + at);
    }
    cpu.setStatusFlags(((both & mask) == 0 ? 0x40 : 0) | ((onlyB & mask) == 0 ? 1 : 0));
  }

  private static void compareStrings(
      Interpreter cpu, Insn insn, boolean explicit, boolean wantsIndex) {
    checkAvx(cpu);
    SseIntegerOps.matchStrings(cpu, insn, source(cpu, insn, 1), explicit, wantsIndex);
    if (!wantsIndex) {
      put(cpu.vectorAddress(0) + 16, 0, 0);
    }
  }

  /** #UD, for register combinations that are not allowed. */
  static CpuException undefined(Interpreter cpu) {
    return cpu.fault(CpuException.UD);
  }
}
