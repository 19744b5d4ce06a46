package dev.pollux.core.interp;

import static dev.pollux.core.interp.VectorUnit.alignedSource;
import static dev.pollux.core.interp.VectorUnit.checkSse;
import static dev.pollux.core.interp.VectorUnit.source;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.host.RawMemory;

/**
 * Packed integer, cryptographic and string instructions on XMM registers (Intel SDM vol. 2).
 * Instructions that also exist for MMX registers are bound by operand form together with {@link
 * MmxOps}.
 */
final class SseIntegerOps {
  private SseIntegerOps() {}

  static void register(HandlerTable t) {
    for (Op op : PackedLanes.LANE_OPS) {
      either(t, op, SseIntegerOps::lanes, MmxOps::lane);
    }
    either(t, Op.PXOR, SseIntegerOps::exclusiveOr, MmxOps::lane);
    for (Op op : new Op[] {Op.XORPS, Op.XORPD}) {
      t.bind(op, SseIntegerOps::exclusiveOr);
    }
    for (Op op : PackedLanes.PAIR_OPS) {
      either(t, op, SseIntegerOps::pairs, MmxOps::pair);
    }
    for (Op op : PackedLanes.LOW_INTERLEAVE_OPS) {
      either(t, op, (cpu, insn) -> interleave(cpu, insn, 0), MmxOps::interleaveLow);
    }
    for (Op op : PackedLanes.HIGH_INTERLEAVE_OPS) {
      either(t, op, (cpu, insn) -> interleave(cpu, insn, 8), MmxOps::interleaveHigh);
    }
    for (Op op : PackedLanes.SHIFT_OPS) {
      either(t, op, SseIntegerOps::shift, MmxOps::shift);
    }
    for (Op op : PackedLanes.EXTEND_OPS) {
      t.bind(op, SseIntegerOps::extend);
    }
    either(t, Op.PSHUFB, SseIntegerOps::pshufb, MmxOps::pshufb);
    either(t, Op.PALIGNR, SseIntegerOps::palignr, MmxOps::palignr);
    either(t, Op.PMOVMSKB, SseIntegerOps::pmovmskb, MmxOps::pmovmskb);
    either(t, Op.PINSRW, SseMoves::insert, MmxOps::pinsrw);
    t.bindByForm(Op.PEXTRW, insn -> insn.kind1 == Insn.MMX ? MmxOps::pextrw : SseMoves::extract);
    t.bindByForm(
        Op.MOVD,
        insn ->
            insn.kind0 == Insn.MMX || insn.kind1 == Insn.MMX ? MmxOps::movd : SseIntegerOps::movd);
    t.bindByForm(
        Op.MOVQ,
        insn ->
            insn.kind0 == Insn.MMX || insn.kind1 == Insn.MMX ? MmxOps::movq : SseIntegerOps::movq);
    t.bind(Op.PSLLDQ, SseIntegerOps::pslldq);
    t.bind(Op.PSRLDQ, SseIntegerOps::psrldq);
    t.bind(Op.PSHUFD, SseIntegerOps::pshufd);
    t.bind(Op.PSHUFLW, SseIntegerOps::pshuflw);
    t.bind(Op.PSHUFHW, SseIntegerOps::pshufhw);
    t.bind(Op.SHUFPS, SseIntegerOps::shufps);
    t.bind(Op.SHUFPD, SseIntegerOps::shufpd);
    for (Op op : new Op[] {Op.PBLENDVB, Op.BLENDVPS, Op.BLENDVPD}) {
      t.bind(op, SseIntegerOps::blendByMask);
    }
    for (Op op : new Op[] {Op.PBLENDW, Op.BLENDPS, Op.BLENDPD}) {
      t.bind(op, SseIntegerOps::blend);
    }
    t.bind(Op.PTEST, SseIntegerOps::ptest);
    t.bind(Op.PHMINPOSUW, SseIntegerOps::phminposuw);
    t.bind(Op.MPSADBW, SseIntegerOps::mpsadbw);
    t.bind(Op.PCMPESTRI, (cpu, insn) -> compareStrings(cpu, insn, true, true));
    t.bind(Op.PCMPESTRM, (cpu, insn) -> compareStrings(cpu, insn, true, false));
    t.bind(Op.PCMPISTRI, (cpu, insn) -> compareStrings(cpu, insn, false, true));
    t.bind(Op.PCMPISTRM, (cpu, insn) -> compareStrings(cpu, insn, false, false));
    for (Op op :
        new Op[] {
          Op.AESENC,
          Op.AESENCLAST,
          Op.AESDEC,
          Op.AESDECLAST,
          Op.AESIMC,
          Op.AESKEYGENASSIST,
          Op.PCLMULQDQ,
          Op.SHA1RNDS4,
          Op.SHA1NEXTE,
          Op.SHA1MSG1,
          Op.SHA1MSG2,
          Op.SHA256RNDS2,
          Op.SHA256MSG1,
          Op.SHA256MSG2,
          Op.GF2P8MULB,
          Op.GF2P8AFFINEQB,
          Op.GF2P8AFFINEINVQB
        }) {
      t.bind(op, SseIntegerOps::crypto);
    }
    t.bind(Op.CRC32, SseIntegerOps::crc32);
  }

