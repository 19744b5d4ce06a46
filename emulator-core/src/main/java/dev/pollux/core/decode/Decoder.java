package dev.pollux.core.decode;

import dev.pollux.core.cpu.CpuFeature;
import java.util.Arrays;
import java.util.Set;

/**
 * Decodes instructions for one set of CPUID features (Intel SDM volume 2, chapter 2). An
 * instruction whose feature is off is undefined.
 *
 * <p>Where processors differ, this is Intel's rule: in 64-bit mode near branches keep their 64-bit
 * operand size with a prefix 66 (AMD's have a 16-bit displacement and truncate RIP then).
 *
 * <p>Not safe for use by several threads: decoding works in the fields. No input makes it throw as
 * long as {@code offset} and {@code limit} lie in the array.
 */
public final class Decoder {
  /** The longest instruction in bytes; a longer one raises #GP(0). */
  public static final int MAX_LENGTH = 15;

  // What a byte means before the opcode.
  private static final byte OPCODE = 0;
  private static final byte SEGMENT_PREFIX = 1;
  private static final byte OPERAND_SIZE_PREFIX = 2;
  private static final byte ADDRESS_SIZE_PREFIX = 3;
  private static final byte LOCK_PREFIX = 4;
  private static final byte REPEAT_PREFIX = 5;
  private static final byte REX_PREFIX = 6;
  private static final byte[] LEGACY_PREFIXES = prefixes(false);
  private static final byte[] LONG_PREFIXES = prefixes(true);

  // Base and index of the 16-bit forms by ModRM.rm: BX+SI BX+DI BP+SI BP+DI SI DI BP BX.
  private static final byte[] BASE16 = {3, 3, 5, 5, 6, 7, 5, 3};
  private static final byte[] INDEX16 = {6, 7, 6, 7, 16, 16, 16, 16};

  private static final int MAPS = OpcodeInfo.Map.values().length;

  private static final int REX_W = 8;
  private static final int REX_R = 4;
  private static final int REX_X = 2;
  private static final int REX_B = 1;

  /** Rows by mode (64-bit or not), mandatory prefix, map and opcode; null where undefined. */
  private final OpcodeInfo[][] slots;

  private byte[] code;
  private int start;
  private int end;
  private int pos;
  private boolean operandSizePrefix;
  private int sib;
  private int vvvv;
  private boolean wide;
  private boolean failed;

  // The instruction being decoded, copied by Insn's constructor.
  int mode;
  int opSize;
  int addrSize;
  boolean lock;
  int rep;
  int segOverride;
  int rex;
  boolean vex;
  int vexL;
  int opcode;
  int modRm;
  int kinds;
  int regs;
  long sizes;
  int operandCount;
  int memOperand;
  int base;
  int index;
  int scale;
  int segment;
  boolean ripRelative;
  int vsibSize;
  long disp;
  long imm;
  int imm2;

  /** A decoder for a processor with the given features. */
  public Decoder(Set<CpuFeature> features) {
    slots = new OpcodeInfo[2 * 4 * MAPS * 256][];
    for (OpcodeInfo row : OpcodeTables.rows()) {
      if (row.prefixes != 15) {
        add(row, features);
      }
    }
    for (OpcodeInfo row : OpcodeTables.rows()) {
      if (row.prefixes == 15) {
        add(row, features);
      }
    }
  }

  private Decoder(OpcodeInfo[][] slots) {
    this.slots = slots;
  }

  /** A decoder for the same processor, for another thread. */
  public Decoder another() {
    return new Decoder(slots);
  }

  private void add(OpcodeInfo row, Set<CpuFeature> features) {
    if (!row.supportedBy(features)) {
      return;
    }
    for (int long64 = 0; long64 < 2; long64++) {
      if (row.has(long64 == 1 ? OpcodeInfo.Property.I64 : OpcodeInfo.Property.O64)) {
        continue;
      }
      for (int prefix = 0; prefix < 4; prefix++) {
        if ((row.prefixes >> prefix & 1) == 0) {
          continue;
        }
        for (int i = 0; i < row.opcodeCount; i++) {
          int slot = slot(long64, prefix, row.map.ordinal(), row.opcode + i);
          OpcodeInfo[] rows = slots[slot];
          if (rows == null) {
            slots[slot] = new OpcodeInfo[] {row};
          } else {
            slots[slot] = Arrays.copyOf(rows, rows.length + 1);
            slots[slot][rows.length] = row;
          }
        }
      }
    }
  }

