package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.jit.asm.CodeBuffer;

/**
 * Emits a guest instruction again with other operands in its ModRM and VEX.vvvv fields. Opcode,
 * operand size and immediate stay as they were, so every instruction that the host has in common
 * with the guest needs this one method.
 */
final class Reencoder {
  /** What ModRM.rm means in the new encoding. */
  enum Rm {
    /** The host register with the given number (general, vector or x87). */
    REGISTER,
    /** What is as far behind the address in scratch 1 as the number says. */
    AT_SCRATCH,
    /** The guest register's slot in the state block; the number is its offset. */
    SLOT
  }

  private final CodeBuffer code;

  Reencoder(CodeBuffer code) {
    this.code = code;
  }

  /**
   * Emits {@code insn}, which has a ModRM byte.
   *
   * @param reg number for ModRM.reg
   * @param rm number for ModRM.rm by {@code kind}
   * @param vvvv number for VEX.vvvv, 0 if unused
   * @param byteRegister a byte operand is one of the host registers 4 to 7, which needs a REX
   *     prefix
   */
  void emit(Insn insn, int reg, Rm kind, int rm, int vvvv, boolean byteRegister) {
    code.reserve(24);
    int rmBase =
        switch (kind) {
          case REGISTER -> rm;
          case AT_SCRATCH -> RegisterMap.S1.number();
          case SLOT -> RegisterMap.STATE.number();
        };
    if (insn.vex) {
      vexPrefix(insn, reg, rmBase, vvvv);
    } else {
      legacyPrefixes(insn, reg, rmBase, byteRegister);
    }
    code.put8(insn.opcode);
    switch (kind) {
      case REGISTER -> code.put8(0xc0 | (reg & 7) << 3 | rm & 7);
      case AT_SCRATCH -> {
        int mod = rm == 0 ? 0 : rm == (byte) rm ? 0x40 : 0x80;
        code.put8(mod | (reg & 7) << 3 | 4);
        code.put8(0x24);
        if (mod == 0x40) {
          code.put8(rm);
        } else if (mod == 0x80) {
          code.put32(rm);
        }
      }
      case SLOT -> {
        code.put8(0x40 | (reg & 7) << 3 | 7);
        code.put8(rm - RegisterMap.BIAS);
      }
    }
    immediate(insn);
  }

  /**
   * Emits {@code insn}, which has no ModRM byte and whose registers keep their numbers, as it was.
   */
  void emitWithoutModRm(Insn insn) {
    code.reserve(24);
    if (insn.vex) {
      vexPrefix(insn, 0, 0, 0);
    } else {
      legacyPrefixes(insn, 0, 0, false);
    }
    code.put8(insn.opcode);
    immediate(insn);
  }

  private void legacyPrefixes(Insn insn, int reg, int rm, boolean byteRegister) {
    OpcodeInfo info = insn.info;
    if (insn.lock) {
      code.put8(0xf0);
    }
    if (insn.opSize == 2 && usesOperandSize(info)) {
      code.put8(0x66);
    }
    if ((info.prefixes & 1) == 0) {
      switch (info.prefixes) {
        case 2 -> code.put8(0x66);
        case 4 -> code.put8(0xf3);
        case 8 -> code.put8(0xf2);
        default -> throw new IllegalStateException("prefixes of " + info);
      }
    }
    int rex = insn.rex & 8 | (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0);
    if (rex != 0 || byteRegister) {
      code.put8(0x40 | rex);
    }
    switch (info.map) {
      case ONE_BYTE -> {}
      case M0F -> code.put8(0x0f);
      case M0F38 -> code.put16(0x380f);
      case M0F3A -> code.put16(0x3a0f);
      default -> throw new IllegalStateException("map of " + info);
    }
  }

  private static boolean usesOperandSize(OpcodeInfo info) {
    return !info.has(OpcodeInfo.Property.SIMD)
        && !info.has(OpcodeInfo.Property.MMX)
        && !info.has(OpcodeInfo.Property.X87);
  }

  private void vexPrefix(Insn insn, int reg, int rm, int vvvv) {
    int map =
        switch (insn.info.map) {
          case VEX_0F -> 1;
          case VEX_0F38 -> 2;
          case VEX_0F3A -> 3;
          default -> throw new IllegalStateException("map of " + insn.info);
        };
    int pp =
        switch (insn.info.prefixes) {
          case 2 -> 1;
          case 4 -> 2;
          case 8 -> 3;
          default -> 0;
        };
    code.put8(0xc4);
    code.put8((reg >= 8 ? 0 : 0x80) | 0x40 | (rm >= 8 ? 0 : 0x20) | map);
    int w = insn.info.isW1() ? 8 : insn.rex & 8; // 32-bit code has W without a REX prefix
    code.put8(w << 4 | (~vvvv & 15) << 3 | insn.vexL << 2 | pp);
  }

  private void immediate(Insn insn) {
    if (!insn.info.immediate) {
      return;
    }
    for (int i = 0; i < insn.operandCount; i++) {
      OperandSpec spec = insn.info.operands.get(i);
      switch (spec.addressing()) {
        case IMM, SIMM -> code.put(immediateBytes(spec, insn), insn.imm);
        case IMM_VEC -> code.put8(insn.reg(i) << 4);
        default -> {}
      }
    }
  }

  private static int immediateBytes(OperandSpec spec, Insn insn) {
    return switch (spec.width()) {
      case B -> 1;
      case W -> 2;
      case Z -> Math.min(insn.opSize, 4);
      case V -> insn.opSize;
      default -> throw new IllegalStateException("immediate of " + insn.info);
    };
  }
}
