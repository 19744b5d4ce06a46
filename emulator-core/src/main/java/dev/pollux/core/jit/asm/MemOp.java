package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.OpcodeBits.M0F;
import static dev.pollux.core.jit.asm.OpcodeBits.NP;
import static dev.pollux.core.jit.asm.OpcodeBits.ONE;
import static dev.pollux.core.jit.asm.OpcodeBits.P66;

/**
 * Instructions whose only written operand is memory, told apart by the digit in ModRM.reg: system,
 * state saving, cache control and x87. Names of x87 operations end in the size of the operand in
 * bits.
 */
public enum MemOp {
  SGDT(NP, M0F, 0x01, 0),
  SIDT(NP, M0F, 0x01, 1),
  LGDT(NP, M0F, 0x01, 2),
  LIDT(NP, M0F, 0x01, 3),
  INVLPG(NP, M0F, 0x01, 7),
  FXSAVE(NP, M0F, 0xae, 0),
  FXRSTOR(NP, M0F, 0xae, 1),
  LDMXCSR(NP, M0F, 0xae, 2),
  STMXCSR(NP, M0F, 0xae, 3),
  XSAVE(NP, M0F, 0xae, 4),
  XRSTOR(NP, M0F, 0xae, 5),
  XSAVEOPT(NP, M0F, 0xae, 6),
  XSAVEC(NP, M0F, 0xc7, 4),
  CLFLUSH(NP, M0F, 0xae, 7),
  CLFLUSHOPT(P66, M0F, 0xae, 7),
  CLWB(P66, M0F, 0xae, 6),
  CMPXCHG8B(NP, M0F, 0xc7, 1),
  PREFETCHNTA(NP, M0F, 0x18, 0),
  PREFETCHT0(NP, M0F, 0x18, 1),
  PREFETCHT1(NP, M0F, 0x18, 2),
  PREFETCHT2(NP, M0F, 0x18, 3),
  PREFETCHW(NP, M0F, 0x0d, 1),
  FADD32(NP, ONE, 0xd8, 0),
  FMUL32(NP, ONE, 0xd8, 1),
  FCOM32(NP, ONE, 0xd8, 2),
  FCOMP32(NP, ONE, 0xd8, 3),
  FSUB32(NP, ONE, 0xd8, 4),
  FSUBR32(NP, ONE, 0xd8, 5),
  FDIV32(NP, ONE, 0xd8, 6),
  FDIVR32(NP, ONE, 0xd8, 7),
  FLD32(NP, ONE, 0xd9, 0),
  FST32(NP, ONE, 0xd9, 2),
  FSTP32(NP, ONE, 0xd9, 3),
  FLDENV(NP, ONE, 0xd9, 4),
  FLDCW(NP, ONE, 0xd9, 5),
  FNSTENV(NP, ONE, 0xd9, 6),
  FNSTCW(NP, ONE, 0xd9, 7),
  FIADD32(NP, ONE, 0xda, 0),
  FIMUL32(NP, ONE, 0xda, 1),
  FICOM32(NP, ONE, 0xda, 2),
  FICOMP32(NP, ONE, 0xda, 3),
  FISUB32(NP, ONE, 0xda, 4),
  FISUBR32(NP, ONE, 0xda, 5),
  FIDIV32(NP, ONE, 0xda, 6),
  FIDIVR32(NP, ONE, 0xda, 7),
  FILD32(NP, ONE, 0xdb, 0),
  FISTTP32(NP, ONE, 0xdb, 1),
  FIST32(NP, ONE, 0xdb, 2),
  FISTP32(NP, ONE, 0xdb, 3),
  FLD80(NP, ONE, 0xdb, 5),
  FSTP80(NP, ONE, 0xdb, 7),
  FADD64(NP, ONE, 0xdc, 0),
  FMUL64(NP, ONE, 0xdc, 1),
  FCOM64(NP, ONE, 0xdc, 2),
  FCOMP64(NP, ONE, 0xdc, 3),
  FSUB64(NP, ONE, 0xdc, 4),
  FSUBR64(NP, ONE, 0xdc, 5),
  FDIV64(NP, ONE, 0xdc, 6),
  FDIVR64(NP, ONE, 0xdc, 7),
  FLD64(NP, ONE, 0xdd, 0),
  FISTTP64(NP, ONE, 0xdd, 1),
  FST64(NP, ONE, 0xdd, 2),
  FSTP64(NP, ONE, 0xdd, 3),
  FRSTOR(NP, ONE, 0xdd, 4),
  FNSAVE(NP, ONE, 0xdd, 6),
  FNSTSW(NP, ONE, 0xdd, 7),
  FIADD16(NP, ONE, 0xde, 0),
  FIMUL16(NP, ONE, 0xde, 1),
  FICOM16(NP, ONE, 0xde, 2),
  FICOMP16(NP, ONE, 0xde, 3),
  FISUB16(NP, ONE, 0xde, 4),
  FISUBR16(NP, ONE, 0xde, 5),
  FIDIV16(NP, ONE, 0xde, 6),
  FIDIVR16(NP, ONE, 0xde, 7),
  FILD16(NP, ONE, 0xdf, 0),
  FISTTP16(NP, ONE, 0xdf, 1),
  FIST16(NP, ONE, 0xdf, 2),
  FISTP16(NP, ONE, 0xdf, 3),
  FBLD(NP, ONE, 0xdf, 4),
  FILD64(NP, ONE, 0xdf, 5),
  FBSTP(NP, ONE, 0xdf, 6),
  FISTP64(NP, ONE, 0xdf, 7);

  private final int prefix;
  private final int map;
  private final int opcode;
  private final int digit;

  MemOp(int prefix, int map, int opcode, int digit) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.digit = digit;
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

  int digit() {
    return digit;
  }

  boolean lockable() {
    return this == CMPXCHG8B;
  }

  /** Whether a REX.W variant exists: the 64-bit layouts of saved state, and CMPXCHG16B. */
  boolean allowsWide() {
    return switch (this) {
      case FXSAVE, FXRSTOR, XSAVE, XRSTOR, XSAVEOPT, XSAVEC, CMPXCHG8B -> true;
      default -> false;
    };
  }
}