  private static int slot(int long64, int prefix, int map, int opcode) {
    return (((long64 << 2) + prefix) * MAPS + map << 8) + opcode;
  }

  private static byte[] prefixes(boolean long64) {
    byte[] classes = new byte[256];
    for (int segment : new int[] {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65}) {
      classes[segment] = SEGMENT_PREFIX;
    }
    classes[0x66] = OPERAND_SIZE_PREFIX;
    classes[0x67] = ADDRESS_SIZE_PREFIX;
    classes[0xF0] = LOCK_PREFIX;
    classes[0xF2] = REPEAT_PREFIX;
    classes[0xF3] = REPEAT_PREFIX;
    if (long64) {
      Arrays.fill(classes, 0x40, 0x50, REX_PREFIX);
    }
    return classes;
  }

  /**
   * Decodes the instruction at {@code code[offset]}.
   *
   * @param code bytes of code
   * @param offset index of the first byte
   * @param limit index after the last byte that may be read: the end of the page, for instance
   * @param mode 16, 32 or 64: the code segment's default size or 64-bit mode
   * @return the instruction; {@link Op#INVALID} if it raises #UD, {@link Op#OVERLONG} if it is
   *     longer than {@link #MAX_LENGTH}; null if bytes at or after {@code limit} are needed to tell
   */
  public Insn decode(byte[] code, int offset, int limit, int mode) {
    this.code = code;
    this.start = offset;
    this.pos = offset;
    this.end = Math.min(limit, offset + MAX_LENGTH);
    this.mode = mode;
    reset();
    int first = prefixBytes();
    if (pos > end) {
      return incomplete();
    }
    OpcodeInfo[] rows = opcodeBytes(first);
    if (pos > end) {
      return incomplete();
    }
    if (rows == null) {
      return invalid();
    }
    int key = (wide ? OpcodeInfo.KEY_W : 0) | (rex & REX_B) * OpcodeInfo.KEY_B;
    if (vex) {
      key |= vexL * OpcodeInfo.KEY_L | (vvvv == 0 ? OpcodeInfo.KEY_NO_VVVV : 0);
    }
    if (rows[0].hasModRm) {
      modRm = next();
      if (pos > end) {
        return incomplete();
      }
      key |= modRm & 0x3F | (modRm >= 0xC0 ? OpcodeInfo.KEY_MOD3 : 0);
    }
    OpcodeInfo row = select(rows, key);
    if (row == null) {
      return invalid();
    }
    sizes(row);
    if (row.hasModRm && modRm < 0xC0 && !row.mod3) {
      memory();
    }
    OperandSpec[] specs = row.specs;
    operandCount = specs.length;
    for (int i = 0; i < specs.length; i++) {
      operand(specs[i], i);
    }
    if (pos > end) {
      return incomplete();
    }
    if (failed || lock && !(row.lockable && (byte) kinds == Insn.MEM)) {
      return invalid();
    }
    return new Insn(this, row.op, row);
  }

  int length() {
    return Math.min(pos, end) - start;
  }

  private void reset() {
    lock = false;
    rep = 0;
    segOverride = -1;
    rex = 0;
    vex = false;
    vexL = 0;
    opcode = 0;
    modRm = 0;
    operandSizePrefix = false;
    vvvv = 0;
    wide = false;
    failed = false;
    opSize = mode == 16 ? 2 : 4;
    addrSize = mode >> 3;
    clearOperands();
  }

  private void clearOperands() {
    kinds = 0;
    regs = 0;
    sizes = 0;
    operandCount = 0;
    memOperand = -1;
    base = Insn.REG_ZERO;
    index = Insn.REG_ZERO;
    scale = 0;
    segment = Insn.DS;
    ripRelative = false;
    vsibSize = 0;
    disp = 0;
    imm = 0;
    imm2 = 0;
  }

  private Insn incomplete() {
    if (end - start < MAX_LENGTH) {
      return null;
    }
    clearOperands();
    return new Insn(this, Op.OVERLONG, null);
  }

  private Insn invalid() {
    clearOperands();
    return new Insn(this, Op.INVALID, null);
  }

