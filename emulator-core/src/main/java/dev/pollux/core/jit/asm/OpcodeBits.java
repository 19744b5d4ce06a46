package dev.pollux.core.jit.asm;

/** What the rows of the opcode enums are written with: prefixes, maps and options. */
final class OpcodeBits {
  /** No mandatory prefix. */
  static final int NP = 0;

  static final int P66 = 0x66;
  static final int F3 = 0xf3;
  static final int F2 = 0xf2;

  /** Opcode maps, numbered as in VEX.mmmmm; 0 is the one-byte map. */
  static final int ONE = 0;

  static final int M0F = 1;
  static final int M0F38 = 2;
  static final int M0F3A = 3;

  /** An 8-bit immediate follows. */
  static final int IMM8 = 1;

  static final int NO_VEX = 2;
  static final int VEX_ONLY = 4;
  static final int VEX_W = 8;
  static final int ONLY_128 = 16;
  static final int ONLY_256 = 32;

  private OpcodeBits() {}
}
