package dev.pollux.core.interp;

/**
 * AES, carry-less multiplication, SHA and CRC32C, as the instructions of those names compute them
 * (Intel SDM vol. 2; FIPS 197 and FIPS 180-4). 128-bit operands are {@code lo} and {@code hi}; a
 * function with a 128-bit result returns the low half and leaves the high half in {@code env.aux},
 * unless it says otherwise.
 */
public final class Crypto {
  private static final byte[] SBOX = new byte[256];
  private static final byte[] INVERSE_SBOX = new byte[256];

  /** SubBytes and MixColumns of a byte in row 0; the other rows are rotations. */
  private static final int[] ENCRYPT = new int[256];

  /** InvSubBytes and InvMixColumns of a byte in row 0. */
  private static final int[] DECRYPT = new int[256];

  private static final int[] CRC32C = new int[256];

  static {
    int p = 1;
    int q = 1;
    do {
      p ^= p << 1 ^ ((p & 0x80) != 0 ? 0x11b : 0);
      q ^= q << 1;
      q ^= q << 2;
      q = (q ^ q << 4) & 0xff;
      q ^= (q & 0x80) != 0 ? 0x09 : 0;
      p &= 0xff;
      setSbox(p, q ^ rotateByte(q, 1) ^ rotateByte(q, 2) ^ rotateByte(q, 3) ^ rotateByte(q, 4));
    } while (p != 1);
    setSbox(0, 0);
    for (int i = 0; i < 256; i++) {
      int s = SBOX[i] & 0xff;
      ENCRYPT[i] = times(s, 2) | s << 8 | s << 16 | times(s, 3) << 24;
      int t = INVERSE_SBOX[i] & 0xff;
      DECRYPT[i] = times(t, 14) | times(t, 9) << 8 | times(t, 13) << 16 | times(t, 11) << 24;
      int crc = i;
      for (int bit = 0; bit < 8; bit++) {
        crc = crc >>> 1 ^ ((crc & 1) != 0 ? 0x82f6_3b78 : 0);
      }
      CRC32C[i] = crc;
    }
  }

  private Crypto() {}

  private static void setSbox(int value, int affine) {
    SBOX[value] = (byte) (affine ^ 0x63);
    INVERSE_SBOX[(affine ^ 0x63) & 0xff] = (byte) value;
  }

  private static int rotateByte(int value, int by) {
    return (value << by | value >>> (8 - by)) & 0xff;
  }

  /** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
  private static int times(int a, int b) {
    int product = 0;
    for (int x = a, y = b; y != 0; y >>= 1) {
      if ((y & 1) != 0) {
        product ^= x;
      }
      x = x << 1 ^ ((x & 0x80) != 0 ? 0x11b : 0);
    }
    return product;
  }

  // ---- AES: a half of the state is two columns. The other half of a result is that of the halves
  // swapped, since the rounds treat all columns alike.

  private static int at(long half, int index) {
    return (int) (half >>> 8 * index) & 0xff;
  }

  private static int table(int[] table, int row0, int row1, int row2, int row3) {
    return table[row0]
        ^ Integer.rotateLeft(table[row1], 8)
        ^ Integer.rotateLeft(table[row2], 16)
        ^ Integer.rotateLeft(table[row3], 24);
  }

  private static int bytes(byte[] box, int row0, int row1, int row2, int row3) {
    return box[row0] & 0xff
        | (box[row1] & 0xff) << 8
        | (box[row2] & 0xff) << 16
        | (box[row3] & 0xff) << 24;
  }

  private static long join(int first, int second) {
    return first & 0xffff_ffffL | (long) second << 32;
  }

  /** The product of two bytes as polynomials over GF(2), modulo AES's polynomial. */
  private static int product(int a, int b) {
    int product = 0;
    for (int i = 7; i >= 0; i--) {
      product = product << 1 ^ (product >> 7) * 0x11b ^ (b >> i & 1) * a;
    }
    return product;
  }

  /** GF2P8MULB of 64 bits. */
  public static long gf2p8mulb(long a, long b) {
    long result = 0;
    for (int shift = 0; shift < 64; shift += 8) {
      result |= (long) product((int) (a >>> shift) & 0xff, (int) (b >>> shift) & 0xff) << shift;
    }
    return result;
  }