  /** The next byte; 0 beyond the end, which {@code pos > end} tells afterwards. */
  private int next() {
    int at = pos++;
    return at < end ? code[at] & 0xFF : 0;
  }

  private static OpcodeInfo select(OpcodeInfo[] rows, int key) {
    for (OpcodeInfo row : rows) {
      if (row.matches(key)) {
        return row;
      }
    }
    return null;
  }

  /** Reads the prefixes and returns the byte after them. */
  private int prefixBytes() {
    byte[] classes = mode == 64 ? LONG_PREFIXES : LEGACY_PREFIXES;
    while (true) {
      int b = next();
      int prefix = classes[b];
      if (prefix == OPCODE || pos > end) {
        return b;
      }
      if (prefix == REX_PREFIX) {
        rex = b;
        continue;
      }
      rex = 0; // a REX prefix counts only directly before the opcode
      switch (prefix) {
        case SEGMENT_PREFIX -> segmentPrefix(b);
        case OPERAND_SIZE_PREFIX -> operandSizePrefix = true;
        case ADDRESS_SIZE_PREFIX -> addrSize = mode == 32 ? 2 : 4;
        case LOCK_PREFIX -> lock = true;
        default -> rep = b;
      }
    }
  }

  private void segmentPrefix(int b) {
    if (b >= 0x64) {
      segOverride = b - 0x60; // FS, GS
    } else if (mode != 64) {
      segOverride = b >> 3 & 3; // ES, CS, SS, DS: without effect in 64-bit mode
    }
  }

  /** Reads the opcode from its first byte on and returns the rows that it may stand for. */
  private OpcodeInfo[] opcodeBytes(int first) {
    int long64 = mode == 64 ? 1 : 0;
    OpcodeInfo.Map map = OpcodeInfo.Map.ONE_BYTE;
    opcode = first;
    if (first == 0x0F) {
      map = OpcodeInfo.Map.M0F;
      opcode = next();
      if (opcode == 0x38) {
        map = OpcodeInfo.Map.M0F38;
        opcode = next();
      } else if (opcode == 0x3A) {
        map = OpcodeInfo.Map.M0F3A;
        opcode = next();
      }
    } else if ((first & 0xFE) == 0xC4 && (mode == 64 || isVexPayload())) {
      return vexBytes(first, long64);
    }
    wide = (rex & REX_W) != 0;
    int prefix;
    if (rep != 0) {
      prefix = rep == 0xF3 ? 2 : 3;
    } else {
      prefix = operandSizePrefix ? 1 : 0;
    }
    return slots[slot(long64, prefix, map.ordinal(), opcode)];
  }

  /** Outside 64-bit mode C4 and C5 are LES and LDS, unless the next byte has mod 3. */
  private boolean isVexPayload() {
    return pos < end && (code[pos] & 0xC0) == 0xC0;
  }

  private OpcodeInfo[] vexBytes(int first, int long64) {
    int payload = next();
    int map = 1;
    int inverted = payload >> 5 | 3; // R, with X and B absent
    if (first == 0xC4) {
      map = payload & 31;
      inverted = payload >> 5;
      payload = next();
      wide = (payload & 0x80) != 0;
    }
    boolean mixed = lock || rep != 0 || rex != 0 || operandSizePrefix;
    vex = true;
    vexL = payload >> 2 & 1;
    vvvv = ~payload >> 3 & 15;
    rex = 0x40 | ~inverted & 7 | (wide ? REX_W : 0);
    if (mode != 64) {
      rex = 0; // R and X are 0 here, B is ignored
    }
    opcode = next();
    if (mixed || map == 0 || map > 3) {
      return null;
    }
    int prefix = payload & 3;
    return slots[slot(long64, prefix, map + 3, opcode)];
  }

  /** Operand size of the row in this mode with these prefixes. */
  private void sizes(OpcodeInfo row) {
    boolean small = operandSizePrefix && row.prefixes != 2; // not where 66 selects the row
    if (mode == 64) {
      if (wide || row.f64) {
        opSize = 8;
      } else if (small) {
        opSize = 2;
      } else {
        opSize = row.d64 ? 8 : 4;
      }
    } else {
      opSize = mode == 16 == small ? 4 : 2;
    }
  }

