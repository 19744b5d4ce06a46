package dev.pollux.core.jit.asm;

/**
 * A reference to a label packed into a long: bits 0-31 position of the field in the buffer, 32-35
 * {@link Kind}, 36-63 signed addend. A relative field holds {@code target + addend - end of field};
 * an absolute one {@code origin + target + addend}.
 */
final class Fixup {
  enum Kind {
    REL8(0, 1, true),
    REL16(1, 2, true),
    REL32(2, 4, true),
    ABS16(3, 2, false),
    ABS32(4, 4, false),
    ABS64(5, 8, false);

    private static final Kind[] VALUES = values();

    private final int code;
    private final int bytes;
    private final boolean relative;

    Kind(int code, int bytes, boolean relative) {
      this.code = code;
      this.bytes = bytes;
      this.relative = relative;
    }

    int bytes() {
      return bytes;
    }

    boolean relative() {
      return relative;
    }
  }

  private static final int ADDEND_LIMIT = 1 << 27;

  private Fixup() {}

  static long pack(int position, Kind kind, int addend) {
    if (addend < -ADDEND_LIMIT || addend >= ADDEND_LIMIT) {
      throw new IllegalArgumentException("displacement " + addend + " from a label is too large");
    }
    return (long) addend << 36 | (long) kind.code << 32 | position;
  }

  static int position(long fixup) {
    return (int) fixup;
  }

  static Kind kind(long fixup) {
    return Kind.VALUES[(int) (fixup >>> 32) & 0xf];
  }

  static int addend(long fixup) {
    return (int) (fixup >> 36);
  }
}
