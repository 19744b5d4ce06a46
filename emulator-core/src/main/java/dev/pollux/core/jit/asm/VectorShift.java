package dev.pollux.core.jit.asm;

/** Shifts of packed integers by an immediate (groups 12, 13 and 14). */
public enum VectorShift {
  PSRLW(0x71, 2),
  PSRAW(0x71, 4),
  PSLLW(0x71, 6),
  PSRLD(0x72, 2),
  PSRAD(0x72, 4),
  PSLLD(0x72, 6),
  PSRLQ(0x73, 2),
  PSRLDQ(0x73, 3),
  PSLLQ(0x73, 6),
  PSLLDQ(0x73, 7);

  private final int opcode;
  private final int digit;

  VectorShift(int opcode, int digit) {
    this.opcode = opcode;
    this.digit = digit;
  }

  int opcode() {
    return opcode;
  }

  int digit() {
    return digit;
  }
}