  /** The inverse of each byte, of 0 it is 0: its 254th power. */
  public static long gf2p8inverse(long a) {
    long square = gf2p8mulb(a, a);
    long result = square;
    for (int i = 0; i < 6; i++) {
      square = gf2p8mulb(square, square);
      result = gf2p8mulb(result, square);
    }
    return result;
  }

  /**
   * GF2P8AFFINEQB of 64 bits: each byte of {@code a} times the bit matrix, plus {@code constant}.
   */
  public static long gf2p8affine(long a, long matrix, int constant) {
    long result = 0;
    for (int shift = 0; shift < 64; shift += 8) {
      int value = constant;
      for (int bit = 0; bit < 8; bit++) {
        int row = (int) (matrix >>> 56 - 8 * bit & a >>> shift & 0xff);
        value ^= (Integer.bitCount(row) & 1) << bit;
      }
      result |= (long) value << shift;
    }
    return result;
  }

  /** AESENC without the key: the half {@code a} of the new state, {@code b} being the other. */
  public static long aesenc(long a, long b) {
    return join(
        table(ENCRYPT, at(a, 0), at(a, 5), at(b, 2), at(b, 7)),
        table(ENCRYPT, at(a, 4), at(b, 1), at(b, 6), at(a, 3)));
  }

  /** AESENCLAST without the key, as {@link #aesenc}. */
  public static long aesenclast(long a, long b) {
    return join(
        bytes(SBOX, at(a, 0), at(a, 5), at(b, 2), at(b, 7)),
        bytes(SBOX, at(a, 4), at(b, 1), at(b, 6), at(a, 3)));
  }

  /** AESDEC without the key, as {@link #aesenc}. */
  public static long aesdec(long a, long b) {
    return join(
        table(DECRYPT, at(a, 0), at(b, 5), at(b, 2), at(a, 7)),
        table(DECRYPT, at(a, 4), at(a, 1), at(b, 6), at(b, 3)));
  }

  /** AESDECLAST without the key, as {@link #aesenc}. */
  public static long aesdeclast(long a, long b) {
    return join(
        bytes(INVERSE_SBOX, at(a, 0), at(b, 5), at(b, 2), at(a, 7)),
        bytes(INVERSE_SBOX, at(a, 4), at(a, 1), at(b, 6), at(b, 3)));
  }

  /** AESIMC of one half. */
  public static long aesimc(long a) {
    return join(inverseMixColumn((int) a), inverseMixColumn((int) (a >>> 32)));
  }

  private static int inverseMixColumn(int column) {
    return table(
        DECRYPT,
        SBOX[column & 0xff] & 0xff,
        SBOX[column >>> 8 & 0xff] & 0xff,
        SBOX[column >>> 16 & 0xff] & 0xff,
        SBOX[column >>> 24] & 0xff);
  }

  /** AESKEYGENASSIST of one half, whose upper doubleword is all that counts. */
  public static long aeskeygenassist(long a, int roundConstant) {
    int word = bytes(SBOX, at(a, 4), at(a, 5), at(a, 6), at(a, 7));
    return join(word, Integer.rotateRight(word, 8) ^ roundConstant);
  }

  // ---- carry-less multiplication and CRC -------------------------------------------------------

  /** PCLMULQDQ of two quadwords. */
  public static long pclmulqdq(FloatEnv env, long a, long b) {
    long lo = 0;
    long hi = 0;
    for (long rest = b; rest != 0; rest &= rest - 1) {
      int shift = Long.numberOfTrailingZeros(rest);
      lo ^= a << shift;
      hi ^= a >>> 1 >>> (63 - shift);
    }
    env.aux = hi;
    return lo;
  }

  /** CRC32: {@code crc} continued with the {@code bytes} low bytes of {@code value}. */
  public static int crc32(int crc, long value, int bytes) {
    int result = crc;
    long rest = value;
    for (int i = 0; i < bytes; i++) {
      result = result >>> 8 ^ CRC32C[(result ^ (int) rest) & 0xff];
      rest >>>= 8;
    }
    return result;
  }

  // ---- SHA-1 -----------------------------------------------------------------------------------

  private static int low(long half) {
    return (int) half;
  }

  private static int high(long half) {
    return (int) (half >>> 32);
  }

