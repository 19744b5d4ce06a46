package dev.pollux.core.jit.emit;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.Op;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;

/**
 * Which instructions are translated, and what the opcode tables do not say about their operands.
 */
final class Translatable {
  private Translatable() {}

  /**
   * Executed by the interpreter although their operands look ordinary: they touch state that
   * generated code does not hold.
   */
  private static final OpSet INTERPRETED =
      OpSet.of(
          Op.MOV_DR,
          Op.LES,
          Op.LDS,
          Op.LSS,
          Op.LFS,
          Op.LGS,
          Op.BOUND,
          Op.ARPL,
          Op.LAR,
          Op.LSL,
          Op.SLDT,
          Op.STR,
          Op.LLDT,
          Op.LTR,
          Op.VERR,
          Op.VERW,
          Op.SGDT,
          Op.SIDT,
          Op.LGDT,
          Op.LIDT,
          Op.SMSW,
          Op.LMSW,
          Op.INVLPG,
          Op.INVPCID,
          Op.MONITOR,
          Op.MWAIT,
          Op.XGETBV,
          Op.XSETBV,
          Op.WRPKRU,
          Op.CLZERO,
          Op.RDPMC,
          Op.RDMSR,
          Op.WRMSR,
          Op.CPUID,
          Op.CLTS,
          Op.INVD,
          Op.WBINVD,
          Op.WBNOINVD,
          Op.FXSAVE,
          Op.FXRSTOR,
          Op.XSAVE,
          Op.XSAVEOPT,
          Op.XSAVEC,
          Op.XSAVES,
          Op.XRSTOR,
          Op.XRSTORS,
          Op.RDRAND,
          Op.RDSEED,
          Op.RDPID,
          Op.FLDENV,
          Op.FNSTENV,
          Op.FNINIT,
          Op.FRSTOR,
          Op.FNSAVE,
          Op.MASKMOVQ,
          Op.MASKMOVDQU,
          Op.VMASKMOVDQU,
          Op.POPF,
          Op.PUSHA,
          Op.POPA,
          Op.PUSH_SREG,
          Op.POP_SREG,
          Op.ENTER,
          Op.XLAT,
          Op.IN,
          Op.OUT,
          Op.INS,
          Op.OUTS,
          Op.CMPS,
          Op.LODS,
          Op.SCAS,
          Op.HLT,
          Op.INT,
          Op.INT1,
          Op.INT3,
          Op.INTO,
          Op.UD0,
          Op.UD1,
          Op.UD2,
          Op.RSM,
          Op.LOOPE,
          Op.LOOPNE,
          Op.AAM,
          Op.AAD,
          Op.AAA,
          Op.AAS,
          Op.DAA,
          Op.DAS,
          Op.SALC,
          Op.CALL_FAR,
          Op.JMP_FAR,
          Op.RET_FAR,
          Op.SYSENTER,
          Op.SYSEXIT);

  /** Their first operand, where it is a register, is replaced without being read. */
  private static final OpSet REPLACES_FIRST =
      OpSet.of(
          Op.MOV, Op.MOVZX, Op.MOVSX, Op.MOVSXD, Op.MOVBE, Op.POPCNT, Op.LZCNT, Op.TZCNT, Op.ANDN,
          Op.BLSR, Op.BLSMSK, Op.BLSI, Op.BZHI, Op.PEXT, Op.PDEP, Op.BEXTR, Op.SHLX, Op.SARX,
          Op.SHRX, Op.RORX, Op.MULX);

  /** Their first operand is only read. */
  private static final OpSet READS_FIRST =
      OpSet.of(
          Op.CMP,
          Op.TEST,
          Op.BT,
          Op.MUL,
          Op.DIV,
          Op.IDIV,
          Op.PUSH,
          Op.CALL,
          Op.JMP,
          Op.FLD,
          Op.FILD,
          Op.FBLD,
          Op.FLDCW,
          Op.LDMXCSR,
          Op.VLDMXCSR,
          Op.CLFLUSH,
          Op.CLFLUSHOPT,
          Op.CLWB);

  /** Their second operand is written, too. */
  private static final OpSet WRITES_SECOND = OpSet.of(Op.XCHG, Op.XADD, Op.MULX);

  /** In 32-bit code this opcode means the same as 80. */
  private static final int ALIAS_OF_80 = 0x82;

  /** First byte of FNENI, FNDISI and FNSETPM, which do nothing any more. */
  private static final int FORMER_CONTROL = 0xdb;

