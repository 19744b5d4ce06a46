package dev.pollux.core.decode;

/**
 * One operand of a table row: where it is encoded and how wide it is. Written as in the Intel SDM,
 * volume 2D, appendix A.2: an addressing letter followed by a width, for instance {@code Ev},
 * {@code Gb}, {@code Wdq}; the additions are noted at the constants.
 *
 * @param addressing where the operand is encoded
 * @param width the width, for {@link Addressing#RM} that of the register form
 * @param memWidth the width of the memory form, or of a vector index for {@link Addressing#VSIB}
 * @param value the register or constant of a fixed operand, otherwise 0
 */
public record OperandSpec(Addressing addressing, Width width, Width memWidth, int value) {

  /** Where an operand is encoded. */
  public enum Addressing {
    /** {@code A}: far pointer in the instruction. */
    FAR_POINTER,
    /** {@code B}: general register in VEX.vvvv. */
    VVVV_GPR,
    /** {@code C}: control register in ModRM.reg. */
    REG_CR,
    /** {@code D}: debug register in ModRM.reg. */
    REG_DR,
    /** {@code E}, and mixtures such as {@code Rd/Mb}: general register or memory in ModRM.rm. */
    RM,
    /** {@code M}: memory only. */
    RM_MEM,
    /** {@code R}: general register in ModRM.rm only. */
    RM_GPR,
    /** {@code G}: general register in ModRM.reg. */
    REG_GPR,
    /** {@code H}: vector register in VEX.vvvv. */
    VVVV_VEC,
    /** {@code I}: immediate, zero-extended. */
    IMM,
    /** {@code sI}, {@code Iz}: immediate, sign-extended to 64 bits. */
    SIMM,
    /** {@code J}: branch displacement. */
    REL,
    /** {@code L}: vector register in the upper half of an immediate byte. */
    IMM_VEC,
    /** {@code N}: MMX register in ModRM.rm. */
    RM_MMX,
    /** {@code Q}: MMX register or memory in ModRM.rm. */
    RM_MMX_MEM,
    /** {@code P}: MMX register in ModRM.reg. */
    REG_MMX,
    /** {@code O}: memory at an absolute offset of address size. */
    OFFSET,
    /** {@code S}: segment register in ModRM.reg. */
    REG_SREG,
    /** {@code U}: vector register in ModRM.rm. */
    RM_VEC,
    /** {@code W}: vector register or memory in ModRM.rm. */
    RM_VEC_MEM,
    /** {@code V}: vector register in ModRM.reg. */
    REG_VEC,
    /** {@code X}: memory at DS:rSI, segment may be overridden. */
    STRING_SOURCE,
    /** {@code Y}: memory at ES:rDI. */
    STRING_DESTINATION,
    /** {@code Z}: general register in the low bits of the opcode (own letter). */
    OPCODE_GPR,
    /** {@code K}: memory addressed by a vector of indices (own letter). */
    VSIB,
    /** {@code STi}: x87 stack register in ModRM.rm. */
    RM_ST,
    /** A fixed general register: {@code AL}, {@code CL}, {@code AX}, {@code DX}, {@code rAX}. */
    FIXED_GPR,
    /** A fixed segment register. */
    FIXED_SREG,
    /** {@code ST0}. */
    FIXED_ST,
    /** {@code XMM0}. */
    FIXED_VEC,
    /** {@code I1}: the constant one. */
    FIXED_IMM,
    /** {@code @DI}, {@code @BX}, {@code @AX}: memory at DS:register, segment may be overridden. */
    FIXED_MEM
  }

  /** Operand widths, in bytes where they do not depend on prefixes. */
  public enum Width {
    /** None: an address is computed and the instruction knows the size. */
    NONE(0),
    B(1),
    W(2),
    D(4),
    Q(8),
    /** 80 bits. */
    T(10),
    DQ(16),
    QQ(32),
    /** The 512 bytes of FXSAVE. */
    FX(512),
    /** Operand size: 2, 4 or 8. */
    V(-1),
    /** Operand size, but no more than 4. */
    Z(-1),
    /** 8 with REX.W or VEX.W in 64-bit mode, otherwise 4. */
    Y(-1),
    /** 8 in 64-bit mode, otherwise 4. */
    N(-1),
    /** 16 or 32 by VEX.L. */
    X(-1),
    /** Half of {@link #X}. */
    H(-1),
    /** A quarter of {@link #X}. */
    K(-1),
    /** An eighth of {@link #X}. */
    E(-1),
    /** Far pointer: selector and an offset of operand size. */
    P(-1),
    /** Two values of operand size. */
    A(-1),
    /** Descriptor table register: 6 bytes, 10 in 64-bit mode. */
    S(-1),
    /** x87 environment: 14 bytes with operand size 2, otherwise 28. */
    ENV(-1),
    /** x87 state: 94 bytes with operand size 2, otherwise 108. */
    FS(-1);

    private final int fixed;

    Width(int fixed) {
      this.fixed = fixed;
    }

    /** The width in bytes, or -1 where it depends on the prefixes or the mode. */
    public int fixed() {
      return fixed;
    }
  }

  /** True if the operand can be or is in memory that the instruction accesses. */
  public boolean mayBeMemory() {
    return switch (addressing) {
      case RM,
          RM_MEM,
          RM_MMX_MEM,
          RM_VEC_MEM,
          OFFSET,
          STRING_SOURCE,
          STRING_DESTINATION,
          VSIB,
          FIXED_MEM ->
          true;
      default -> false;
    };
  }
}