  /** SHA1RNDS4: {@code a} is the destination. */
  public static long sha1rnds4(FloatEnv env, long aLo, long aHi, long bLo, long bHi, int function) {
    int a = high(aHi);
    int b = low(aHi);
    int c = high(aLo);
    int d = low(aLo);
    int e = 0;
    for (int round = 0; round < 4; round++) {
      int w =
          switch (round) {
            case 0 -> high(bHi);
            case 1 -> low(bHi);
            case 2 -> high(bLo);
            default -> low(bLo);
          };
      int mixed =
          switch (function & 3) {
            case 0 -> (b & c ^ ~b & d) + 0x5a82_7999;
            case 1 -> (b ^ c ^ d) + 0x6ed9_eba1;
            case 2 -> (b & c ^ b & d ^ c & d) + 0x8f1b_bcdc;
            default -> (b ^ c ^ d) + 0xca62_c1d6;
          };
      int next = mixed + Integer.rotateLeft(a, 5) + w + e;
      e = d;
      d = c;
      c = Integer.rotateLeft(b, 30);
      b = a;
      a = next;
    }
    env.aux = join(b, a);
    return join(d, c);
  }

  /** The high half of SHA1NEXTE; the low half is that of {@code b}. */
  public static long sha1nexte(long aHi, long bHi) {
    return join(low(bHi), high(bHi) + Integer.rotateLeft(high(aHi), 30));
  }

  /** SHA1MSG1. */
  public static long sha1msg1(FloatEnv env, long aLo, long aHi, long bHi) {
    env.aux = aHi ^ aLo;
    return aLo ^ bHi;
  }

  /** SHA1MSG2. */
  public static long sha1msg2(FloatEnv env, long aLo, long aHi, long bLo, long bHi) {
    int w16 = Integer.rotateLeft(high(aHi) ^ low(bHi), 1);
    int w17 = Integer.rotateLeft(low(aHi) ^ high(bLo), 1);
    int w18 = Integer.rotateLeft(high(aLo) ^ low(bLo), 1);
    int w19 = Integer.rotateLeft(low(aLo) ^ w16, 1);
    env.aux = join(w17, w16);
    return join(w19, w18);
  }

  // ---- SHA-256 ---------------------------------------------------------------------------------

  private static int sigma0(int x) {
    return Integer.rotateRight(x, 7) ^ Integer.rotateRight(x, 18) ^ x >>> 3;
  }

  private static int sigma1(int x) {
    return Integer.rotateRight(x, 17) ^ Integer.rotateRight(x, 19) ^ x >>> 10;
  }

  /** SHA256RNDS2: {@code a} is the destination, {@code wk} the low half of XMM0. */
  public static long sha256rnds2(FloatEnv env, long aLo, long aHi, long bLo, long bHi, long wk) {
    int a = high(bHi);
    int b = low(bHi);
    int c = high(aHi);
    int d = low(aHi);
    int e = high(bLo);
    int f = low(bLo);
    int g = high(aLo);
    int h = low(aLo);
    for (int round = 0; round < 2; round++) {
      int w = round == 0 ? low(wk) : high(wk);
      int sum1 =
          Integer.rotateRight(e, 6) ^ Integer.rotateRight(e, 11) ^ Integer.rotateRight(e, 25);
      int t1 = h + sum1 + (e & f ^ ~e & g) + w;
      int sum0 =
          Integer.rotateRight(a, 2) ^ Integer.rotateRight(a, 13) ^ Integer.rotateRight(a, 22);
      int t2 = sum0 + (a & b ^ a & c ^ b & c);
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    env.aux = join(b, a);
    return join(f, e);
  }

  /** SHA256MSG1. */
  public static long sha256msg1(FloatEnv env, long aLo, long aHi, long bLo) {
    env.aux = join(low(aHi) + sigma0(high(aHi)), high(aHi) + sigma0(low(bLo)));
    return join(low(aLo) + sigma0(high(aLo)), high(aLo) + sigma0(low(aHi)));
  }

  /** SHA256MSG2. */
  public static long sha256msg2(FloatEnv env, long aLo, long aHi, long bHi) {
    int w16 = low(aLo) + sigma1(low(bHi));
    int w17 = high(aLo) + sigma1(high(bHi));
    env.aux = join(low(aHi) + sigma1(w16), high(aHi) + sigma1(w17));
    return join(w16, w17);
  }
}
