package dev.pollux.core.jit.asm;

/** A string instruction; REPE and REPNE tell apart only the two that compare. */
public enum StringOp {
  MOVS(0xa4),
  CMPS(0xa6),
  STOS(0xaa),
  LODS(0xac),
  SCAS(0xae),
  INS(0x6c),
  OUTS(0x6e);

  private final int opcode;

  StringOp(int opcode) {
    this.opcode = opcode;
  }

  int opcode() {
    return opcode;
  }

  boolean compares() {
    return this == CMPS || this == SCAS;
  }
}