  /** x87 control instructions, those that are translated (Intel SDM vol. 1, 8.1.8). */
  private static final OpSet X87_CONTROL =
      OpSet.of(Op.FNCLEX, Op.FLDCW, Op.FNSTCW, Op.FNSTSW, Op.FWAIT);

  /** Translated by code of their own, in the forms that {@link #system} names. */
  private static final OpSet SYSTEM =
      OpSet.of(
          Op.SWAPGS,
          Op.STAC,
          Op.CLAC,
          Op.SYSCALL,
          Op.SYSRET,
          Op.IRET,
          Op.CLI,
          Op.STI,
          Op.CLD,
          Op.STD,
          Op.RDTSC,
          Op.RDTSCP,
          Op.MOV_CR,
          Op.MOV_SREG,
          Op.RDFSBASE,
          Op.RDGSBASE,
          Op.WRFSBASE,
          Op.WRGSBASE,
          Op.RDPKRU,
          Op.MOVS,
          Op.STOS);

  /**
   * Besides those with a memory operand and {@link #SYSTEM}: the code of these uses the host's
   * flags.
   */
  private static final OpSet DESTROYS_FLAGS =
      OpSet.of(
          Op.PAUSE,
          Op.SERIALIZE,
          Op.PUSH,
          Op.POP,
          Op.PUSHF,
          Op.LEAVE,
          Op.CALL,
          Op.RET,
          Op.DIV,
          Op.IDIV);

  /**
   * True if the code of a translated instruction may leave for the interpreter, or use the host's
   * flags for something else, before the guest's instruction has had its effect.
   */
  static boolean destroysFlags(Insn insn) {
    return insn.hasMemory() && needsAccess(insn)
        || DESTROYS_FLAGS.contains(insn.op)
        || SYSTEM.contains(insn.op);
  }

  /** True if a block goes on behind {@code insn} when it is translated. */
  static boolean continues(Insn insn, BlockCompiler.Context context) {
    return !insn.info.endsBlock()
        || insn.op == Op.JCC
        || switch (insn.op) {
          case CLI, STI, STAC, CLAC, MOV_SREG -> translates(insn, context);
          default -> false;
        };
  }

  /** True if the code generator translates {@code insn} in a block of that context. */
  static boolean translates(Insn insn, BlockCompiler.Context context) {
    if (insn.isValid() && SYSTEM.contains(insn.op)) {
      return insn.mode == 64 ? system(insn, context) : system32(insn, context);
    }
    return isPlain(insn, context);
  }

  /** The same of 32-bit code. */
  private static boolean system32(Insn insn, BlockCompiler.Context context) {
    return switch (insn.op) {
      case CLI, STI -> context.supervisor();
      case CLD, STD -> true;
      case MOVS -> insn.addrSize == 4 && isWhole(insn.segment, context.wholeGs());
      case STOS -> insn.addrSize == 4;
      default -> false;
    };
  }

  /** True if all of memory is in a segment of 32-bit code, and can be written. */
  private static boolean isWhole(int segment, boolean wholeGs) {
    return switch (segment) {
      case CpuLayout.DS, CpuLayout.ES, CpuLayout.SS -> true;
      case CpuLayout.GS -> wholeGs;
      default -> false;
    };
  }

  /** The same, of instructions that need no privilege and no code of their own. */
  static boolean isPlain(Insn insn, BlockCompiler.Context context) {
    return translates(insn, context.simd(), context.avx(), context.floatingPoint(), context.x87())
        && (insn.mode == 64 || translates32(insn, context.wholeGs()));
  }

  /**
   * Which instructions of 32-bit code, of those that look ordinary, are translated: not what is
   * otherwise in 64-bit code and rare.
   *
   * @param wholeGs GS is as large as all memory
   */
  private static boolean translates32(Insn insn, boolean wholeGs) {
    if (insn.hasMemory()
        && needsAccess(insn)
        && (insn.addrSize != 4 || !isWhole(insn.segment, wholeGs))) {
      return false;
    }
    if (insn.vex && hasGeneralRegister(insn)
        || insn.opcode == ALIAS_OF_80 && insn.info.map == OpcodeInfo.Map.ONE_BYTE) {
      return false;
    }
    return switch (insn.op) {
      case JMP, JCC, CALL, RET -> insn.opSize == 4;
      case JCXZ, LOOP -> insn.opSize == 4 && insn.addrSize == 4;
      case VZEROALL, VZEROUPPER -> false; // of eight registers
      default -> true;
    };
  }

  /** VEX.W says nothing of them in 32-bit code. */
  private static boolean hasGeneralRegister(Insn insn) {
    for (int i = 0; i < insn.operandCount; i++) {
      if (insn.kind(i) == Insn.GPR) {
        return true;
      }
    }
    return false;
  }