  private static void either(HandlerTable t, Op op, InsnHandler xmm, InsnHandler mmx) {
    t.bindByForm(
        op,
        insn ->
            insn.kind0 == Insn.MMX || (op == Op.PMOVMSKB && insn.kind1 == Insn.MMX) ? mmx : xmm);
  }

  private static long lo(long address) {
    return RawMemory.getLong(address);
  }

  private static long hi(long address) {
    return RawMemory.getLong(address + 8);
  }

  private static void put(long address, long lo, long hi) {
    RawMemory.putLong(address, lo);
    RawMemory.putLong(address + 8, hi);
  }

  // ---- lanes ------------------------------------------------------------------------------------

  private static void lanes(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    put(d, PackedLanes.lane(insn.op, lo(d), lo(b)), PackedLanes.lane(insn.op, hi(d), hi(b)));
  }

  private static void exclusiveOr(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    put(d, lo(d) ^ lo(b), hi(d) ^ hi(b));
  }

  private static void pairs(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    put(d, PackedLanes.pair(insn.op, lo(d), hi(d)), PackedLanes.pair(insn.op, lo(b), hi(b)));
  }

  /** Interleaves the halves at {@code offset}, 0 or 8 bytes. */
  private static void interleave(Interpreter cpu, Insn insn, int offset) {
    checkSse(cpu);
    long source = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    long a = lo(d + offset);
    long b = lo(source + offset);
    put(d, PackedLanes.interleaveLow(insn.op, a, b), PackedLanes.interleaveHigh(insn.op, a, b));
  }

  private static void shift(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long count = insn.kind1 == Insn.IMM ? insn.imm & 0xff : lo(alignedSource(cpu, insn, 1));
    long d = cpu.vectorAddress(insn.reg0);
    put(d, PackedLanes.shift(insn.op, lo(d), count), PackedLanes.shift(insn.op, hi(d), count));
  }

  private static void extend(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long a = lo(source(cpu, insn, 1));
    put(
        cpu.vectorAddress(insn.reg0),
        PackedLanes.extend(insn.op, a),
        PackedLanes.extend(insn.op, a >>> PackedLanes.extendStep(insn.op)));
  }

  // ---- moves ------------------------------------------------------------------------------------

  private static void movd(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    if (insn.kind0 == Insn.XMM) {
      put(cpu.vectorAddress(insn.reg0), cpu.read(insn, 1), 0);
    } else {
      cpu.write(insn, 0, lo(cpu.vectorAddress(insn.reg1)));
    }
  }

  private static void movq(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    if (insn.kind0 == Insn.MEM) {
      long value = lo(cpu.vectorAddress(insn.reg1));
      cpu.mmu().write64(cpu.address(insn, 8, true), value);
    } else {
      put(cpu.vectorAddress(insn.reg0), lo(source(cpu, insn, 1)), 0);
    }
  }

  private static void pmovmskb(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long a = cpu.vectorAddress(insn.reg1);
    cpu.setGpr32(insn.reg0, Packed.pmovmskb(lo(a)) | Packed.pmovmskb(hi(a)) << 8);
  }

  // ---- shuffles ---------------------------------------------------------------------------------

  private static void pshufb(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    put(d, Packed.pshufb(lo(d), hi(d), lo(b)), Packed.pshufb(lo(d), hi(d), hi(b)));
  }

  private static void palignr(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    int count = (int) insn.imm & 0xff;
    put(
        d,
        alignRight(lo(d), hi(d), lo(b), hi(b), count),
        alignRight(lo(d), hi(d), lo(b), hi(b), count + 8));
  }

  /** 64 bits from byte {@code count} of {@code b} followed by {@code a} followed by zeros. */
  static long alignRight(long aLo, long aHi, long bLo, long bHi, int count) {
    return switch (count >> 3) {
      case 0 -> Packed.shiftBytesRight(bLo, bHi, count & 7);
      case 1 -> Packed.shiftBytesRight(bHi, aLo, count & 7);
      case 2 -> Packed.shiftBytesRight(aLo, aHi, count & 7);
      case 3 -> Packed.shiftBytesRight(aHi, 0, count & 7);
      default -> 0;
    };
  }

