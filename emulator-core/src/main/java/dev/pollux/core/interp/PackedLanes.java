package dev.pollux.core.interp;

import dev.pollux.core.decode.Op;
import java.util.HashMap;
import java.util.Map;

/**
 * Which function of {@link Packed} an instruction is, by the shape of its data flow. The names are
 * those of the legacy forms; a VEX instruction is looked up under its {@link #legacy} name.
 */
final class PackedLanes {
  private static final Op[] LEGACY = legacyNames();

  private PackedLanes() {}

  private static Op[] legacyNames() {
    Op[] all = Op.values();
    Map<String, Op> byName = new HashMap<>();
    for (Op op : all) {
      byName.put(op.name(), op);
    }
    Op[] legacy = new Op[all.length];
    for (Op op : all) {
      boolean vex = op.name().startsWith("V");
      legacy[op.ordinal()] = vex ? byName.getOrDefault(op.name().substring(1), op) : op;
    }
    return legacy;
  }

  /** PADDB for VPADDB; an instruction without a legacy form itself. */
  static Op legacy(Op op) {
    return LEGACY[op.ordinal()];
  }

  static final Op[] LANE_OPS = {
    Op.PADDB,
    Op.PADDW,
    Op.PADDD,
    Op.PADDQ,
    Op.PSUBB,
    Op.PSUBW,
    Op.PSUBD,
    Op.PSUBQ,
    Op.PADDSB,
    Op.PADDSW,
    Op.PADDUSB,
    Op.PADDUSW,
    Op.PSUBSB,
    Op.PSUBSW,
    Op.PSUBUSB,
    Op.PSUBUSW,
    Op.PCMPEQB,
    Op.PCMPEQW,
    Op.PCMPEQD,
    Op.PCMPEQQ,
    Op.PCMPGTB,
    Op.PCMPGTW,
    Op.PCMPGTD,
    Op.PCMPGTQ,
    Op.PMAXUB,
    Op.PMAXUW,
    Op.PMAXUD,
    Op.PMAXSB,
    Op.PMAXSW,
    Op.PMAXSD,
    Op.PMINUB,
    Op.PMINUW,
    Op.PMINUD,
    Op.PMINSB,
    Op.PMINSW,
    Op.PMINSD,
    Op.PAVGB,
    Op.PAVGW,
    Op.PSADBW,
    Op.PMULLW,
    Op.PMULHW,
    Op.PMULHUW,
    Op.PMULHRSW,
    Op.PMULLD,
    Op.PMULUDQ,
    Op.PMULDQ,
    Op.PMADDWD,
    Op.PMADDUBSW,
    Op.PSIGNB,
    Op.PSIGNW,
    Op.PSIGND,
    Op.PABSB,
    Op.PABSW,
    Op.PABSD,
    Op.PAND,
    Op.PANDN,
    Op.POR,
    Op.PXOR,
    Op.ANDPS,
    Op.ANDPD,
    Op.ANDNPS,
    Op.ANDNPD,
    Op.ORPS,
    Op.ORPD,
    Op.XORPS,
    Op.XORPD
  };