  private static boolean system(Insn insn, BlockCompiler.Context context) {
    return switch (insn.op) {
      case SWAPGS, CLI, STI, STAC, CLAC -> context.supervisor();
      case SYSCALL -> !context.supervisor();
      case SYSRET, IRET -> context.supervisor() && insn.opSize == 8;
      case MOV_CR ->
          context.supervisor()
              && insn.kind1 == Insn.CR
              && (insn.reg1 == 0 || insn.reg1 == 2 || insn.reg1 == 3 || insn.reg1 == 4);
      case MOV_SREG ->
          insn.kind0 != Insn.SEG
              || insn.reg0 == CpuLayout.ES
              || insn.reg0 >= CpuLayout.DS && insn.reg0 <= CpuLayout.GS;
      case MOVS, STOS -> insn.addrSize == 8;
      default -> true;
    };
  }

  /**
   * The same where the vector and x87 registers may be used as said; nothing that needs privilege
   * 0.
   */
  static boolean translates(
      Insn insn, boolean simd, boolean avx, boolean floatingPoint, boolean x87) {
    if (!insn.isValid()
        || SYSTEM.contains(insn.op)
        || insn.mode == 16
        || INTERPRETED.contains(insn.op)) {
      return false;
    }
    if (insn.info.has(Property.PRIV) || insn.info.has(Property.IO) || insn.vsibSize != 0) {
      return false;
    }
    if (insn.hasMemory() && (insn.addrSize == 2 || insn.memSize() == 0) && needsAccess(insn)) {
      return false;
    }
    if (insn.hasMemory() && insn.info.has(Property.BITSTRING) && insn.addrSize != 8) {
      return false;
    }
    if (insn.info.has(Property.SIMD) && !(insn.vex ? avx : simd)) {
      return false;
    }
    if (insn.info.has(Property.FP) && !floatingPoint) {
      return false;
    }
    if ((insn.info.has(Property.X87) || insn.info.has(Property.MMX) || insn.op == Op.FWAIT)
        && !x87) {
      return false;
    }
    return switch (insn.op) {
      case LEA -> insn.opSize != 2 && insn.addrSize == 8 || insn.opSize == 4 && insn.addrSize == 4;
      case DIV, IDIV -> insn.size0 >= 4;
      // Undefined, and read from memory as 16 or 32 bits: not left to the host.
      case BSWAP, MOVSXD -> insn.opSize != 2;
      case PUSH, POP, CALL, JMP, RET, LEAVE, PUSHF -> insn.opSize == insn.mode / 8;
      case LDMXCSR, VLDMXCSR -> floatingPoint;
      default -> true;
    };
  }

  /** True if the code of {@code insn}, which is translated, uses the x87 registers. */
  static boolean usesX87Registers(Insn insn) {
    return insn.info.has(Property.MMX)
        || insn.info.has(Property.X87) && insn.op != Op.FLDCW && insn.op != Op.FNSTCW;
  }

  /** True if FNSTENV then tells of {@code insn}, which is translated. */
  static boolean movesX87Pointers(Insn insn) {
    boolean control =
        X87_CONTROL.contains(insn.op) || insn.op == Op.FNOP && insn.opcode == FORMER_CONTROL;
    return insn.info.has(Property.X87) && !control;
  }

  /** True if the memory operand is read or written, not only its address taken. */
  static boolean needsAccess(Insn insn) {
    return insn.op != Op.LEA && !insn.info.has(Property.HINT);
  }

  /**
   * True if some host raises an exception where the memory operand is not aligned to its size. Not
   * all do that the manuals say it of.
   */
  static boolean mustBeAligned(Insn insn) {
    return insn.info.has(Property.ALIGNED) || insn.op == Op.CMPXCHG16B;
  }

  /** True if the memory operand may be written. */
  static boolean writesMemory(Insn insn) {
    return insn.memOperand == 0
        && !READS_FIRST.contains(insn.op)
        && !(insn.op == Op.IMUL && insn.operandCount == 1);
  }

  /** True if operand {@code i}, a general register, is written. */
  static boolean writes(Insn insn, int i) {
    if (i == 0) {
      return !READS_FIRST.contains(insn.op) && !(insn.op == Op.IMUL && insn.operandCount == 1);
    }
    return i == 1 && WRITES_SECOND.contains(insn.op);
  }

  /** True if operand {@code i}, a general register, must be loaded before the instruction. */
  static boolean reads(Insn insn, int i) {
    return i != 0 || insn.size0 < 4 || !REPLACES_FIRST.contains(insn.op);
  }
}
