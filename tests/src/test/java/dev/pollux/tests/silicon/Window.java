package dev.pollux.tests.silicon;

/**
 * Where things lie, at the same addresses on the host's processor and in the guest, so that
 * pointers and pushed return addresses are equal. Below 2 GiB, so that every kind of address
 * reaches it.
 */
final class Window {
  /** Start of the region and its length in bytes; on the host nothing else is mapped near it. */
  static final long BASE = 0x0100_0000;

  static final long LENGTH = 0x2_2000;

  /**
   * Instructions under test, to be started anywhere in the first half of {@link #CODE_LENGTH}
   * bytes.
   */
  static final long CODE = BASE;

  static final int CODE_LENGTH = 0x2000;

  static final long CODE_END = CODE + CODE_LENGTH;

  /** Length of the jump back to the caller behind a sequence. */
  static final int EXIT_LENGTH = 5;

  /** The window of memory operands: half a page, and a page. */
  static final long DATA = BASE + 0x1_0800;

  static final int DATA_LENGTH = 0x1800;

  /** Where most operands start: around the end of the first page, far from either end. */
  static final int OPERANDS = 0x300;

  static final int OPERANDS_LENGTH = 0xa00;

  /** A page that can only be read, behind the data; the one behind it is not mapped. */
  static final long READ_ONLY = DATA + DATA_LENGTH;

  static final byte READ_ONLY_CONTENT = 0x5a;

  static final long UNMAPPED = READ_ONLY + 0x1000;

  /**
   * The part of the guest's stack that is compared; a page ends in its middle, where RSP starts.
   */
  static final long STACK = BASE + 0x2_0c00;

  static final int STACK_LENGTH = 0x800;

  /** Writable pages of data and stack, each with the window in it. */
  static final long DATA_PAGES = BASE + 0x1_0000;

  static final long STACK_PAGES = BASE + 0x2_0000;
  static final int PAGES_LENGTH = 0x2000;
  static final long STACK_END = STACK_PAGES + PAGES_LENGTH;

  /**
   * Added to all of these addresses for the second ones, in 64- and in 32-bit code: at both lies
   * the same memory. In the guest only the second of two address spaces has any of them.
   */
  static final long MOVE_64 = 0x57L << 39;

  static final long MOVE_32 = 1L << 30;

  /**
   * Host only: entry, exit and signal code, and the state they exchange with the caller; far from
   * where sequences that go astray come to.
   */
  static final long STUB = 0x3ead_0000;

  static final long STATE = STUB + 0x2000;
  static final long HOST_LENGTH = 0x3000;

  /**
   * Where sequences jump to at their end in 64- and in 32-bit code; from their second address, to
   * that of the exit. In the guest nothing is mapped there.
   */
  static final long EXIT_64 = STUB + 0x1000;

  static final long EXIT_32 = STUB + 0x1800;

  /** Of the instructions that are compared: FNSAVE's, in bytes. */
  static final int LARGEST_OPERAND = 108;

  private Window() {}

  static long move(int bits) {
    return bits == 64 ? MOVE_64 : MOVE_32;
  }

  /** What has been added to {@code address}: 0 for a first address. */
  static long moveOf(long address) {
    return address & -MOVE_32;
  }

  /** The first address of what lies at {@code address}. */
  static long home(long address) {
    return address - moveOf(address);
  }

  /**
   * True if an operand at {@code address} lies on what only the host has, or reaches into it.
   *
   * @param move of the code: the guest's first address space has no second addresses
   */
  static boolean isHostOnly(long address, long move) {
    long home = home(address);
    long moved = moveOf(address);
    return home > STUB - LARGEST_OPERAND && home < STUB + HOST_LENGTH
        || move == 0
            && (moved == MOVE_64 || moved == MOVE_32)
            && home > BASE - LARGEST_OPERAND
            && home < BASE + LENGTH;
  }

  /** True if a sequence that ends at {@code end} can be left there. */
  static boolean hasExit(long end) {
    return end <= CODE_END - EXIT_LENGTH;
  }

  static long exit(int bits) {
    return bits == 64 ? EXIT_64 : EXIT_32;
  }

  /**
   * The whole code window: zeros, but for {@code code} at {@code address} and the jump behind it.
   * It is the same for both addresses of the code.
   */
  static byte[] codeWindow(int bits, long address, byte[] code) {
    byte[] window = new byte[CODE_LENGTH];
    int at = (int) (home(address) - CODE);
    System.arraycopy(code, 0, window, at, code.length);
    long end = home(address) + code.length;
    if (hasExit(end)) {
      at += code.length;
      window[at] = (byte) 0xe9;
      int displacement = (int) (exit(bits) - end - EXIT_LENGTH);
      for (int i = 1; i <= 4; i++) {
        window[at + i] = (byte) displacement;
        displacement >>= 8;
      }
    }
    return window;
  }

  static boolean inStack(long rsp) {
    return rsp >= STACK + 0x200 && rsp <= STACK + STACK_LENGTH - 0x80;
  }
}
