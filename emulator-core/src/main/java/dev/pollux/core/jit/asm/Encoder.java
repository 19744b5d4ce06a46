package dev.pollux.core.jit.asm;

/**
 * The encoding of x86 instructions: prefixes, opcode maps, ModRM, SIB, displacement and references
 * to labels (Intel SDM vol. 2, chapter 2). {@link X86Assembler} gives the instructions their names
 * and operands.
 */
abstract sealed class Encoder permits X86Assembler {
  /** Longest instruction is 15 bytes; a LOCK or REP prefix is counted with its instruction. */
  private static final int ROOM = 16;

  private static final int REX = 0x40;
  private static final int REX_W = 8;
  private static final int REX_R = 4;
  private static final int REX_X = 2;
  private static final int REX_B = 1;
  private static final int ADDRESS_SIZE_PREFIX = 0x67;
  private static final int OPERAND_SIZE_PREFIX = 0x66;
  private static final int SIB_FOLLOWS = 4;
  private static final int NO_INDEX = 4;
  private static final int NO_BASE = 5;

  final CodeBuffer code;
  CodeMode mode;
  private boolean lockPending;
  private long origin;
  private int unresolved;

  Encoder(CodeBuffer code, CodeMode mode) {
    this.code = code;
    this.mode = mode;
  }

  // ---- instruction starts and prefixes

  /** Starts an instruction that takes no LOCK prefix. */
  final void begin() {
    if (lockPending) {
      throw new IllegalStateException("LOCK before an instruction that cannot be locked");
    }
    code.reserve(ROOM);
  }

  /** Starts an instruction that takes LOCK when its destination is memory. */
  final void beginLockable(Rm destination) {
    if (lockPending && !(destination instanceof Mem)) {
      throw new IllegalStateException("LOCK with a register as destination");
    }
    lockPending = false;
    code.reserve(ROOM);
  }

  final void lockNext() {
    begin();
    lockPending = true;
    code.put8(0xf0);
  }

  /** The operand-size prefix where {@code size} is not what the mode gives by itself. */
  final void operandSize(OpSize size) {
    switch (size) {
      case BYTE -> {}
      case WORD -> {
        if (mode != CodeMode.BITS16) {
          code.put8(OPERAND_SIZE_PREFIX);
        }
      }
      case DWORD -> {
        if (mode == CodeMode.BITS16) {
          code.put8(OPERAND_SIZE_PREFIX);
        }
      }
      case QWORD -> require64("a 64-bit operand");
    }
  }

  final void require64(String what) {
    if (mode != CodeMode.BITS64) {
      throw new IllegalArgumentException(what + " in " + mode.bits() + "-bit code");
    }
  }

  final void requireNot64(String what) {
    if (mode == CodeMode.BITS64) {
      throw new IllegalArgumentException(what + " in 64-bit code");
    }
  }

  // ---- REX

  /** REX bits that {@code size} itself asks for. */
  static int rexFor(OpSize size) {
    return size == OpSize.QWORD ? REX | REX_W : 0;
  }

  /**
   * REX bits, or {@code FORBIDDEN}, that naming {@code register} as a {@code size} operand asks
   * for: SPL, BPL, SIL and DIL exist only with the prefix, AH to BH only without.
   */
  static int rexFor(OpSize size, Gpr register) {
    if (register.isHighByte()) {
      if (size != OpSize.BYTE) {
        throw new IllegalArgumentException(register + " is not a " + size + " register");
      }
      return FORBIDDEN;
    }
    return size == OpSize.BYTE && register.number() >= 4 ? REX : 0;
  }

  static int rexFor(OpSize size, Rm operand) {
    return operand instanceof Gpr register ? rexFor(size, register) : 0;
  }

  /** Set in REX bits when the instruction names a high byte register. */
  private static final int FORBIDDEN = 0x100;

  final void rex(int bits) {
    if ((bits & 0xff) == 0) {
      return;
    }
    if (mode != CodeMode.BITS64) {
      throw new IllegalArgumentException(
          "an operand that needs REX in " + mode.bits() + "-bit code");
    }
    if ((bits & FORBIDDEN) != 0) {
      throw new IllegalArgumentException("a high byte register beside an operand that needs REX");
    }
    code.put8(REX | bits);
  }

  /** REX for an instruction whose opcode byte holds {@code register}. */
  final void rexOpcodeRegister(int rexBits, int register) {
    rex(rexBits | (register >= 8 ? REX | REX_B : 0));
  }