  /** Lane by lane, 64 bits at a time. */
  static long lane(Op op, long a, long b) {
    return switch (op) {
      case PADDB -> Packed.paddb(a, b);
      case PADDW -> Packed.paddw(a, b);
      case PADDD -> Packed.paddd(a, b);
      case PADDQ -> a + b;
      case PSUBB -> Packed.psubb(a, b);
      case PSUBW -> Packed.psubw(a, b);
      case PSUBD -> Packed.psubd(a, b);
      case PSUBQ -> a - b;
      case PADDSB -> Packed.paddsb(a, b);
      case PADDSW -> Packed.paddsw(a, b);
      case PADDUSB -> Packed.paddusb(a, b);
      case PADDUSW -> Packed.paddusw(a, b);
      case PSUBSB -> Packed.psubsb(a, b);
      case PSUBSW -> Packed.psubsw(a, b);
      case PSUBUSB -> Packed.psubusb(a, b);
      case PSUBUSW -> Packed.psubusw(a, b);
      case PCMPEQB -> Packed.pcmpeqb(a, b);
      case PCMPEQW -> Packed.pcmpeqw(a, b);
      case PCMPEQD -> Packed.pcmpeqd(a, b);
      case PCMPEQQ -> Packed.pcmpeqq(a, b);
      case PCMPGTB -> Packed.pcmpgtb(a, b);
      case PCMPGTW -> Packed.pcmpgtw(a, b);
      case PCMPGTD -> Packed.pcmpgtd(a, b);
      case PCMPGTQ -> Packed.pcmpgtq(a, b);
      case PMAXUB -> Packed.pmaxub(a, b);
      case PMAXUW -> Packed.pmaxuw(a, b);
      case PMAXUD -> Packed.pmaxud(a, b);
      case PMAXSB -> Packed.pmaxsb(a, b);
      case PMAXSW -> Packed.pmaxsw(a, b);
      case PMAXSD -> Packed.pmaxsd(a, b);
      case PMINUB -> Packed.pminub(a, b);
      case PMINUW -> Packed.pminuw(a, b);
      case PMINUD -> Packed.pminud(a, b);
      case PMINSB -> Packed.pminsb(a, b);
      case PMINSW -> Packed.pminsw(a, b);
      case PMINSD -> Packed.pminsd(a, b);
      case PAVGB -> Packed.pavgb(a, b);
      case PAVGW -> Packed.pavgw(a, b);
      case PSADBW -> Packed.psadbw(a, b);
      case PMULLW -> Packed.pmullw(a, b);
      case PMULHW -> Packed.pmulhw(a, b);
      case PMULHUW -> Packed.pmulhuw(a, b);
      case PMULHRSW -> Packed.pmulhrsw(a, b);
      case PMULLD -> Packed.pmulld(a, b);
      case PMULUDQ -> Packed.pmuludq(a, b);
      case PMULDQ -> Packed.pmuldq(a, b);
      case PMADDWD -> Packed.pmaddwd(a, b);
      case PMADDUBSW -> Packed.pmaddubsw(a, b);
      case PSIGNB -> Packed.psignb(a, b);
      case PSIGNW -> Packed.psignw(a, b);
      case PSIGND -> Packed.psignd(a, b);
      case PABSB -> Packed.pabsb(b);
      case PABSW -> Packed.pabsw(b);
      case PABSD -> Packed.pabsd(b);
      case PAND, ANDPS, ANDPD -> a & b;
      case PANDN, ANDNPS, ANDNPD -> ~a & b;
      case POR, ORPS, ORPD -> a | b;
      case PXOR, XORPS, XORPD -> a ^ b;
      default -> throw new IllegalStateException(op.toString());
    };
  }

  static final Op[] PAIR_OPS = {
    Op.PACKSSWB,
    Op.PACKUSWB,
    Op.PACKSSDW,
    Op.PACKUSDW,
    Op.PHADDW,
    Op.PHADDD,
    Op.PHADDSW,
    Op.PHSUBW,
    Op.PHSUBD,
    Op.PHSUBSW
  };

  /** Of the two halves of one operand, or of two MMX operands. */
  static long pair(Op op, long a, long b) {
    return switch (op) {
      case PACKSSWB -> Packed.packsswb(a, b);
      case PACKUSWB -> Packed.packuswb(a, b);
      case PACKSSDW -> Packed.packssdw(a, b);
      case PACKUSDW -> Packed.packusdw(a, b);
      case PHADDW -> Packed.phaddw(a, b);
      case PHADDD -> Packed.phaddd(a, b);
      case PHADDSW -> Packed.phaddsw(a, b);
      case PHSUBW -> Packed.phsubw(a, b);
      case PHSUBD -> Packed.phsubd(a, b);
      case PHSUBSW -> Packed.phsubsw(a, b);
      default -> throw new IllegalStateException(op.toString());
    };
  }

  static final Op[] LOW_INTERLEAVE_OPS = {
    Op.PUNPCKLBW, Op.PUNPCKLWD, Op.PUNPCKLDQ, Op.PUNPCKLQDQ, Op.UNPCKLPS, Op.UNPCKLPD
  };

  static final Op[] HIGH_INTERLEAVE_OPS = {
    Op.PUNPCKHBW, Op.PUNPCKHWD, Op.PUNPCKHDQ, Op.PUNPCKHQDQ, Op.UNPCKHPS, Op.UNPCKHPD
  };

