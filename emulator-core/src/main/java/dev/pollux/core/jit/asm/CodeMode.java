package dev.pollux.core.jit.asm;

/**
 * The mode that code is assembled for: the default operand and address size of its code segment.
 */
public enum CodeMode {
  BITS16(16),
  BITS32(32),
  BITS64(64);

  private final int bits;

  CodeMode(int bits) {
    this.bits = bits;
  }

  /** 16, 32 or 64; also the default address size in bits. */
  public int bits() {
    return bits;
  }
}