  private static void pslldq(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long d = cpu.vectorAddress(insn.reg0);
    int count = (int) insn.imm & 0xff;
    put(d, Packed.shiftBytesLeftLow(lo(d), count), Packed.shiftBytesLeftHigh(lo(d), hi(d), count));
  }

  private static void psrldq(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long d = cpu.vectorAddress(insn.reg0);
    int count = (int) insn.imm & 0xff;
    put(d, Packed.shiftBytesRight(lo(d), hi(d), count), Packed.shiftBytesRight(hi(d), 0, count));
  }

  private static void pshufd(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    int control = (int) insn.imm;
    put(
        cpu.vectorAddress(insn.reg0),
        Packed.pshufd(lo(b), hi(b), control),
        Packed.pshufd(lo(b), hi(b), control >> 4));
  }

  private static void pshuflw(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    put(cpu.vectorAddress(insn.reg0), Packed.pshufw(lo(b), (int) insn.imm), hi(b));
  }

  private static void pshufhw(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    put(cpu.vectorAddress(insn.reg0), lo(b), Packed.pshufw(hi(b), (int) insn.imm));
  }

  private static void shufps(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    int control = (int) insn.imm;
    put(d, Packed.pshufd(lo(d), hi(d), control), Packed.pshufd(lo(b), hi(b), control >> 4));
  }

  private static void shufpd(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    put(d, (insn.imm & 1) == 0 ? lo(d) : hi(d), (insn.imm & 2) == 0 ? lo(b) : hi(b));
  }

  private static void blendByMask(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    long mask = cpu.vectorAddress(0);
    put(
        d,
        blendByMask(insn.op, lo(d), lo(b), lo(mask)),
        blendByMask(insn.op, hi(d), hi(b), hi(mask)));
  }

  static long blendByMask(Op op, long a, long b, long mask) {
    return switch (op) {
      case PBLENDVB -> Packed.pblendvb(a, b, mask);
      case BLENDVPS -> Packed.blendvps(a, b, mask);
      default -> Packed.blendvpd(a, b, mask);
    };
  }

  private static void blend(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    int control = (int) insn.imm;
    put(d, blend(insn.op, lo(d), lo(b), control, 0), blend(insn.op, hi(d), hi(b), control, 1));
  }

  /** Half {@code half} of a blend by control bits. */
  static long blend(Op op, long a, long b, int control, int half) {
    return switch (op) {
      case PBLENDW -> Packed.pblendw(a, b, control >> 4 * half);
      case BLENDPS -> Packed.blendps(a, b, control >> 2 * half);
      default -> (control >> half & 1) != 0 ? b : a;
    };
  }

  // ---- tests, searches, sums --------------------------------------------------------------------

  private static void ptest(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long a = cpu.vectorAddress(insn.reg0);
    boolean zf = (lo(a) & lo(b) | hi(a) & hi(b)) == 0;
    boolean cf = (~lo(a) & lo(b) | ~hi(a) & hi(b)) == 0;
    cpu.setStatusFlags((zf ? 0x40 : 0) | (cf ? 1 : 0));
  }

  private static void phminposuw(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    put(cpu.vectorAddress(insn.reg0), Packed.phminposuw(lo(b), hi(b)), 0);
  }

  private static void mpsadbw(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    mpsadbw(cpu.vectorAddress(insn.reg0), cpu.vectorAddress(insn.reg0), b, (int) insn.imm);
  }

  static void mpsadbw(long d, long a, long b, int control) {
    int block = RawMemory.getInt(b + 4L * (control & 3));
    int start = control & 4;
    put(
        d,
        Packed.mpsadbw(lo(a), hi(a), start, block),
        Packed.mpsadbw(lo(a), hi(a), start + 4, block));
  }

  private static void compareStrings(
      Interpreter cpu, Insn insn, boolean explicit, boolean wantsIndex) {
    checkSse(cpu);
    matchStrings(cpu, insn, source(cpu, insn, 1), explicit, wantsIndex);
  }

