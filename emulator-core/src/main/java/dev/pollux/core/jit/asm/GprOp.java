package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.F3;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F;
import static dev.pollux.core.jit.asm.OpcodeBits.M0F38;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;

/** Two-operand integer instructions {@code op register, register/memory} beyond {@link AluOp}. */
public enum GprOp {
  IMUL(NP, M0F, 0xaf, OpSize.WORD),
  BSF(NP, M0F, 0xbc, OpSize.WORD),
  BSR(NP, M0F, 0xbd, OpSize.WORD),
  TZCNT(F3, M0F, 0xbc, OpSize.WORD),
  LZCNT(F3, M0F, 0xbd, OpSize.WORD),
  POPCNT(F3, M0F, 0xb8, OpSize.WORD),
  LAR(NP, M0F, 0x02, OpSize.WORD),
  LSL(NP, M0F, 0x03, OpSize.WORD),
  ADCX(P66, M0F38, 0xf6, OpSize.DWORD),
  ADOX(F3, M0F38, 0xf6, OpSize.DWORD);

  private final int prefix;
  private final int map;
  private final int opcode;
  private final OpSize smallest;

  GprOp(int prefix, int map, int opcode, OpSize smallest) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.smallest = smallest;
  }

  int prefix() {
    return prefix;
  }

  int map() {
    return map;
  }

  int opcode() {
    return opcode;
  }

  boolean allows(OpSize size) {
    return size.compareTo(smallest) >= 0;
  }
}
