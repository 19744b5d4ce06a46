package dev.pollux.core.decode;

import dev.pollux.core.cpu.CpuFeature;
import java.util.List;
import java.util.Set;

/**
 * A row of the opcode tables: one encoding of one instruction.
 *
 * <p>A row applies to an encoding whose opcode byte lies in its range and whose selection key
 * agrees with the row's: prefix, ModRM.mod, reg and rm, vector length and W.
 */
public final class OpcodeInfo {
  /** The opcode maps. */
  public enum Map {
    ONE_BYTE(false),
    M0F(false),
    M0F38(false),
    M0F3A(false),
    VEX_0F(true),
    VEX_0F38(true),
    VEX_0F3A(true);

    private final boolean vex;

    Map(boolean vex) {
      this.vex = vex;
    }

    /** True for the maps that a VEX prefix selects. */
    public boolean vex() {
      return vex;
    }
  }

  /** Properties of a row. The names in the tables are the same in lower case. */
  public enum Property {
    /** LOCK is allowed if the first operand is in memory. */
    LOCK,
    /** REP repeats the instruction. */
    REP,
    /** Not in 64-bit mode: #UD there. */
    I64,
    /** Only in 64-bit mode: #UD elsewhere. */
    O64,
    /** Operand size 8 by default in 64-bit mode; 4 cannot be encoded there. */
    D64,
    /** Operand size 8 in 64-bit mode whatever the prefixes (Intel's rule for near branches). */
    F64,
    /** #UD in real-address and virtual-8086 mode. */
    PM,
    /** ModRM.mod is taken as 3. */
    MOD3,
    /** #GP(0) unless CPL is 0. */
    PRIV,
    /** Depends on IOPL in some mode. */
    IOPL,
    /** Port access: IOPL and the I/O permission bitmap. */
    IO,
    /** Uses the stack. */
    STACK,
    /**
     * Ends a block: branches, and what can change mode, paging, privilege or the interrupt flag.
     */
    END,
    /** May fault for a reason that is not a memory operand: #DE, #UD, #NM, #GP by value. */
    FAULT,
    /** SIMD floating point: may raise #XM, updates MXCSR. */
    FP,
    /** x87: may raise #MF, needs CR0.TS and CR0.EM checks. */
    X87,
    /** MMX registers are used. */
    MMX,
    /** Vector registers are used: CR4.OSFXSR (or XCR0 for VEX) and CR0.TS matter. */
    SIMD,
    /** A 16- or 32-byte memory operand must be aligned to its size. */
    ALIGNED,
    /** The result is an approximation that processors do not agree on. */
    APPROX,
    /** The memory operand is not accessed. */
    HINT,
    /** A memory operand is a bit string: the register operand reaches beyond it. */
    BITSTRING,
    /** A redundant encoding that assemblers do not produce. */
    ALIAS
  }

  /** EFLAGS bits of the flags fields, as in the register. */
  public static final int CF = 1;

  public static final int PF = 1 << 2;
  public static final int AF = 1 << 4;
  public static final int ZF = 1 << 6;
  public static final int SF = 1 << 7;
  public static final int TF = 1 << 8;
  public static final int IF = 1 << 9;
  public static final int DF = 1 << 10;
  public static final int OF = 1 << 11;
  public static final int IOPL = 3 << 12;
  public static final int NT = 1 << 14;
  public static final int RF = 1 << 16;
  public static final int AC = 1 << 18;

  /** The six status flags. */
  public static final int STATUS_FLAGS = CF | PF | AF | ZF | SF | OF;

  /** The opcode map. */
  public final Map map;

  /** The first opcode byte of the range. */
  public final int opcode;

  /** The number of opcodes: 1, 8 with a register, 16 with a condition in the low bits. */
  public final int opcodeCount;

  /** The bits of the selection key that matter. */
  public final int keyMask;

  /** Their values. */
  public final int keyValue;

  /**
   * The set of mandatory prefixes that select the row: bit 0 none, bit 1 66, bit 2 F3, bit 3 F2; 15
   * where no prefix is mandatory.
   */
  public final int prefixes;

  /** True if a ModRM byte follows the opcode. */
  public final boolean hasModRm;

  /** The instruction. */
  public final Op op;

  /** Its operands, at most four. */
  public final List<OperandSpec> operands;

  /** EFLAGS bits that the instruction reads. */
  public final int flagsRead;

  /** EFLAGS bits that it sets to a defined value. */
  public final int flagsWritten;

  /** EFLAGS bits that it leaves undefined. */
  public final int flagsUndefined;

  /**
   * Those of the written and undefined bits that keep their value in a case known only at run time:
   * shifts by zero, repeated comparisons with a count of zero.
   */
  public final int flagsConditional;

  /** The properties. */
  public final Set<Property> properties;

  /** The same as bits, by ordinal. */
  private final long propertyBits;

  /** CPUID features that the row needs: one of each set. */
  public final List<Set<CpuFeature>> features;

  /** Index of the operand that ModRM.reg names, other than a segment register; -1 without one. */
  public final int regOperand;

