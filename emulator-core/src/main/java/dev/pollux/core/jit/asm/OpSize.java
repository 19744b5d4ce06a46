package dev.pollux.core.jit.asm;

/** Size of a general-purpose operand. */
public enum OpSize {
  BYTE(1),
  WORD(2),
  DWORD(4),
  QWORD(8);

  private final int bytes;

  OpSize(int bytes) {
    this.bytes = bytes;
  }

  /** Size in bytes: 1, 2, 4 or 8. */
  public int bytes() {
    return bytes;
  }

  /** Bytes of an ordinary immediate operand: a 64-bit instruction sign-extends a 32-bit one. */
  int immediateBytes() {
    return Math.min(bytes, 4);
  }
}