  private static int rexReg(int register) {
    return register >= 8 ? REX | REX_R : 0;
  }

  private static int rexMem(Mem mem) {
    return (mem.base >= 8 ? REX | REX_B : 0) | (mem.index >= 8 ? REX | REX_X : 0);
  }

  // ---- whole instructions

  /**
   * A legacy-encoded instruction up to its displacement.
   *
   * @param prefix mandatory prefix byte, 0 for none
   * @param rexBits what {@link #rexFor} gave for size and byte registers
   * @param map opcode map, 0 to 3
   * @param reg register number or digit of ModRM.reg
   * @param immediateBytes bytes of immediate that the caller writes after this
   */
  final void instruction(
      int prefix, int rexBits, int map, int opcode, int reg, Rm rm, int immediateBytes) {
    switch (rm) {
      case Gpr register -> registerForm(prefix, rexBits, map, opcode, reg, register.number());
      case Mem mem -> memoryForm(prefix, rexBits, map, opcode, reg, mem, immediateBytes);
    }
  }

  /** As {@link #instruction}, with a vector register or memory. */
  final void instruction(
      int prefix, int rexBits, int map, int opcode, int reg, XmmRm rm, int immediateBytes) {
    switch (rm) {
      case Xmm register -> registerForm(prefix, rexBits, map, opcode, reg, register.number());
      case Mem mem -> memoryForm(prefix, rexBits, map, opcode, reg, mem, immediateBytes);
    }
  }

  final void registerForm(int prefix, int rexBits, int map, int opcode, int reg, int rm) {
    mandatoryPrefix(prefix);
    rex(rexBits | rexReg(reg) | (rm >= 8 ? REX | REX_B : 0));
    opcode(map, opcode);
    code.put8(0xc0 | (reg & 7) << 3 | (rm & 7));
  }

  final void memoryForm(
      int prefix, int rexBits, int map, int opcode, int reg, Mem mem, int immediateBytes) {
    memoryPrefixes(mem);
    mandatoryPrefix(prefix);
    rex(rexBits | rexReg(reg) | rexMem(mem));
    opcode(map, opcode);
    memory(reg & 7, mem, immediateBytes);
  }

  private void mandatoryPrefix(int prefix) {
    if (prefix != 0) {
      code.put8(prefix);
    }
  }

  private void opcode(int map, int opcode) {
    switch (map) {
      case OpcodeBits.ONE -> {}
      case OpcodeBits.M0F -> code.put8(0x0f);
      case OpcodeBits.M0F38 -> code.put16(0x380f);
      case OpcodeBits.M0F3A -> code.put16(0x3a0f);
      default -> throw new IllegalArgumentException("opcode map " + map);
    }
    code.put8(opcode);
  }

  /** A VEX-encoded instruction up to its displacement; {@code vvvv} is 0 where it is unused. */
  final void vex(
      int prefix,
      int map,
      boolean w,
      boolean l256,
      int opcode,
      int reg,
      int vvvv,
      XmmRm rm,
      int imm) {
    switch (rm) {
      case Xmm register -> vexRegister(prefix, map, w, l256, opcode, reg, vvvv, register.number());
      case Mem mem -> vexMemory(prefix, map, w, l256, opcode, reg, vvvv, mem, imm);
    }
  }

  /** As above, with a general-purpose register or memory. */
  final void vexGpr(int prefix, int map, boolean w, int opcode, int reg, int vvvv, Rm rm, int imm) {
    switch (rm) {
      case Gpr register ->
          vexRegister(prefix, map, w, false, opcode, reg, vvvv, lowRegister(register));
      case Mem mem -> vexMemory(prefix, map, w, false, opcode, reg, vvvv, mem, imm);
    }
  }

  final void vexRegister(
      int prefix, int map, boolean w, boolean l256, int opcode, int reg, int vvvv, int rm) {
    vexPrefix(prefix, map, w, l256, reg, false, rm >= 8, vvvv);
    code.put8(opcode);
    code.put8(0xc0 | (reg & 7) << 3 | (rm & 7));
  }

  final void vexMemory(
      int prefix,
      int map,
      boolean w,
      boolean l256,
      int opcode,
      int reg,
      int vvvv,
      Mem mem,
      int imm) {
    memoryPrefixes(mem);
    vexPrefix(prefix, map, w, l256, reg, mem.index >= 8, mem.base >= 8, vvvv);
    code.put8(opcode);
    memory(reg & 7, mem, imm);
  }