  /** The lower half of {@code a} and {@code b} interleaved. */
  static long interleaveLow(Op op, long a, long b) {
    return switch (op) {
      case PUNPCKLBW, PUNPCKHBW -> Packed.punpcklbw(a, b);
      case PUNPCKLWD, PUNPCKHWD -> Packed.punpcklwd(a, b);
      case PUNPCKLDQ, PUNPCKHDQ, UNPCKLPS, UNPCKHPS -> Packed.punpckldq(a, b);
      case PUNPCKLQDQ, PUNPCKHQDQ, UNPCKLPD, UNPCKHPD -> a;
      default -> throw new IllegalStateException(op.toString());
    };
  }

  /** The upper half of {@code a} and {@code b} interleaved. */
  static long interleaveHigh(Op op, long a, long b) {
    return switch (op) {
      case PUNPCKLBW, PUNPCKHBW -> Packed.punpckhbw(a, b);
      case PUNPCKLWD, PUNPCKHWD -> Packed.punpckhwd(a, b);
      case PUNPCKLDQ, PUNPCKHDQ, UNPCKLPS, UNPCKHPS -> Packed.punpckhdq(a, b);
      case PUNPCKLQDQ, PUNPCKHQDQ, UNPCKLPD, UNPCKHPD -> b;
      default -> throw new IllegalStateException(op.toString());
    };
  }

  static final Op[] SHIFT_OPS = {
    Op.PSLLW, Op.PSLLD, Op.PSLLQ, Op.PSRLW, Op.PSRLD, Op.PSRLQ, Op.PSRAW, Op.PSRAD
  };

  /** Every lane shifted by the same count. */
  static long shift(Op op, long a, long count) {
    return switch (op) {
      case PSLLW -> Packed.psllw(a, count);
      case PSLLD -> Packed.pslld(a, count);
      case PSLLQ -> Packed.psllq(a, count);
      case PSRLW -> Packed.psrlw(a, count);
      case PSRLD -> Packed.psrld(a, count);
      case PSRLQ -> Packed.psrlq(a, count);
      case PSRAW -> Packed.psraw(a, count);
      case PSRAD -> Packed.psrad(a, count);
      default -> throw new IllegalStateException(op.toString());
    };
  }

  static final Op[] EXTEND_OPS = {
    Op.PMOVSXBW, Op.PMOVSXBD, Op.PMOVSXBQ, Op.PMOVSXWD, Op.PMOVSXWQ, Op.PMOVSXDQ,
    Op.PMOVZXBW, Op.PMOVZXBD, Op.PMOVZXBQ, Op.PMOVZXWD, Op.PMOVZXWQ, Op.PMOVZXDQ
  };

  /** The lowest lanes of {@code a} widened to 64 bits in all. */
  static long extend(Op op, long a) {
    return switch (op) {
      case PMOVSXBW -> Packed.signExtendBytesToWords(a);
      case PMOVSXBD -> Packed.signExtendBytesToDoublewords(a);
      case PMOVSXBQ -> (byte) a;
      case PMOVSXWD -> Packed.signExtendWordsToDoublewords(a);
      case PMOVSXWQ -> (short) a;
      case PMOVSXDQ -> (int) a;
      case PMOVZXBW -> Packed.zeroExtendBytesToWords(a);
      case PMOVZXBD -> Packed.zeroExtendBytesToDoublewords(a);
      case PMOVZXBQ -> a & 0xff;
      case PMOVZXWD -> Packed.zeroExtendWordsToDoublewords(a);
      case PMOVZXWQ -> a & 0xffff;
      case PMOVZXDQ -> a & 0xffff_ffffL;
      default -> throw new IllegalStateException(op.toString());
    };
  }

  /** Bits of the source that make 64 bits of the result of {@link #extend}. */
  static int extendStep(Op op) {
    return switch (op) {
      case PMOVSXBW, PMOVZXBW, PMOVSXWD, PMOVZXWD, PMOVSXDQ, PMOVZXDQ -> 32;
      case PMOVSXBD, PMOVZXBD, PMOVSXWQ, PMOVZXWQ -> 16;
      default -> 8;
    };
  }
}