  private int width(OperandSpec.Width width) {
    return switch (width) {
      case V -> opSize;
      case Z -> Math.min(opSize, 4);
      case Y -> wide && mode == 64 ? 8 : 4;
      case N -> mode == 64 ? 8 : 4;
      case X -> 16 << vexL;
      case H -> 8 << vexL;
      case K -> 4 << vexL;
      case E -> 2 << vexL;
      case P -> opSize + 2;
      case A -> opSize * 2;
      case S -> mode == 64 ? 10 : 6;
      case ENV -> opSize == 2 ? 14 : 28;
      case FS -> opSize == 2 ? 94 : 108;
      default -> width.fixed();
    };
  }

  private void set(int i, int kind, int reg, int size) {
    kinds |= kind << 8 * i;
    regs |= reg << 8 * i;
    sizes |= (long) size << 16 * i;
  }

  private int reg() {
    return modRm >> 3 & 7;
  }

  private int regExtended() {
    return reg() | (rex & REX_R) << 1;
  }

  private int rm() {
    return modRm & 7;
  }

  private int rmExtended() {
    return rm() | (rex & REX_B) << 3;
  }

  /** The register in VEX.vvvv, whose high bit is ignored outside 64-bit mode. */
  private int vvvvRegister() {
    return mode == 64 ? vvvv : vvvv & 7;
  }

  private void operand(OperandSpec spec, int i) {
    int fixed = spec.width().fixed();
    int size = fixed >= 0 ? fixed : width(spec.width());
    switch (spec.addressing()) {
      case RM -> {
        if (modRm >= 0xC0) {
          gpr(i, rmExtended(), size);
        } else {
          mem(i, width(spec.memWidth()));
        }
      }
      case REG_GPR -> gpr(i, regExtended(), size);
      case OPCODE_GPR -> gpr(i, opcode & 7 | (rex & REX_B) << 3, size);
      case FIXED_GPR -> set(i, Insn.GPR, spec.value(), size);
      case RM_MEM -> mem(i, size);
      case RM_VEC_MEM -> {
        if (modRm >= 0xC0) {
          set(i, Insn.XMM, rmExtended(), size);
        } else {
          mem(i, size);
        }
      }
      case REG_VEC -> set(i, Insn.XMM, regExtended(), size);
      case VVVV_VEC -> set(i, Insn.XMM, vvvvRegister(), size);
      case SIMM -> {
        set(i, Insn.IMM, 0, size);
        imm = signed(size);
      }
      case REL -> {
        set(i, Insn.REL, 0, size);
        imm = signed(size);
      }
      default -> rareOperand(spec, i, size);
    }
  }

  private void rareOperand(OperandSpec spec, int i, int size) {
    switch (spec.addressing()) {
      case IMM -> immediate(i, size);
      case FIXED_IMM -> {
        set(i, Insn.IMM, 0, size);
        imm = spec.value();
      }
      case RM_GPR -> gpr(i, rmExtended(), size);
      case VVVV_GPR -> set(i, Insn.GPR, vvvvRegister(), size);
      case RM_VEC -> set(i, Insn.XMM, rmExtended(), size);
      case FIXED_VEC -> set(i, Insn.XMM, spec.value(), size);
      case IMM_VEC -> set(i, Insn.XMM, next() >> 4 & (mode == 64 ? 15 : 7), size);
      case RM_MMX -> set(i, Insn.MMX, rm(), size);
      case RM_MMX_MEM -> {
        if (modRm >= 0xC0) {
          set(i, Insn.MMX, rm(), size);
        } else {
          mem(i, size);
        }
      }
      case REG_MMX -> set(i, Insn.MMX, reg(), size);
      case RM_ST -> set(i, Insn.ST, rm(), size);
      case FIXED_ST -> set(i, Insn.ST, spec.value(), size);
      case REG_SREG -> {
        set(i, Insn.SEG, reg(), 2);
        failed |= reg() > Insn.GS || i == 0 && reg() == Insn.CS;
      }
      case FIXED_SREG -> set(i, Insn.SEG, spec.value(), size);
      case REG_CR -> {
        int number = regExtended();
        set(i, Insn.CR, number, size);
        failed |= number == 1 || number > 4 && number != 8;
      }
      case REG_DR -> {
        set(i, Insn.DR, regExtended(), size);
        failed |= regExtended() > 7;
      }
      case VSIB -> gather(spec, i, size);
      case OFFSET -> {
        disp = unsigned(addrSize);
        segment();
        mem(i, size);
      }
      case STRING_SOURCE -> fixedMemory(i, 6, size);
      case FIXED_MEM -> fixedMemory(i, spec.value(), size);
      case STRING_DESTINATION -> set(i, Insn.STRING_DST, 7, size);
      case FAR_POINTER -> {
        set(i, Insn.FAR, 0, size);
        imm = unsigned(opSize);
        imm2 = (int) unsigned(2);
      }
      default -> throw new AssertionError(spec);
    }
  }

