package dev.pollux.core.interp;

/**
 * Packed integer arithmetic of MMX and SSE on 64 bits at a time (Intel SDM vol. 2).
 *
 * <p>A function takes and returns one {@code long} of lanes, lane 0 in the low bits. What works
 * lane by lane serves MMX as it stands, SSE on each half, and AVX on each quarter. What gathers
 * lanes of both operands is written so that the halves of an SSE result are made by the same
 * function:
 *
 * <ul>
 *   <li>packs and horizontal operations: MMX {@code f(a, b)}; SSE {@code f(a.lo, a.hi)} and {@code
 *       f(b.lo, b.hi)};
 *   <li>interleaving: MMX {@code low(a, b)} or {@code high(a, b)}; SSE low {@code low(a.lo, b.lo)}
 *       and {@code high(a.lo, b.lo)}, SSE high the same of {@code a.hi, b.hi}.
 * </ul>
 *
 * Operand {@code a} is the destination, {@code b} the source.
 */
public final class Packed {
  private static final long SIGN_B = 0x8080_8080_8080_8080L;
  private static final long SIGN_W = 0x8000_8000_8000_8000L;
  private static final long SIGN_D = 0x8000_0000_8000_0000L;
  private static final long LOW_W = 0x0001_0001_0001_0001L;
  private static final long EVEN_B = 0x00ff_00ff_00ff_00ffL;
  private static final long EVEN_W = 0x0000_ffff_0000_ffffL;
  private static final long EVEN_D = 0x0000_0000_ffff_ffffL;

  private Packed() {}

  private static long lanes(int low, int high) {
    return low & EVEN_D | (long) high << 32;
  }

  private static int low(long a) {
    return (int) a;
  }

  private static int high(long a) {
    return (int) (a >> 32);
  }

  private static int word(long a, int lane) {
    return (short) (a >> 16 * lane);
  }

  private static int unsignedWord(long a, int lane) {
    return (int) (a >>> 16 * lane) & 0xffff;
  }

  private static int signedByte(long a, int lane) {
    return (byte) (a >> 8 * lane);
  }

  private static int unsignedByte(long a, int lane) {
    return (int) (a >>> 8 * lane) & 0xff;
  }

  // ---- addition and subtraction ----------------------------------------------------------------

  /** PADDB. */
  public static long paddb(long a, long b) {
    return ((a & ~SIGN_B) + (b & ~SIGN_B)) ^ ((a ^ b) & SIGN_B);
  }

  /** PSUBB. */
  public static long psubb(long a, long b) {
    return ((a | SIGN_B) - (b & ~SIGN_B)) ^ ((a ^ ~b) & SIGN_B);
  }

  /** PADDW. */
  public static long paddw(long a, long b) {
    return ((a & ~SIGN_W) + (b & ~SIGN_W)) ^ ((a ^ b) & SIGN_W);
  }

  /** PSUBW. */
  public static long psubw(long a, long b) {
    return ((a | SIGN_W) - (b & ~SIGN_W)) ^ ((a ^ ~b) & SIGN_W);
  }

  /** PADDD. */
  public static long paddd(long a, long b) {
    return ((a & ~SIGN_D) + (b & ~SIGN_D)) ^ ((a ^ b) & SIGN_D);
  }

  /** PSUBD. */
  public static long psubd(long a, long b) {
    return ((a | SIGN_D) - (b & ~SIGN_D)) ^ ((a ^ ~b) & SIGN_D);
  }

  /** All ones in each lane whose top bit is set in {@code signs}. */
  private static long spreadB(long signs) {
    return ((signs & SIGN_B) >>> 7) * 0xff;
  }

  private static long spreadW(long signs) {
    return ((signs & SIGN_W) >>> 15) * 0xffff;
  }

  private static long spreadD(long signs) {
    return ((signs & SIGN_D) >>> 31) * 0xffff_ffffL;
  }

  /** PADDUSB. */
  public static long paddusb(long a, long b) {
    long sum = paddb(a, b);
    return sum | spreadB((a & b) | ((a | b) & ~sum));
  }

  /** PSUBUSB. */
  public static long psubusb(long a, long b) {
    long difference = psubb(a, b);
    return difference & ~spreadB((~a & b) | (~(a ^ b) & difference));
  }

