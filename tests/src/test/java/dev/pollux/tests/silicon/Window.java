package dev.pollux.tests.silicon;

/**
 * Where things lie, at the same addresses on the host's processor and in the guest, so that
 * pointers and pushed return addresses are equal. Below 2 GiB, so that every kind of address
 * reaches it.
 */
final class Window {
  /** Start of the region and its length in bytes; on the host nothing else is mapped near it. */
  static final long BASE = 0x0100_0000;

  static final long LENGTH = 0x4_0000;

  /**
   * Instructions under test, to be started anywhere in the first half of {@link #CODE_LENGTH}
   * bytes.
   */
  static final long CODE = BASE;

  static final int CODE_LENGTH = 0x2000;

  /** The window of memory operands; a page ends in its middle. */
  static final long DATA = BASE + 0x1_0800;

  static final int DATA_LENGTH = 0x1000;

  /** Operands start at least this far from either end of the window. */
  static final int DATA_MARGIN = 0x300;

  /**
   * The part of the guest's stack that is compared; a page ends in its middle, where RSP starts.
   */
  static final long STACK = BASE + 0x2_0c00;

  static final int STACK_LENGTH = 0x800;

  /** Host only: entry, exit and signal code, and the state they exchange with the caller. */
  static final long STUB = BASE + 0x3_0000;

  static final long STATE = BASE + 0x3_2000;

  private Window() {}

  static boolean inStack(long rsp) {
    return rsp >= STACK + 0x200 && rsp <= STACK + STACK_LENGTH - 0x80;
  }
}