  private void gpr(int i, int reg, int size) {
    if (size == 1 && reg >= 4 && reg < 8 && rex == 0) {
      set(i, Insn.GPR8H, reg - 4, 1);
    } else {
      set(i, Insn.GPR, reg, size);
    }
  }

  private void mem(int i, int size) {
    set(i, Insn.MEM, 0, size);
    memOperand = i;
  }

  private void fixedMemory(int i, int register, int size) {
    base = register;
    segment();
    mem(i, size);
  }

  private void immediate(int i, int size) {
    long value = unsigned(size);
    if (i > 0 && (byte) (kinds >> 8 * (i - 1)) == Insn.IMM) {
      set(i, Insn.IMM2, 0, size);
      imm2 = (int) value;
    } else {
      set(i, Insn.IMM, 0, size);
      imm = value;
    }
  }

  private long signed(int size) {
    return switch (size) {
      case 1 -> (byte) unsigned(1);
      case 2 -> (short) unsigned(2);
      default -> (int) unsigned(4);
    };
  }

  private long unsigned(int size) {
    int at = pos;
    pos += size;
    if (pos > end) {
      return 0;
    }
    return switch (size) {
      case 1 -> code[at] & 0xFF;
      case 2 -> get16(at);
      case 4 -> get32(at);
      default -> get32(at) | get32(at + 4) << 32;
    };
  }

  private int get16(int at) {
    return code[at] & 0xFF | (code[at + 1] & 0xFF) << 8;
  }

  private long get32(int at) {
    return get16(at) | (long) get16(at + 2) << 16;
  }

  /** Reads the rest of a memory operand in ModRM form: SIB and displacement. */
  private void memory() {
    int mod = modRm >> 6;
    if (addrSize == 2) {
      memory16(mod);
      return;
    }
    int rm = rm();
    if (rm == 4) {
      sib = next();
      scale = sib >> 6;
      index = sib >> 3 & 7 | (rex & REX_X) << 2;
      if (index == 4) {
        index = Insn.REG_ZERO;
        scale = 0;
      }
      rm = sib & 7;
    } else if (rm == 5 && mod == 0 && mode == 64) {
      ripRelative = true;
    }
    if (rm == 5 && mod == 0) {
      disp = signed(4);
    } else {
      base = rm | (rex & REX_B) << 3;
      if (mod != 0) {
        disp = signed(mod == 1 ? 1 : 4);
      }
    }
    segment();
  }

  private void memory16(int mod) {
    int rm = rm();
    if (mod == 0 && rm == 6) {
      disp = signed(2);
    } else {
      base = BASE16[rm];
      index = INDEX16[rm];
      if (mod != 0) {
        disp = signed(mod);
      }
    }
    segment();
  }

  /** Segment of the memory operand: the override, or SS for BP and SP as base, or DS. */
  private void segment() {
    if (segOverride >= 0) {
      segment = segOverride;
    } else {
      segment = base == 4 || base == 5 ? Insn.SS : Insn.DS;
    }
  }

  /** A gather's memory operand: always with SIB, its index a vector that no other operand is. */
  private void gather(OperandSpec spec, int i, int size) {
    if (rm() != 4 || addrSize == 2) { // 16-bit addressing has no SIB
      failed = true;
      return;
    }
    index = sib >> 3 & 7 | (rex & REX_X) << 2; // index 4 is a register here
    scale = sib >> 6;
    vsibSize = Math.max(16, width(spec.memWidth()));
    int destination = regExtended();
    int mask = vvvvRegister();
    failed |= index == mask || index == destination || destination == mask;
    mem(i, size);
  }
}