  /** PADDSB. */
  public static long paddsb(long a, long b) {
    long sum = paddb(a, b);
    return saturateB(sum, a, ~(a ^ b) & (a ^ sum));
  }

  /** PSUBSB. */
  public static long psubsb(long a, long b) {
    long difference = psubb(a, b);
    return saturateB(difference, a, (a ^ b) & (a ^ difference));
  }

  /** The extreme value of {@code a}'s sign where {@code overflow} has the top bit set. */
  private static long saturateB(long value, long a, long overflow) {
    long mask = spreadB(overflow);
    long extreme = ~SIGN_B + ((a & SIGN_B) >>> 7);
    return value & ~mask | extreme & mask;
  }

  /** PADDUSW. */
  public static long paddusw(long a, long b) {
    long sum = paddw(a, b);
    return sum | spreadW((a & b) | ((a | b) & ~sum));
  }

  /** PSUBUSW. */
  public static long psubusw(long a, long b) {
    long difference = psubw(a, b);
    return difference & ~spreadW((~a & b) | (~(a ^ b) & difference));
  }

  /** PADDSW. */
  public static long paddsw(long a, long b) {
    long sum = paddw(a, b);
    return saturateW(sum, a, ~(a ^ b) & (a ^ sum));
  }

  /** PSUBSW. */
  public static long psubsw(long a, long b) {
    long difference = psubw(a, b);
    return saturateW(difference, a, (a ^ b) & (a ^ difference));
  }

  /** The extreme value of {@code a}'s sign where {@code overflow} has the top bit set. */
  private static long saturateW(long value, long a, long overflow) {
    long mask = spreadW(overflow);
    long extreme = ~SIGN_W + ((a & SIGN_W) >>> 15);
    return value & ~mask | extreme & mask;
  }

  // ---- comparison, minimum, maximum, average ---------------------------------------------------

  /** PCMPEQB. */
  public static long pcmpeqb(long a, long b) {
    long different = a ^ b;
    return spreadB(~((different & ~SIGN_B) + ~SIGN_B | different));
  }

  /** PCMPGTB. */
  public static long pcmpgtb(long a, long b) {
    return greaterUnsignedB(a ^ SIGN_B, b ^ SIGN_B);
  }

  private static long greaterUnsignedB(long a, long b) {
    long difference = psubb(b, a);
    return spreadB((~b & a) | (~(a ^ b) & difference));
  }

  /** PMAXSB. */
  public static long pmaxsb(long a, long b) {
    return choose(pcmpgtb(a, b), a, b);
  }

  /** PMINSB. */
  public static long pminsb(long a, long b) {
    return choose(pcmpgtb(a, b), b, a);
  }

  /** PMAXUB. */
  public static long pmaxub(long a, long b) {
    return choose(greaterUnsignedB(a, b), a, b);
  }

  /** PMINUB. */
  public static long pminub(long a, long b) {
    return choose(greaterUnsignedB(a, b), b, a);
  }

  /** PCMPEQW. */
  public static long pcmpeqw(long a, long b) {
    long different = a ^ b;
    return spreadW(~((different & ~SIGN_W) + ~SIGN_W | different));
  }

  /** PCMPGTW. */
  public static long pcmpgtw(long a, long b) {
    return greaterUnsignedW(a ^ SIGN_W, b ^ SIGN_W);
  }

  private static long greaterUnsignedW(long a, long b) {
    long difference = psubw(b, a);
    return spreadW((~b & a) | (~(a ^ b) & difference));
  }

  /** PMAXSW. */
  public static long pmaxsw(long a, long b) {
    return choose(pcmpgtw(a, b), a, b);
  }

  /** PMINSW. */
  public static long pminsw(long a, long b) {
    return choose(pcmpgtw(a, b), b, a);
  }

  /** PMAXUW. */
  public static long pmaxuw(long a, long b) {
    return choose(greaterUnsignedW(a, b), a, b);
  }

  /** PMINUW. */
  public static long pminuw(long a, long b) {
    return choose(greaterUnsignedW(a, b), b, a);
  }

  /** PCMPEQD. */
  public static long pcmpeqd(long a, long b) {
    long different = a ^ b;
    return spreadD(~((different & ~SIGN_D) + ~SIGN_D | different));
  }

