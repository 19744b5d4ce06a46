package dev.pollux.qmp.protocol;

/**
 * UTF-8 as strict as QMP wants it: no surrogates, no overlong forms but that of NUL, no
 * noncharacters.
 */
final class Utf8 {
  private static final int[] LEAST = {0, 0, 0x80, 0x800, 0x1_0000};

  private Utf8() {}

  /** Bytes of the sequence that starts with {@code lead}; 1 for one that starts none. */
  static int length(byte lead) {
    int c = lead & 0xff;
    return c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc0 && c < 0xe0 ? 2 : 1;
  }

  /** The code point at {@code at}, or -1 where there is none. */
  static int decode(byte[] bytes, int at, int end) {
    int n = length(bytes[at]);
    if (n == 1) {
      return bytes[at];
    }
    if (at + n > end) {
      return -1;
    }
    int codePoint = bytes[at] & 0xff >> n + 1;
    for (int i = at + 1; i < at + n; i++) {
      if ((bytes[i] & 0xc0) != 0x80) {
        return -1;
      }
      codePoint = codePoint << 6 | bytes[i] & 0x3f;
    }
    return isValid(codePoint, n) ? codePoint : -1;
  }

  private static boolean isValid(int codePoint, int length) {
    if (codePoint == 0 && length == 2) {
      return true;
    }
    boolean nonCharacter =
        (codePoint & 0xfffe) == 0xfffe || (codePoint >= 0xfdd0 && codePoint <= 0xfdef);
    boolean surrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
    return codePoint >= LEAST[length] && codePoint <= 0x10_ffff && !nonCharacter && !surrogate;
  }

  /** Text with U+FFFD for what is no UTF-8. */
  static String decodeReplacing(byte[] bytes, int from, int length) {
    StringBuilder text = new StringBuilder(length);
    int end = from + length;
    int i = from;
    while (i < end) {
      int codePoint = decode(bytes, i, end);
      text.appendCodePoint(codePoint < 0 ? 0xfffd : codePoint);
      i += codePoint < 0 ? 1 : length(bytes[i]);
    }
    return text.toString();
  }
}
