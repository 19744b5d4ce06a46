package dev.pollux.core.decode;

/**
 * A decoded instruction. It does not depend on its address: branch displacements and RIP-relative
 * offsets are relative to the next instruction, so decoded code can be kept by physical address.
 *
 * <p>Operands stand in the order of the Intel syntax, destination first, implicit registers of the
 * tables included. Each is described by a kind, a register number and a size in bytes; there is at
 * most one operand of kind {@link #MEM}, whose address is
 *
 * <pre>{@code
 * segment base + ((R[base] + (R[index] << scale) + disp [+ RIP of the next instruction]) mod 2^(8*addrSize))
 * }</pre>
 *
 * where a register file with a slot {@link #REG_ZERO} that reads 0 needs no test for missing parts.
 * Instances are immutable but for {@link #nextOffset}, and safe to share.
 */
public final class Insn {
  /** No operand. */
  public static final int NONE = 0;

  /** General register {@code reg}, 0 to 15; of size 1: its low byte. */
  public static final int GPR = 1;

  /** AH, CH, DH, BH: bits 8 to 15 of general register {@code reg}, 0 to 3. */
  public static final int GPR8H = 2;

  /** Segment register, 0 to 5. */
  public static final int SEG = 3;

  /** Control register. */
  public static final int CR = 4;

  /** Debug register. */
  public static final int DR = 5;

  /** x87 register relative to the top of stack. */
  public static final int ST = 6;

  /** MMX register. */
  public static final int MMX = 7;

  /** XMM register, or YMM register if the size is 32. */
  public static final int XMM = 8;

  /** The memory operand. Size 0: only an address, or an area that the instruction defines. */
  public static final int MEM = 9;

  /** {@link #imm}. */
  public static final int IMM = 10;

  /** Branch displacement {@link #imm}, relative to the next instruction. */
  public static final int REL = 11;

  /** Far pointer: offset {@link #imm}, selector {@link #imm2}. */
  public static final int FAR = 12;

  /** ES:rDI of a string instruction; {@code reg} is 7, the segment cannot be overridden. */
  public static final int STRING_DST = 13;

  /** The second immediate, {@link #imm2}, of ENTER. */
  public static final int IMM2 = 14;

  /** Register slot that always reads 0: absent base or index. */
  public static final int REG_ZERO = 16;

  /** Segment register numbers. */
  public static final int ES = 0;

  public static final int CS = 1;
  public static final int SS = 2;
  public static final int DS = 3;
  public static final int FS = 4;
  public static final int GS = 5;

  /** The instruction. */
  public final Op op;

  /** Its table row; null for {@link Op#INVALID} and {@link Op#OVERLONG}. */
  public final OpcodeInfo info;

  /** Length in bytes, 1 to 15. */
  public final byte length;

  /** Mode it was decoded for: 16, 32 or 64. */
  public final byte mode;

  /** Operand size in bytes: 2, 4 or 8. Instructions on bytes have operands of size 1. */
  public final byte opSize;

  /** Address size in bytes: 2, 4 or 8. */
  public final byte addrSize;

  /** True with a LOCK prefix. */
  public final boolean lock;

  /**
   * The last of the prefixes F2 and F3 as 0xF2 or 0xF3, also where it selects the opcode; 0: none.
   */
  public final int rep;

  /** The segment override in effect, {@link #ES} to {@link #GS}, or -1. */
  public final byte segOverride;

  /** The REX prefix, 0x40 to 0x4F, or 0. For VEX its W, R, X and B bits in the same form. */
  public final byte rex;

  /** True if VEX-encoded. */
  public final boolean vex;

  /** VEX.L: 0 for 128, 1 for 256 bits. */
  public final byte vexL;

  /** The opcode byte in its map. */
  public final short opcode;

  /** The ModRM byte, or 0. */
  public final short modRm;

  /** Condition 0 to 15 in the low bits of the opcode, for JCC, SETCC, CMOVCC. */
  public final byte cond;

  public final byte operandCount;
  public final byte kind0;
  public final byte kind1;
  public final byte kind2;
  public final byte kind3;
  public final byte reg0;
  public final byte reg1;
  public final byte reg2;
  public final byte reg3;

  /** Operand sizes in bytes, 0 to 512. */
  public final short size0;

  public final short size1;
  public final short size2;
  public final short size3;

  /** Index of the operand that is {@link #MEM}, or -1. */
  public final byte memOperand;

  /** Base register of the memory operand, or {@link #REG_ZERO}. */
  public final byte base;

  /** Index register (a vector register if {@link #vsibSize} is not 0), or {@link #REG_ZERO}. */
  public final byte index;

  /** The index is shifted left by this, 0 to 3. */
  public final byte scale;

  /** Segment of the memory operand, override and defaults resolved: {@link #ES} to {@link #GS}. */
  public final byte segment;