  /** PCMPGTD. */
  public static long pcmpgtd(long a, long b) {
    return greaterUnsignedD(a ^ SIGN_D, b ^ SIGN_D);
  }

  private static long greaterUnsignedD(long a, long b) {
    long difference = psubd(b, a);
    return spreadD((~b & a) | (~(a ^ b) & difference));
  }

  /** PMAXSD. */
  public static long pmaxsd(long a, long b) {
    return choose(pcmpgtd(a, b), a, b);
  }

  /** PMINSD. */
  public static long pminsd(long a, long b) {
    return choose(pcmpgtd(a, b), b, a);
  }

  /** PMAXUD. */
  public static long pmaxud(long a, long b) {
    return choose(greaterUnsignedD(a, b), a, b);
  }

  /** PMINUD. */
  public static long pminud(long a, long b) {
    return choose(greaterUnsignedD(a, b), b, a);
  }

  private static long choose(long mask, long a, long b) {
    return a & mask | b & ~mask;
  }

  /** PCMPEQQ. */
  public static long pcmpeqq(long a, long b) {
    return a == b ? -1 : 0;
  }

  /** PCMPGTQ. */
  public static long pcmpgtq(long a, long b) {
    return a > b ? -1 : 0;
  }

  /** PAVGB. */
  public static long pavgb(long a, long b) {
    return (a | b) - ((a ^ b) >>> 1 & ~SIGN_B);
  }

  /** PAVGW. */
  public static long pavgw(long a, long b) {
    return (a | b) - ((a ^ b) >>> 1 & ~SIGN_W);
  }

  /** PSADBW. */
  public static long psadbw(long a, long b) {
    long difference = psubusb(a, b) | psubusb(b, a);
    long pairs = (difference & EVEN_B) + (difference >>> 8 & EVEN_B);
    return pairs * LOW_W >>> 48;
  }

  /** PMOVMSKB of eight bytes. */
  public static int pmovmskb(long a) {
    return (int) (((a & SIGN_B) >>> 7) * 0x0102_0408_1020_4080L >>> 56);
  }

  // ---- multiplication --------------------------------------------------------------------------