  /** Index of the operand that ModRM.rm names, -1 without one. */
  public final int rmOperand;

  /** Index of the register operand that VEX.vvvv names, -1 without one. */
  public final int vvvvOperand;

  /** The opcode's low bits name a general register. */
  public final boolean opcodeGpr;

  /** Constants follow, other than a branch's displacement. */
  public final boolean immediate;

  final boolean d64;
  final boolean f64;
  final boolean lockable;
  final boolean mod3;
  final OperandSpec[] specs;

  OpcodeInfo(
      Map map,
      int opcode,
      int opcodeCount,
      int keyMask,
      int keyValue,
      int prefixes,
      boolean hasModRm,
      Op op,
      List<OperandSpec> operands,
      FlagEffect flags,
      Set<Property> properties,
      List<Set<CpuFeature>> features) {
    this.map = map;
    this.opcode = opcode;
    this.opcodeCount = opcodeCount;
    this.keyMask = keyMask;
    this.keyValue = keyValue;
    this.prefixes = prefixes;
    this.hasModRm = hasModRm;
    this.op = op;
    this.operands = operands;
    this.flagsRead = flags.read();
    this.flagsWritten = flags.written();
    this.flagsUndefined = flags.undefined();
    this.flagsConditional = flags.conditional();
    this.properties = properties;
    long bits = 0;
    for (Property property : properties) {
      bits |= 1L << property.ordinal();
    }
    this.propertyBits = bits;
    this.features = features;
    this.d64 = has(Property.D64);
    this.f64 = has(Property.F64);
    this.lockable = has(Property.LOCK);
    this.mod3 = has(Property.MOD3);
    this.specs = operands.toArray(OperandSpec[]::new);
    int reg = -1;
    int rm = -1;
    int vvvv = -1;
    boolean inOpcode = false;
    boolean constant = false;
    for (int i = 0; i < specs.length; i++) {
      switch (specs[i].addressing()) {
        case REG_GPR, REG_VEC, REG_MMX -> reg = i;
        case RM, RM_MEM, RM_GPR, RM_MMX, RM_MMX_MEM, RM_VEC, RM_VEC_MEM, RM_ST -> rm = i;
        case VVVV_GPR, VVVV_VEC -> vvvv = i;
        case OPCODE_GPR -> inOpcode = true;
        case IMM, SIMM, IMM_VEC -> constant = true;
        default -> {}
      }
    }
    this.regOperand = reg;
    this.rmOperand = rm;
    this.vvvvOperand = vvvv;
    this.opcodeGpr = inOpcode;
    this.immediate = constant;
  }

  /** True if the row has the property. */
  public boolean has(Property property) {
    return (propertyBits & 1L << property.ordinal()) != 0;
  }

  /** True if the instruction ends a block. */
  public boolean endsBlock() {
    return has(Property.END);
  }

  /**
   * True if the instruction may access memory: through an operand, the stack or a string register.
   * Whether a certain decoded instruction does is told by {@link Insn#hasMemory()}.
   */
  public boolean touchesMemory() {
    return has(Property.STACK)
        || (!has(Property.HINT)
            && op != Op.LEA
            && operands.stream().anyMatch(OperandSpec::mayBeMemory));
  }

  /** True if the instruction may raise an exception, other than by fetching it or by #NM. */
  public boolean mayFault() {
    return touchesMemory()
        || has(Property.FAULT)
        || has(Property.PRIV)
        || has(Property.IOPL)
        || has(Property.IO)
        || has(Property.FP)
        || has(Property.X87)
        || has(Property.PM)
        || has(Property.SIMD) && map.vex();
  }

  /** True if the row needs none of the features that are missing in {@code available}. */
  public boolean supportedBy(Set<CpuFeature> available) {
    for (Set<CpuFeature> anyOf : features) {
      boolean found = false;
      for (CpuFeature feature : anyOf) {
        found |= available.contains(feature);
      }
      if (!found) {
        return false;
      }
    }
    return true;
  }

  /** Selection key: ModRM.rm in bits 0 to 2, reg in 3 to 5; and the bits below. */
  public static final int KEY_RM = 7;

  public static final int KEY_REG = 7 << 3;

  /** ModRM.mod is 3. */
  public static final int KEY_MOD3 = 1 << 6;

  /** VEX.L is 1. */
  public static final int KEY_L = 1 << 7;

  /** REX.W or VEX.W is 1. */
  public static final int KEY_W = 1 << 8;

  /** REX.B is 1. */
  public static final int KEY_B = 1 << 9;

  /** VEX.vvvv names no register. */
  public static final int KEY_NO_VVVV = 1 << 10;

  /** Whether it is this instruction only where W is 1. */
  public boolean isW1() {
    return (keyMask & keyValue & KEY_W) != 0;
  }

  boolean matches(int key) {
    return (key & keyMask) == keyValue;
  }

  @Override
  public String toString() {
    return map + " " + Integer.toHexString(opcode) + " " + op + " " + operands;
  }
}