  /** True if the displacement is relative to the next instruction's RIP. */
  public final boolean ripRelative;

  /** Size in bytes of the vector of indices of a gather: 16 or 32, otherwise 0. */
  public final byte vsibSize;

  /** Displacement of the memory operand, sign-extended; an absolute offset zero-extended. */
  public final long disp;

  /** The immediate, extended to 64 bits as the instruction uses it, or the branch displacement. */
  public final long imm;

  /** ENTER's nesting level, a far pointer's selector. */
  public final int imm2;

  /**
   * Distance in bytes from the start of the block that holds the instruction to its end. Set once,
   * by whoever builds the block, before the instruction is published.
   */
  public int nextOffset;

  Insn(Decoder d, Op op, OpcodeInfo info) {
    this.op = op;
    this.info = info;
    length = (byte) d.length();
    mode = (byte) d.mode;
    opSize = (byte) d.opSize;
    addrSize = (byte) d.addrSize;
    lock = d.lock;
    rep = d.rep;
    segOverride = (byte) d.segOverride;
    rex = (byte) d.rex;
    vex = d.vex;
    vexL = (byte) d.vexL;
    opcode = (short) d.opcode;
    modRm = (short) d.modRm;
    cond = (byte) (d.opcode & 15);
    int kinds = d.kinds;
    int regs = d.regs;
    long sizes = d.sizes;
    operandCount = (byte) d.operandCount;
    kind0 = (byte) (kinds & 0xFF);
    kind1 = (byte) (kinds >> 8 & 0xFF);
    kind2 = (byte) (kinds >> 16 & 0xFF);
    kind3 = (byte) (kinds >> 24 & 0xFF);
    reg0 = (byte) (regs & 0xFF);
    reg1 = (byte) (regs >> 8 & 0xFF);
    reg2 = (byte) (regs >> 16 & 0xFF);
    reg3 = (byte) (regs >> 24 & 0xFF);
    size0 = (short) (sizes & 0xFFFF);
    size1 = (short) (sizes >> 16 & 0xFFFF);
    size2 = (short) (sizes >> 32 & 0xFFFF);
    size3 = (short) (sizes >> 48 & 0xFFFF);
    memOperand = (byte) d.memOperand;
    base = (byte) d.base;
    index = (byte) d.index;
    scale = (byte) d.scale;
    segment = (byte) d.segment;
    ripRelative = d.ripRelative;
    vsibSize = (byte) d.vsibSize;
    disp = d.disp;
    imm = d.imm;
    imm2 = d.imm2;
  }

  /** The kind of operand {@code i}, 0 to 3; {@link #NONE} beyond the last. */
  public int kind(int i) {
    return switch (i) {
      case 0 -> kind0;
      case 1 -> kind1;
      case 2 -> kind2;
      case 3 -> kind3;
      default -> NONE;
    };
  }

  /** The register number of operand {@code i}. */
  public int reg(int i) {
    return switch (i) {
      case 0 -> reg0;
      case 1 -> reg1;
      case 2 -> reg2;
      case 3 -> reg3;
      default -> 0;
    };
  }

  /** The size in bytes of operand {@code i}. */
  public int size(int i) {
    return switch (i) {
      case 0 -> size0;
      case 1 -> size1;
      case 2 -> size2;
      case 3 -> size3;
      default -> 0;
    };
  }

  /** True if there is an operand of kind {@link #MEM}. */
  public boolean hasMemory() {
    return memOperand >= 0;
  }

  /** The size in bytes of the memory operand; 0 without one. */
  public int memSize() {
    return size(memOperand);
  }

  /** True for an instruction, false for bytes that raise #UD or #GP. */
  public boolean isValid() {
    return info != null;
  }

  /** EFLAGS bits that the instruction reads, for conditional ones by their condition. */
  public int flagsRead() {
    return switch (op) {
      case JCC, SETCC, CMOVCC -> conditionFlags(cond);
      default -> info == null ? 0 : info.flagsRead;
    };
  }

  /** EFLAGS bits that condition {@code cond}, 0 to 15, depends on. */
  public static int conditionFlags(int cond) {
    return switch (cond >> 1 & 7) {
      case 0 -> OpcodeInfo.OF;
      case 1 -> OpcodeInfo.CF;
      case 2 -> OpcodeInfo.ZF;
      case 3 -> OpcodeInfo.CF | OpcodeInfo.ZF;
      case 4 -> OpcodeInfo.SF;
      case 5 -> OpcodeInfo.PF;
      case 6 -> OpcodeInfo.SF | OpcodeInfo.OF;
      default -> OpcodeInfo.SF | OpcodeInfo.OF | OpcodeInfo.ZF;
    };
  }

  /** The instruction in Intel syntax, branch targets relative to {@code $}, the next address. */
  @Override
  public String toString() {
    return Disassembler.text(this);
  }
}
