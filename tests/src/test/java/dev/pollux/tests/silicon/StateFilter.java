package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.interp.FloatEnv;

/**
 * Which instructions can be compared with the host in the state that they find. Rows that never can
 * be are {@link RowFilter}'s.
 */
final class StateFilter {
  private StateFilter() {}

  private static final int OPERAND_SIZE = 0x66;

  /**
   * True if {@code insn}, the next to be executed, leaves the same on all processors.
   *
   * @param code has its bytes
   * @param at where they begin
   */
  static boolean comparable(Insn insn, CpuState state, byte[] code, int at) {
    if (insn.info != null && insn.info.has(Property.F64) && hasOperandSize(code, at, insn)) {
      // 64-bit code: Intel's processors ignore the prefix of a near branch, AMD's do not.
      return false;
    }
    if (insn.segment == CpuLayout.FS || insn.segment == CpuLayout.GS) {
      // The host's bases are its threads'.
      return false;
    }
    if (insn.info != null && alignmentDiffers(insn.info, state)) {
      return false;
    }
    return switch (insn.op) {
      // Intel's processors read 16 bits of memory, AMD's 32.
      case MOVSXD -> insn.opSize != 2;
      // Of a denormal scaled by zero, AMD's processors report the underflow, Intel's do not.
      case FSCALE -> (state.u16(CpuLayout.FCW) & FloatEnv.UE) != 0;
      default -> true;
    };
  }

  /** True also where the byte is no prefix: there are cases enough without it. */
  private static boolean hasOperandSize(byte[] code, int at, Insn insn) {
    for (int i = 0; i < insn.length; i++) {
      if ((code[at + i] & 0xff) == OPERAND_SIZE) {
        return true;
      }
    }
    return false;
  }

  /** Processors check the alignment of the larger operands in different ways. */
  static boolean alignmentDiffers(OpcodeInfo row, CpuState state) {
    return (state.rflags() & OpcodeInfo.AC) != 0
        && (row.has(Property.X87)
            || row.has(Property.SIMD)
            || row.has(Property.MMX)
            || row.op.name().startsWith("FX"));
  }
}