  /** PMULLW. */
  public static long pmullw(long a, long b) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 16 | (word(a, i) * word(b, i)) & 0xffff;
    }
    return r;
  }

  /** PMULHW. */
  public static long pmulhw(long a, long b) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 16 | (word(a, i) * word(b, i)) >>> 16;
    }
    return r;
  }

  /** PMULHUW. */
  public static long pmulhuw(long a, long b) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 16 | (unsignedWord(a, i) * unsignedWord(b, i)) >>> 16;
    }
    return r;
  }

  /** PMULHRSW. */
  public static long pmulhrsw(long a, long b) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 16 | ((word(a, i) * word(b, i) >> 14) + 1 >> 1) & 0xffff;
    }
    return r;
  }

  /** PMULLD. */
  public static long pmulld(long a, long b) {
    return lanes(low(a) * low(b), high(a) * high(b));
  }

  /** PMULUDQ: the low lanes' unsigned product. */
  public static long pmuludq(long a, long b) {
    return (a & EVEN_D) * (b & EVEN_D);
  }

  /** PMULDQ: the low lanes' signed product. */
  public static long pmuldq(long a, long b) {
    return (long) low(a) * low(b);
  }

  /** PMADDWD. */
  public static long pmaddwd(long a, long b) {
    int low = word(a, 0) * word(b, 0) + word(a, 1) * word(b, 1);
    int high = word(a, 2) * word(b, 2) + word(a, 3) * word(b, 3);
    return lanes(low, high);
  }

  /** PMADDUBSW: {@code a} unsigned, {@code b} signed. */
  public static long pmaddubsw(long a, long b) {
    long r = 0;
    for (int i = 7; i >= 0; i -= 2) {
      int sum =
          unsignedByte(a, i) * signedByte(b, i) + unsignedByte(a, i - 1) * signedByte(b, i - 1);
      r = r << 16 | saturateWord(sum) & 0xffff;
    }
    return r;
  }

  private static int saturateWord(int value) {
    return Math.clamp(value, Short.MIN_VALUE, Short.MAX_VALUE);
  }

  // ---- sign and absolute value -----------------------------------------------------------------

  /** PABSB. */
  public static long pabsb(long a) {
    long negative = spreadB(a);
    return psubb(a ^ negative, negative);
  }

  /** PSIGNB. */
  public static long psignb(long a, long b) {
    long negative = spreadB(b);
    return psubb(a ^ negative, negative) & ~pcmpeqb(b, 0);
  }

  /** PABSW. */
  public static long pabsw(long a) {
    long negative = spreadW(a);
    return psubw(a ^ negative, negative);
  }

  /** PSIGNW. */
  public static long psignw(long a, long b) {
    long negative = spreadW(b);
    return psubw(a ^ negative, negative) & ~pcmpeqw(b, 0);
  }

  /** PABSD. */
  public static long pabsd(long a) {
    long negative = spreadD(a);
    return psubd(a ^ negative, negative);
  }

  /** PSIGND. */
  public static long psignd(long a, long b) {
    long negative = spreadD(b);
    return psubd(a ^ negative, negative) & ~pcmpeqd(b, 0);
  }

  // ---- shifts; the count is the whole 64-bit operand -------------------------------------------

  private static boolean beyond(long count, int width) {
    return Long.compareUnsigned(count, width) >= 0;
  }

  /** PSLLW. */
  public static long psllw(long a, long count) {
    return beyond(count, 16) ? 0 : a << count & (0xffff << count & 0xffff) * LOW_W;
  }

  /** PSLLD. */
  public static long pslld(long a, long count) {
    return beyond(count, 32) ? 0 : lanes(low(a) << count, high(a) << count);
  }

  /** PSLLQ. */
  public static long psllq(long a, long count) {
    return beyond(count, 64) ? 0 : a << count;
  }

  /** PSRLW. */
  public static long psrlw(long a, long count) {
    return beyond(count, 16) ? 0 : a >>> count & (0xffff >>> count) * LOW_W;
  }

  /** PSRLD. */
  public static long psrld(long a, long count) {
    return beyond(count, 32) ? 0 : lanes(low(a) >>> count, high(a) >>> count);
  }

  /** PSRLQ. */
  public static long psrlq(long a, long count) {
    return beyond(count, 64) ? 0 : a >>> count;
  }

  /** PSRAW. */
  public static long psraw(long a, long count) {
    int shift = beyond(count, 16) ? 15 : (int) count;
    long fill = spreadW(a) & ~((0xffff >>> shift) * LOW_W);
    return a >>> shift & (0xffff >>> shift) * LOW_W | fill;
  }

  /** PSRAD. */
  public static long psrad(long a, long count) {
    int shift = beyond(count, 32) ? 31 : (int) count;
    return lanes(low(a) >> shift, high(a) >> shift);
  }

  /** The low half of {@code hi:lo} shifted left by {@code bytes}: PSLLDQ. */
  public static long shiftBytesLeftLow(long lo, int bytes) {
    return bytes < 8 ? lo << 8 * bytes : 0;
  }

  /** The high half of {@code hi:lo} shifted left by {@code bytes}: PSLLDQ. */
  public static long shiftBytesLeftHigh(long lo, long hi, int bytes) {
    if (bytes == 0) {
      return hi;
    }
    if (bytes < 8) {
      return hi << 8 * bytes | lo >>> 64 - 8 * bytes;
    }
    return bytes < 16 ? lo << 8 * (bytes - 8) : 0;
  }

  /** 64 bits of {@code hi:lo} from byte {@code bytes} on: PSRLDQ, and MMX PALIGNR. */
  public static long shiftBytesRight(long lo, long hi, int bytes) {
    if (bytes == 0) {
      return lo;
    }
    if (bytes < 8) {
      return lo >>> 8 * bytes | hi << 64 - 8 * bytes;
    }
    return bytes < 16 ? hi >>> 8 * (bytes - 8) : 0;
  }

  // ---- packs and interleaving ------------------------------------------------------------------

  /** PACKSSWB. */
  public static long packsswb(long a, long b) {
    return packSignedBytes(a) | packSignedBytes(b) << 32;
  }

  private static long packSignedBytes(long a) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 8 | Math.clamp(word(a, i), Byte.MIN_VALUE, Byte.MAX_VALUE) & 0xff;
    }
    return r;
  }

  /** PACKUSWB. */
  public static long packuswb(long a, long b) {
    return packUnsignedBytes(a) | packUnsignedBytes(b) << 32;
  }

  private static long packUnsignedBytes(long a) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 8 | Math.clamp(word(a, i), 0, 255);
    }
    return r;
  }

  /** PACKSSDW. */
  public static long packssdw(long a, long b) {
    return saturateWord(low(a)) & 0xffffL
        | (saturateWord(high(a)) & 0xffffL) << 16
        | (saturateWord(low(b)) & 0xffffL) << 32
        | (saturateWord(high(b)) & 0xffffL) << 48;
  }

  /** PACKUSDW. */
  public static long packusdw(long a, long b) {
    return (long) Math.clamp(low(a), 0, 0xffff)
        | (long) Math.clamp(high(a), 0, 0xffff) << 16
        | (long) Math.clamp(low(b), 0, 0xffff) << 32
        | (long) Math.clamp(high(b), 0, 0xffff) << 48;
  }

  /** The four low bytes, each in a word of its own. */
  private static long widenBytes(long a) {
    long x = (a & EVEN_D | a << 16) & EVEN_W;
    return (x | x << 8) & EVEN_B;
  }

  /** The two low words, each in a doubleword of its own. */
  private static long widenWords(long a) {
    return (a & 0xffff) | (a << 16 & 0xffff_0000_0000L);
  }

  /** PUNPCKLBW. */
  public static long punpcklbw(long a, long b) {
    return widenBytes(a & EVEN_D) | widenBytes(b & EVEN_D) << 8;
  }

  /** PUNPCKHBW. */
  public static long punpckhbw(long a, long b) {
    return widenBytes(a >>> 32) | widenBytes(b >>> 32) << 8;
  }

  /** PUNPCKLWD. */
  public static long punpcklwd(long a, long b) {
    return widenWords(a) | widenWords(b) << 16;
  }

  /** PUNPCKHWD. */
  public static long punpckhwd(long a, long b) {
    return widenWords(a >>> 32) | widenWords(b >>> 32) << 16;
  }

  /** PUNPCKLDQ. */
  public static long punpckldq(long a, long b) {
    return a & EVEN_D | b << 32;
  }

  /** PUNPCKHDQ. */
  public static long punpckhdq(long a, long b) {
    return a >>> 32 | b & ~EVEN_D;
  }

  // ---- shuffles and extensions -----------------------------------------------------------------

  /** PSHUFW, and the halves of PSHUFLW and PSHUFHW. */
  public static long pshufw(long a, int control) {
    return (a >>> 16 * (control & 3) & 0xffff)
        | (a >>> 16 * (control >> 2 & 3) & 0xffff) << 16
        | (a >>> 16 * (control >> 4 & 3) & 0xffff) << 32
        | (a >>> 16 * (control >> 6 & 3)) << 48;
  }

  /** Two doublewords of {@code hi:lo} chosen by control bits 1:0 and 3:2: halves of PSHUFD. */
  public static long pshufd(long lo, long hi, int control) {
    return doubleword(lo, hi, control & 3) | doubleword(lo, hi, control >> 2 & 3) << 32;
  }

  private static long doubleword(long lo, long hi, int lane) {
    return ((lane & 2) == 0 ? lo : hi) >>> 32 * (lane & 1) & EVEN_D;
  }

  /** PSHUFB of 64 bits. */
  public static long pshufb(long a, long control) {
    long r = 0;
    for (int i = 56; i >= 0; i -= 8) {
      int c = (int) (control >>> i);
      r = r << 8 | ((c & 0x80) != 0 ? 0 : a >>> 8 * (c & 7) & 0xff);
    }
    return r;
  }

  /** Eight bytes of {@code hi:lo} chosen by {@code control}: halves of PSHUFB of 128 bits. */
  public static long pshufb(long lo, long hi, long control) {
    long r = 0;
    for (int i = 56; i >= 0; i -= 8) {
      int c = (int) (control >>> i);
      r = r << 8 | ((c & 0x80) != 0 ? 0 : ((c & 8) == 0 ? lo : hi) >>> 8 * (c & 7) & 0xff);
    }
    return r;
  }

  /** PBLENDVB: bytes of {@code b} where {@code mask} has the top bit set. */
  public static long pblendvb(long a, long b, long mask) {
    return choose(spreadB(mask), b, a);
  }

  /** BLENDVPS. */
  public static long blendvps(long a, long b, long mask) {
    return choose(spreadD(mask), b, a);
  }

  /** BLENDVPD. */
  public static long blendvpd(long a, long b, long mask) {
    return mask < 0 ? b : a;
  }

  /** PBLENDW with control bits 3:0. */
  public static long pblendw(long a, long b, int control) {
    return choose(bitsToWords(control), b, a);
  }

  private static long bitsToWords(int control) {
    long bits = control & 1 | (control & 2L) << 15 | (control & 4L) << 30 | (control & 8L) << 45;
    return bits * 0xffff;
  }

  /** BLENDPS with control bits 1:0. */
  public static long blendps(long a, long b, int control) {
    return choose((control & 1 | (control & 2L) << 31) * 0xffff_ffffL, b, a);
  }

  /** PMOVSXBW of the four low bytes. */
  public static long signExtendBytesToWords(long a) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      r = r << 16 | signedByte(a, i) & 0xffff;
    }
    return r;
  }

  /** PMOVZXBW of the four low bytes. */
  public static long zeroExtendBytesToWords(long a) {
    return widenBytes(a & EVEN_D);
  }

  /** PMOVSXBD of the two low bytes. */
  public static long signExtendBytesToDoublewords(long a) {
    return lanes(signedByte(a, 0), signedByte(a, 1));
  }

  /** PMOVZXBD of the two low bytes. */
  public static long zeroExtendBytesToDoublewords(long a) {
    return a & 0xff | (a & 0xff00) << 24;
  }

  /** PMOVSXWD of the two low words. */
  public static long signExtendWordsToDoublewords(long a) {
    return lanes(word(a, 0), word(a, 1));
  }

  /** PMOVZXWD of the two low words. */
  public static long zeroExtendWordsToDoublewords(long a) {
    return widenWords(a);
  }

  // ---- horizontal operations -------------------------------------------------------------------

  /** PHADDW. */
  public static long phaddw(long a, long b) {
    return paddw(evenWords(a, b), oddWords(a, b));
  }

  /** PHSUBW. */
  public static long phsubw(long a, long b) {
    return psubw(evenWords(a, b), oddWords(a, b));
  }

  /** PHADDSW. */
  public static long phaddsw(long a, long b) {
    return paddsw(evenWords(a, b), oddWords(a, b));
  }

  /** PHSUBSW. */
  public static long phsubsw(long a, long b) {
    return psubsw(evenWords(a, b), oddWords(a, b));
  }

  /** PHADDD. */
  public static long phaddd(long a, long b) {
    return lanes(low(a) + high(a), low(b) + high(b));
  }

  /** PHSUBD. */
  public static long phsubd(long a, long b) {
    return lanes(low(a) - high(a), low(b) - high(b));
  }

  private static long evenWords(long a, long b) {
    return a & 0xffff | a >>> 16 & 0xffff_0000L | (b & 0xffff | b >>> 16 & 0xffff_0000L) << 32;
  }

  private static long oddWords(long a, long b) {
    return evenWords(a >>> 16, b >>> 16);
  }

  /** PHMINPOSUW: the least of eight words, and its index in bits 18:16. */
  public static long phminposuw(long lo, long hi) {
    int best = 0x1_0000;
    int index = 0;
    for (int i = 0; i < 8; i++) {
      int value = unsignedWord(i < 4 ? lo : hi, i & 3);
      if (value < best) {
        best = value;
        index = i;
      }
    }
    return best | index << 16;
  }

  /**
   * Four words of MPSADBW: sums of absolute differences of the four bytes {@code block} against the
   * bytes of {@code hi:lo} from byte {@code start} on, each word one byte further.
   */
  public static long mpsadbw(long lo, long hi, int start, int block) {
    long r = 0;
    for (int i = 3; i >= 0; i--) {
      long window = shiftBytesRight(lo, hi, start + i);
      int sum = 0;
      for (int k = 0; k < 4; k++) {
        sum += Math.abs(unsignedByte(window, k) - unsignedByte(block, k));
      }
      r = r << 16 | sum;
    }
    return r;
  }
}