  /** Compares operand 0 with the 16 bytes at host address {@code b}. */
  static void matchStrings(
      Interpreter cpu, Insn insn, long b, boolean explicit, boolean wantsIndex) {
    int control = (int) insn.imm & 0xff;
    long a = cpu.vectorAddress(insn.reg0);
    int lengthA;
    int lengthB;
    if (explicit) {
      boolean wide = (insn.rex & 8) != 0;
      lengthA = StringCompare.explicitLength(wide ? cpu.gpr64(0) : cpu.gpr32(0), control);
      lengthB = StringCompare.explicitLength(wide ? cpu.gpr64(2) : cpu.gpr32(2), control);
    } else {
      lengthA = StringCompare.implicitLength(lo(a), hi(a), control);
      lengthB = StringCompare.implicitLength(lo(b), hi(b), control);
    }
    int result = StringCompare.compare(lo(a), hi(a), lengthA, lo(b), hi(b), lengthB, control);
    if (wantsIndex) {
      cpu.setGpr32(1, StringCompare.index(result, control));
    } else {
      put(
          cpu.vectorAddress(0),
          StringCompare.mask(result, control, 0),
          StringCompare.mask(result, control, 1));
    }
    cpu.setStatusFlags(StringCompare.flags(result, lengthA, lengthB, control));
  }

  // ---- cryptography -----------------------------------------------------------------------------

  private static void crypto(Interpreter cpu, Insn insn) {
    checkSse(cpu);
    long b = alignedSource(cpu, insn, 1);
    long d = cpu.vectorAddress(insn.reg0);
    crypto(cpu, insn.op, d, d, b, (int) insn.imm & 0xff);
  }

  /** {@code d = op(a, b, control)} of 128 bits each, given as host addresses. */
  static void crypto(Interpreter cpu, Op op, long d, long a, long b, int control) {
    FloatEnv env = cpu.floatEnv;
    long aLo = lo(a);
    long aHi = hi(a);
    long bLo = lo(b);
    long bHi = hi(b);
    switch (op) {
      case AESENC -> put(d, Crypto.aesenc(aLo, aHi) ^ bLo, Crypto.aesenc(aHi, aLo) ^ bHi);
      case AESENCLAST ->
          put(d, Crypto.aesenclast(aLo, aHi) ^ bLo, Crypto.aesenclast(aHi, aLo) ^ bHi);
      case AESDEC -> put(d, Crypto.aesdec(aLo, aHi) ^ bLo, Crypto.aesdec(aHi, aLo) ^ bHi);
      case AESDECLAST ->
          put(d, Crypto.aesdeclast(aLo, aHi) ^ bLo, Crypto.aesdeclast(aHi, aLo) ^ bHi);
      case AESIMC -> put(d, Crypto.aesimc(bLo), Crypto.aesimc(bHi));
      case AESKEYGENASSIST ->
          put(d, Crypto.aeskeygenassist(bLo, control), Crypto.aeskeygenassist(bHi, control));
      case GF2P8MULB -> put(d, Crypto.gf2p8mulb(aLo, bLo), Crypto.gf2p8mulb(aHi, bHi));
      case GF2P8AFFINEQB ->
          put(d, Crypto.gf2p8affine(aLo, bLo, control), Crypto.gf2p8affine(aHi, bHi, control));
      case GF2P8AFFINEINVQB ->
          put(
              d,
              Crypto.gf2p8affine(Crypto.gf2p8inverse(aLo), bLo, control),
              Crypto.gf2p8affine(Crypto.gf2p8inverse(aHi), bHi, control));
      case SHA1NEXTE -> put(d, bLo, Crypto.sha1nexte(aHi, bHi));
      default -> {
        long low =
            switch (op) {
              case PCLMULQDQ ->
                  Crypto.pclmulqdq(
                      env, (control & 1) == 0 ? aLo : aHi, (control & 16) == 0 ? bLo : bHi);
              case SHA1RNDS4 -> Crypto.sha1rnds4(env, aLo, aHi, bLo, bHi, control);
              case SHA1MSG1 -> Crypto.sha1msg1(env, aLo, aHi, bHi);
              case SHA1MSG2 -> Crypto.sha1msg2(env, aLo, aHi, bLo, bHi);
              case SHA256RNDS2 ->
                  Crypto.sha256rnds2(env, aLo, aHi, bLo, bHi, lo(cpu.vectorAddress(0)));
              case SHA256MSG1 -> Crypto.sha256msg1(env, aLo, aHi, bLo);
              case SHA256MSG2 -> Crypto.sha256msg2(env, aLo, aHi, bHi);
              default -> throw new IllegalStateException(op.toString());
            };
        put(d, low, env.aux);
      }
    }
  }

  private static void crc32(Interpreter cpu, Insn insn) {
    long value = cpu.read(insn, 1);
    cpu.setGpr32(insn.reg0, Crypto.crc32(cpu.gpr32(insn.reg0), value, insn.size1));
  }
}
