package dev.pollux.core.interp;

import java.util.Base64;

/**
 * RCPSS and RSQRTSS: approximations with a relative error below 1.5 * 2^-12 (Intel SDM vol. 2).
 *
 * <p>Their last bits are the processor's own business. These are AMD's (family 25): the result has
 * 12 fraction bits and depends on the upper 12 fraction bits of the operand only. It is the
 * correctly rounded value for the middle of the operand's interval, corrected by -1, 0 or +1 as
 * tabulated.
 */
public final class Reciprocal {
  /**
   * Corrections plus one, two bits each: 4096 for the reciprocal, 4096 for the reciprocal square
   * root of numbers with an even exponent, 4096 with an odd one.
   */
  private static final byte[] CORRECTIONS =
      Base64.getMimeDecoder()
          .decode(
              """
              UFWlqlBVpapQVaWqUFVQVaWqpaqlWqWqUVWlVaVWpVqlWqVapValVWVVVVWlWqVVqmqlVqpqpVWmWmVVpVVRAQRFVVkUVWVp
              FEVVWVmapqpUlWVZWZamaWmapmlpmqZpWZZlWVVVVRVZlmVVaZplWWmaZVlpllUVWVZRBGqaZRVEVWamRGVmqkRlZqZEVWVm
              VWaqqkRVVWZVZmZmVWZmZlVmZmZVZlVVmaqqZlVmVlWZZmZmmapmZpqqZmaZamZWFFWWaWWZpqoUVZVlVVmWaWVZpmllWZZp
              VVWWZRRVVVVlWZZlVVVVVVVVVVVlWZZVZVmWVWVZVVVVVVEUaZqWVVBRVVlUVlZalZaWmpWWlpqVlpaalZZWWlVWVVmppqaa
              lVZWWaWmllpVVVFFVVZVRVVWVUVVVlFFVVVBBamWVllVVaVVapWqqRVVlVVlValVaVWqVWpVqlVqValVaVWlVVVVVVRqlapV
              aVVVVWpVqlUVVVUAalVVUGpVVVRqVVVUVVVVlVVVVVWVqqqqVVVVqlVVVVVVVVWVqqqqqlVVVVVVVVVVVVVVVVVVVVVVVVVV
              VVVVVaqqqqpqVVVVVVVVVVVlVVVVpaqqAVBVVVVVVVVVpVZVVaVaVVWlWlVVpVZVVVVVVRVQVVVVpapVVWVVVVqlqlZVZVVV
              VqVaVVVQVQGVWqVqlWqlqkBVUFVAVVBVlWqlapVapVqVVqVVVVVVVZaqpVqVVmVVRVVQBZVWZVWWaqVWVVVRFZVVVVWVWmVV
              UUVVVVFFVVVRRVVVUUUVVaWWWmqllVZaZZVVVlFFFVWllVZaVVUVVaWWVlZVRRUVpZVVVaaWVlpVRQUFZVUVFVVlZWVVpaWl
              laWlZVVlZWVVZWVlRVVVVUVRUVGWpaWlVWVlVUVVUVGVpWVlRVVRUZVlZVVFUVFQVWVVUZalZVVVVZVlVVmWpWVZlqZlWZqm
              ZVmapmVZmqZlWZamZVmWZVVVlWVVVVVVURRFUWVZlmVVVVVVpmmapmVVVVVRFEVRBFEUVVVlVWVZplmmFFUUVVVVVWVVZVll
              WWZZplmmaaYUURRRFFEUVRRRFFEUURRRaaZZpllmWWZZZVllVVVVVRVVVFFppplmWWWVVRVVVFFZZpllVVVVUVlmmWVVVVRR
              WWaVVRVRRBFZVVVRWWaVVWqmmWUVVUQRWVVVUVllVVVEVBFVRFVRVURVUVVEVVFVRFURVURUEVGZmWZmmZllZlWZVWVVVVVV
              RFURUZmZZWZVlVVVRFUREZmZVWVVVRFVmVlVZlUVEVWZWVVlVRUREZVZVVWZWWZmVRUREZVZVVWZWVVVqWpmZlUVERFVFRER
              mVlVVZlZVVWZWVVVmVlVVQAAVVUAAFVVAABVVVVVqqpVVVpVAABVVVVVWlVVVaqqBQBVVVUFVVVVVVVVVVVVVVUVVVVVBVVV
              FQBVFVVValVValWqBVVVVVVqVaoBVQVVVVVVVlVaVVpValVqVapVqlVqVWpValVaVVpVVlVVFVUFVQFVVVpVVlVVBVVValVW
              VVVWZZVWaqVBFVVRRVVVVVVVVlWVVVZllVVWVZVVVlVVVVVRRRVVUJZaaqWVVVZVVRVVUJZWWlVVVVVQlVZWVUVlZWWVpaWl
              QFFRUUFVVVVFVVVVRVVVVUVVVVVFVVVVRVVVVUFRUVGWpaWlVWVlZUVVVVGWpqVlVWVVVZampWUUBUVRVVVVZVlalqUUFUVR
              VRVVVVVWVWVZVpZlWVqWZVlalmVZWpZlWVaWZVlWVVVZVlVVVRVFUWlalmVZVlVVURRVVWVZpmlVVWVZZVmmaVVVVVVlWaZZ
              URRVFVVVZVVlWWZZplmmaVEUVRRVFVUVVVVVVVVVVVVVVVVVVVVVVVlmmmZZZpplWWWWZVVVVlUVVVVRWWaaZlllllUVVVVR
              WWaaZVVVVlVZZpplVVVWUVlmmlUVVVURWWVWVWlmmmVVWVVWmVlmlplpZppUFVVFVVVVRVVVVVVVWVVVVVlVVlVZVVVVWVVV
              VVVVRVUVVUVUFRFFmWlmVplZZVZVWVVFZmamqlVVZmZRVVVVZmZmplVVVWZmZqaqVVVVZmZmZqpVVVVlZmZmZlFVVVVVVWVm
              ZmZmZhFVVVVVVVVVVWZmZlVVVVVVVVVVlZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmVVVVVVVVVVVVVWqqpqZ
              mZmZmZmZWVVVVWZmVVVVVZmZqmpVVWZmVURVVZlZZmZVVVZVmZlqZlVVZlWZmWpmVVVVVZlZZmZVRFVVVVVmVpmZamZVRVVV
              EVVVVFVZVWVWmZllZqqZqRFVVVRVVVVVVVlVZVWZWWVWmVllZpmZZWaamWVmmplpZpqZaWaamWVmmpllZplZZVVVWVVFVVVV
              RBVVRZlmqplZZppZVVaZVVVVWVVEFVVFWWaamVVWmVVFVVVFmWaamVVWmVVFFVVFWWaZWVVVVVWZZZZpVVVVZZlllqlVVVVl
              mWWWaVVUUVWZZZZpVVRRVVlllWWaZZZpVVRRVVlllWWaZZZpVVRRVVVVVWWZZZVlRRVFFFVVVVRVVllVWWZZZZlmmWWaZppl
              mmqaaVUVVRRVFVVUVVVVVFVVVVRVVVVVVVZVVVVVVVRVVVVUVVVVVGVZZVllWVVZVVlVVVVVVVVUVRRVaappmmmaZZplmWVZ
              VVlVVVVVVFVpmmmaZZplWWVZVVVVVRRVaZplmWVZVVVRVVVlVVmWpWVZmqYQFEVRUBRFUaVpmqZlaZqmZVmWZWVZlmVVVVVV
              pmmapmVZlmVVFUVRZVmWZVUURVFlWVVVVWVVVVlmWZZZpmmWFFUURRVVFUUVVRVFFVUVRRVVFUUVVRRFaaZplllmWVZZZVVF
              FVUUQWmmWVZZVRVFaaZZVlllVpkUUUVUVVVWlVlmlpkUUUVUFVVVVVlVVpVZZVaZWWaWmVlmlplZZpaZWWZWmVlmVplZZVZV
              WVVVVRVVRVQVEVVVWWVmZllVVWUVEVFVWVVmZhVRVVVZVWZmFRFVVVlVVWVqZmZmFVVVVVlVVVVpZmZmFRERERURVVVZVVVV
              mZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZlVVVVVVVVVVVVVRURERJmZmZlVVVVVVVVERJmZmVVVVVVVmZmZmVFVVWWWmZmp
              UVVVZZWZmWVRVUVUlVlVZZaZmWlRVUVUlVVVVZWZVWWmmZllUUVEVFFVRVRVVVVUVVVVVJVVVVWZZWaamWVmmZllZplZZVaZ
              WWVWmVVlVVlVVVVVVVQRVZlpZppZZVaZVVVVVVVUEVWZZWaZVWVVVUVUEUVZZVZZVVRVVZlllllVVVVVmWWWWVVUUVWZZZZZ
              VVRRRVlllVWZZZZZVVRRRVllVVWZZZZZRRRRRFVVUUVZZVVVmWWVVVVRVVVVVWVVZVVllWWVZZVllWWWZZZllmWWZZZllmWW
              ZZZllmWVZZVllWVVZVVlVVVVVVVVUVVRVFEUUWmWaZZVlmWZVVVVWUVRVFVZpmmaVZZlWUVVVVVEURRFVZZlWUVRVVVZlmWa
              VVVVVUVRFEVVVWVZRVEURVWVZVlFURRFVVVVVZqmaZpVVVVVWZZlWUVRFEVVVVVVWZZlWUVRFEVVVVVVWZZlWUVRFEVVVVVV
              WZZVVVmWZVmapmmaRVEURVEURVVRFEVVVVVFVVVVVVlWVVVZllVVWZZlVVmWZVlZlmVZWZZlWVmWZVlZlmVVWZZlVVmWVVVZ
              VlVVWVVVVVUUBUVRaVmalmVZWpZlVVlWVVVVVRVFVVEUBUVRZVlalmVVWVVVRVVVFAVFUWVZWZZVVVVVFUVFUWVZWpZVVVVV
              FEVFUWVZWVZVRVVRaVlallVVVVUUBUVBZVVZVRVFRVFlWVlVFUVFUWVZWVUVRUVRZVVZVRUFRUFlVVVVaVlalkVFVVVVWVlZ
              BUVFRVVVVVlZWVlaBUVFRVVVVVlZWVlaBUVFRUVVVVVVWVlZWVpaWkVFRUVFVVVVVVVZWVlZWVoFBQVFRUVFRUVVVVVVVVVV
              WVlZWVlZWVpaWlpaBQUFBUVFRUVFRUVFRUVFRUVVVVVVVVVVVVVVVVVVVVVVVVVV
              """);

