package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.F2;
import static dev.pollux.core.jit.asm.OpcodeBits.F3;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;

/** Instructions of map 0F that turn a vector into a general-purpose register (DWORD or QWORD). */
public enum FromVectorOp {
  CVTSS2SI(F3, 0x2d, true),
  CVTSD2SI(F2, 0x2d, true),
  CVTTSS2SI(F3, 0x2c, true),
  CVTTSD2SI(F2, 0x2c, true),
  MOVMSKPS(NP, 0x50, false),
  MOVMSKPD(P66, 0x50, false),
  PMOVMSKB(P66, 0xd7, false);

  private final int prefix;
  private final int opcode;
  private final boolean memory;

  FromVectorOp(int prefix, int opcode, boolean memory) {
    this.prefix = prefix;
    this.opcode = opcode;
    this.memory = memory;
  }

  int prefix() {
    return prefix;
  }

  int opcode() {
    return opcode;
  }

  /** Whether the source may be memory. */
  boolean allowsMemory() {
    return memory;
  }
}