  private void vexPrefix(
      int prefix, int map, boolean w, boolean l256, int reg, boolean x, boolean b, int vvvv) {
    if (mode == CodeMode.BITS16) {
      throw new IllegalArgumentException("VEX in 16-bit code");
    }
    if (mode == CodeMode.BITS32 && (reg >= 8 || x || b || vvvv >= 8)) {
      throw new IllegalArgumentException("a register above 7 in 32-bit code");
    }
    int pp =
        switch (prefix) {
          case OpcodeBits.NP -> 0;
          case OpcodeBits.P66 -> 1;
          case OpcodeBits.F3 -> 2;
          case OpcodeBits.F2 -> 3;
          default -> throw new IllegalArgumentException("prefix " + prefix);
        };
    int last = (~vvvv & 0xf) << 3 | (l256 ? 4 : 0) | pp;
    int notR = reg >= 8 ? 0 : 0x80;
    if (map == OpcodeBits.M0F && !w && !x && !b) {
      code.put8(0xc5);
      code.put8(notR | last);
    } else {
      code.put8(0xc4);
      code.put8(notR | (x ? 0 : 0x40) | (b ? 0 : 0x20) | map);
      code.put8((w ? 0x80 : 0) | last);
    }
  }

  static int lowRegister(Gpr register) {
    if (register.isHighByte()) {
      throw new IllegalArgumentException(register + " in an instruction without byte operands");
    }
    return register.number();
  }

  // ---- memory operands

  private int addressBits(Mem mem) {
    return mem.addressBits == 0 ? mode.bits() : mem.addressBits;
  }

  final void memoryPrefixes(Mem mem) {
    if (mem.segment != null) {
      code.put8(mem.segment.prefix());
    }
    int bits = addressBits(mem);
    if (bits != mode.bits()) {
      if (bits == 64 || (bits == 16 && mode == CodeMode.BITS64)) {
        throw new IllegalArgumentException(bits + "-bit address in " + mode.bits() + "-bit code");
      }
      code.put8(ADDRESS_SIZE_PREFIX);
    }
  }

  private void memory(int reg, Mem mem, int immediateBytes) {
    if (addressBits(mem) == 16) {
      memory16(reg << 3, mem);
    } else if (mem.label != null) {
      memoryAtLabel(reg << 3, mem, immediateBytes);
    } else if (mem.base == Mem.NONE) {
      memoryWithoutBase(reg << 3, mem);
    } else {
      memoryWithBase(reg << 3, mem);
    }
  }

  private void memoryWithBase(int reg, Mem mem) {
    int displacement = mem.displacement;
    int base = mem.base & 7;
    int displacementMode =
        displacement == 0 && base != 5 ? 0 : displacement == (byte) displacement ? 0x40 : 0x80;
    if (mem.index == Mem.NONE && base != SIB_FOLLOWS) {
      code.put8(displacementMode | reg | base);
    } else {
      int index = mem.index == Mem.NONE ? NO_INDEX : mem.index & 7;
      code.put8(displacementMode | reg | SIB_FOLLOWS);
      code.put8(mem.scaleLog2 << 6 | index << 3 | base);
    }
    if (displacementMode == 0x40) {
      code.put8(displacement);
    } else if (displacementMode == 0x80) {
      code.put32(displacement);
    }
  }

  private void memoryWithoutBase(int reg, Mem mem) {
    if (mem.index != Mem.NONE) {
      code.put8(reg | SIB_FOLLOWS);
      code.put8(mem.scaleLog2 << 6 | (mem.index & 7) << 3 | NO_BASE);
    } else if (mode == CodeMode.BITS64) {
      // ModRM alone would mean RIP-relative.
      code.put8(reg | SIB_FOLLOWS);
      code.put8(NO_INDEX << 3 | NO_BASE);
    } else {
      code.put8(reg | NO_BASE);
    }
    code.put32(mem.displacement);
  }