  private Reciprocal() {}

  /** RCPSS. Denormal operands count as zero, denormal results become zero. */
  public static int rcp(int a) {
    int sign = a & Integer.MIN_VALUE;
    int exponent = a >>> 23 & 0xff;
    if (exponent == 0xff) {
      return (a & 0x7f_ffff) != 0 ? a | 1 << 22 : sign;
    }
    if (exponent == 0) {
      return sign | 0x7f80_0000;
    }
    int index = a >>> 11 & 0xfff;
    double exact = (2 / (1 + (index + 0.5) / 4096) - 1) * 4096;
    int bits = 0x3f00_0000 + (rounded(exact, index) << 11) - (exponent - 127 << 23);
    return bits < 0x80_0000 ? sign : sign | bits;
  }

  /** RSQRTSS. Denormal operands count as zero. */
  public static int rsqrt(int a) {
    int exponent = a >>> 23 & 0xff;
    boolean nan = exponent == 0xff && (a & 0x7f_ffff) != 0;
    if (nan) {
      return a | 1 << 22;
    }
    if (exponent == 0) {
      return a & Integer.MIN_VALUE | 0x7f80_0000;
    }
    if (a < 0) {
      return 0xffc0_0000;
    }
    if (exponent == 0xff) {
      return 0;
    }
    int index = a >>> 11 & 0xfff;
    int odd = exponent - 127 & 1;
    double exact = (2 / Math.sqrt((1 + (index + 0.5) / 4096) * (1 + odd)) - 1) * 4096;
    int fraction = rounded(exact, 4096 * (1 + odd) + index);
    return 0x3f00_0000 + (fraction << 11) - (exponent - 127 >> 1 << 23);
  }

  private static int rounded(double exact, int entry) {
    int correction = (CORRECTIONS[entry >> 2] >> 2 * (entry & 3) & 3) - 1;
    return (int) Math.floor(exact + 0.5) + correction;
  }
}