  private void memoryAtLabel(int reg, Mem mem, int immediateBytes) {
    if (mode == CodeMode.BITS64) {
      if (mem.base != Mem.NONE || addressBits(mem) != 64) {
        throw new IllegalArgumentException(
            "a label with a register or 32-bit address in 64-bit code");
      }
      code.put8(reg | NO_BASE);
      reference(mem.label, Fixup.Kind.REL32, mem.displacement - immediateBytes);
      return;
    }
    if (mem.base == Mem.NONE) {
      code.put8(reg | NO_BASE);
    } else if (mem.base == SIB_FOLLOWS) {
      code.put8(0x80 | reg | SIB_FOLLOWS);
      code.put8(NO_INDEX << 3 | SIB_FOLLOWS);
    } else {
      code.put8(0x80 | reg | mem.base);
    }
    reference(mem.label, Fixup.Kind.ABS32, mem.displacement);
  }

  private void memory16(int reg, Mem mem) {
    int displacement = mem.displacement;
    if (mem.label == null && (displacement < -0x8000 || displacement > 0xffff)) {
      throw new IllegalArgumentException("displacement " + displacement + " in a 16-bit address");
    }
    if (mem.base == Mem.NONE && mem.index == Mem.NONE) {
      code.put8(reg | 6);
      displacement16(mem);
      return;
    }
    int form = form16(mem);
    if (mem.label != null) {
      code.put8(0x80 | reg | form);
      displacement16(mem);
    } else if (displacement == 0 && form != 6) {
      code.put8(reg | form);
    } else if (displacement == (byte) displacement) {
      code.put8(0x40 | reg | form);
      code.put8(displacement);
    } else {
      code.put8(0x80 | reg | form);
      code.put16(displacement);
    }
  }

  private void displacement16(Mem mem) {
    if (mem.label != null) {
      reference(mem.label, Fixup.Kind.ABS16, mem.displacement);
    } else {
      code.put16(mem.displacement);
    }
  }

  /** ModRM.rm of a 16-bit address (Intel SDM vol. 2, table 2-1). */
  private static int form16(Mem mem) {
    int form =
        switch (mem.base) {
          case 3 -> mem.index == Mem.NONE ? 7 : pair16(mem, 0);
          case 5 -> mem.index == Mem.NONE ? 6 : pair16(mem, 2);
          case 6 -> mem.index == Mem.NONE ? 4 : -1;
          case 7 -> mem.index == Mem.NONE ? 5 : -1;
          default -> -1;
        };
    if (form < 0 || mem.scaleLog2 != 0) {
      throw new IllegalArgumentException(mem + " is not a 16-bit address");
    }
    return form;
  }

  private static int pair16(Mem mem, int first) {
    return mem.index == 6 ? first : mem.index == 7 ? first + 1 : -1;
  }

  // ---- labels

  /** Address of the first byte of the buffer, added to absolute references. */
  final long origin() {
    return origin;
  }

  final void setOrigin(long address) {
    origin = address;
  }

  final void forgetReferences() {
    unresolved = 0;
  }

  /** References to labels that are not bound yet. */
  final int unresolved() {
    return unresolved;
  }

  /** Writes a field that refers to {@code label}, now or when it is bound. */
  final void reference(Label label, Fixup.Kind kind, int addend) {
    int at = code.position();
    code.put(kind.bytes(), 0);
    long fixup = Fixup.pack(at, kind, addend);
    if (label.isBound()) {
      resolve(label, fixup);
    } else {
      label.addPending(fixup);
      unresolved++;
    }
  }

  final void bindHere(Label label) {
    label.bindAt(code.position());
    for (int i = 0; i < label.pendingCount(); i++) {
      resolve(label, label.pending(i));
    }
    unresolved -= label.pendingCount();
    label.clearPending();
  }

  private void resolve(Label label, long fixup) {
    Fixup.Kind kind = Fixup.kind(fixup);
    int at = Fixup.position(fixup);
    long value = (long) label.position() + Fixup.addend(fixup);
    value = kind.relative() ? value - at - kind.bytes() : value + origin;
    if (!fits(kind, value)) {
      throw new IllegalArgumentException(label + " is out of reach of a " + kind + " reference");
    }
    code.patch(at, kind.bytes(), value);
  }

  private static boolean fits(Fixup.Kind kind, long value) {
    return switch (kind) {
      case REL8 -> value == (byte) value;
      // A 16-bit IP wraps, so every target in the segment is within reach.
      case REL16 -> value >= -0xffff && value <= 0xffff;
      case REL32 -> value == (int) value;
      case ABS16 -> value >= 0 && value <= 0xffff;
      case ABS32 -> value >= Integer.MIN_VALUE && value <= 0xffff_ffffL;
      case ABS64 -> true;
    };
  }
}
