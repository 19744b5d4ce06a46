package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.decode.OperandSpec;
import dev.pollux.core.decode.OperandSpec.Addressing;
import dev.pollux.core.decode.OperandSpec.Width;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/**
 * Random encodings of a table row whose memory operands lie in the windows. It knows the registers'
 * values at the place where the instruction will stand; where they do not do, it puts instructions
 * in front that load them. Not thread-safe.
 */
final class EncodingGenerator {
  private static final int RSP = 4;
  private static final int RBP = 5;
  private static final int NO_REGISTER = -1;
  private static final int TRAILING_BYTES = 10;

  private final Decoder decoder;
  private final RandomGenerator random;
  private final CodeBuffer code = new CodeBuffer(64);

  private OpcodeInfo row;
  private int bits;
  private long[] gpr;
  private long ip;
  private X86Assembler setup;

  private int addressBits;
  private boolean rexAllowed;
  private int modRm;
  private int sib;
  private int displacementBytes;
  private long displacement;
  private int ripRelativeAt;
  private long target;
  private int baseRegister;
  private int indexRegister;

  EncodingGenerator(Decoder decoder, RandomGenerator random) {
    this.decoder = decoder;
    this.random = random;
  }

  /**
   * Tries once to make an instruction.
   *
   * @param gprNow the sixteen registers where the instruction will stand
   * @param address where it will stand
   * @return null if the attempt led to something else than {@code wanted}, or to something whose
   *     result is undefined
   */
  Candidate generate(OpcodeInfo wanted, int mode, long[] gprNow, long address) {
    row = wanted;
    bits = mode;
    gpr = gprNow;
    ip = address;
    setup = new X86Assembler(bits == 64 ? CodeMode.BITS64 : CodeMode.BITS32);
    code.truncate(0);
    code.reserve(64);
    addressBits = bits;
    ripRelativeAt = -1;
    baseRegister = NO_REGISTER;
    indexRegister = NO_REGISTER;
    if (!encode()) {
      return null;
    }
    for (int i = 0; i < TRAILING_BYTES; i++) {
      code.put8(random.nextInt());
    }
    byte[] bytes = code.toByteArray();
    Insn insn = decoder.decode(bytes, 0, bytes.length, bits);
    if (insn == null || insn.info != row) {
      return null;
    }
    bytes = Arrays.copyOf(bytes, insn.length);
    if (!adjust(insn, bytes)) {
      return null;
    }
    if (ripRelativeAt >= 0) {
      long next = ip + setup.position() + bytes.length;
      put(bytes, ripRelativeAt, 4, target - next);
    }
    // The adjusted bytes differ in immediates and displacements.
    return new Candidate(setup.finish(), bytes, decoder.decode(bytes, 0, bytes.length, bits));
  }

  private static void put(byte[] bytes, int at, int count, long value) {
    for (int i = 0; i < count; i++) {
      bytes[at + i] = (byte) (value >> 8 * i);
    }
  }

  private boolean chance(int oneIn) {
    return random.nextInt(oneIn) == 0;
  }

  // ---- the encoding

  private boolean encode() {
    boolean vex = row.map.vex();
    int mandatory = vex ? 0 : legacyPrefixes();
    if (vex && chance(16) && bits == 64) {
      addressSizePrefix();
    }
    int opcode = row.opcode + random.nextInt(row.opcodeCount);
    boolean memory = row.hasModRm && chooseModRm();
    rexAllowed = bits == 64 && (vex || !chance(3));
    int rexBits = rexAllowed ? random.nextInt(16) : 0;
    if (memory) {
      rexBits = chooseAddress(rexBits);
      if (rexBits < 0) {
        return false;
      }
    }
    if (vex) {
      if (!vexPrefix(rexBits)) {
        return false;
      }
    } else {
      rexBits = forced(OpcodeInfo.KEY_W, rexBits, 8);
      rexBits = forced(OpcodeInfo.KEY_B, rexBits, 1);
      if (mandatory != 0) {
        code.put8(mandatory);
      }
      if (rexBits != 0 || (rexAllowed && chance(4))) {
        if (bits != 64) {
          return false;
        }
        code.put8(0x40 | rexBits);
      }
      switch (row.map) {
        case M0F -> code.put8(0x0f);
        case M0F38 -> code.put16(0x380f);
        case M0F3A -> code.put16(0x3a0f);
        default -> {}
      }
    }
    code.put8(opcode);
    if (row.hasModRm) {
      code.put8(modRm);
      if (memory) {
        putAddress();
      }
    }
    return implicitOperands();
  }

  private int forced(int key, int value, int bit) {
    if ((row.keyMask & key) == 0) {
      return value;
    }
    return (row.keyValue & key) != 0 ? value | bit : value & ~bit;
  }

  /** Writes prefixes, returns a mandatory one that must follow them. */
  private int legacyPrefixes() {
    boolean branch = has(Addressing.REL) || row.has(Property.F64);
    if (chance(20) && !branch) {
      code.put8(SEGMENTS[random.nextInt(SEGMENTS.length)]);
    }
    if (chance(16) && (bits == 64 || addressUnused())) {
      addressSizePrefix();
    }
    int mandatory = 0;
    boolean operandSize = chance(5) && !branch;
    if (row.prefixes == 15) {
      if (row.has(Property.REP) && random.nextBoolean()) {
        mandatory = random.nextBoolean() ? 0xf3 : 0xf2;
      }
    } else {
      int choice;
      do {
        choice = random.nextInt(4);
      } while ((row.prefixes >> choice & 1) == 0);
      switch (choice) {
        case 0 -> operandSize = false;
        case 1 -> operandSize = true;
        case 2 -> mandatory = 0xf3;
        default -> mandatory = 0xf2;
      }
    }
    if (operandSize) {
      code.put8(0x66);
    }
    if (row.has(Property.LOCK) && chance(6)) {
      code.put8(0xf0);
    }
    return mandatory;
  }

  private static final int[] SEGMENTS = {0x26, 0x36, 0x3e};

  private void addressSizePrefix() {
    code.put8(0x67);
    addressBits = bits == 64 ? 32 : 16;
  }

  /** Whether the memory operand is only computed, not reached. */
  private boolean addressUnused() {
    return row.op.name().equals("LEA") || row.has(Property.HINT);
  }

  private boolean has(Addressing addressing) {
    for (OperandSpec operand : row.operands) {
      if (operand.addressing() == addressing) {
        return true;
      }
    }
    return false;
  }

  private boolean chooseModRm() {
    int mask = row.keyMask & 0x3f;
    modRm = random.nextInt(64) & ~mask | row.keyValue & mask;
    boolean register =
        (row.keyMask & OpcodeInfo.KEY_MOD3) != 0
            ? (row.keyValue & OpcodeInfo.KEY_MOD3) != 0
            : random.nextBoolean() || row.has(Property.MOD3);
    if (register) {
      modRm |= 0xc0;
    }
    return !register;
  }

  private boolean vexPrefix(int rexBits) {
    boolean w = forced(OpcodeInfo.KEY_W, random.nextInt(2), 1) != 0;
    boolean l = forced(OpcodeInfo.KEY_L, random.nextInt(2), 1) != 0;
    int vvvv =
        (row.keyMask & OpcodeInfo.KEY_NO_VVVV) != 0 ? 0 : random.nextInt(bits == 64 ? 16 : 8);
    int pp;
    do {
      pp = random.nextInt(4);
    } while ((row.prefixes >> pp & 1) == 0);
    int map =
        switch (row.map) {
          case VEX_0F -> 1;
          case VEX_0F38 -> 2;
          default -> 3;
        };
    int last = (~vvvv & 15) << 3 | (l ? 4 : 0) | pp;
    if (bits != 64 && rexBits != 0) {
      return false;
    }
    if (map == 1 && !w && (rexBits & 3) == 0 && random.nextBoolean()) {
      code.put8(0xc5);
      code.put8((~rexBits & 4) << 5 | last);
    } else {
      code.put8(0xc4);
      code.put8((~rexBits & 7) << 5 | map);
      code.put8((w ? 0x80 : 0) | last);
    }
    return true;
  }

  // ---- explicit memory operands

  private static final int FORM_ABSOLUTE = 0;
  private static final int FORM_RIP = 1;
  private static final int FORM_INDEX = 2;
  private static final int FORM_BASE_INDEX = 3;

  /**
   * Chooses ModRM, SIB and displacement of an operand in the window; returns the REX bits or -1.
   */
  private int chooseAddress(int rexBits) {
    if (addressBits == 16) {
      modRm |= random.nextInt(3) << 6;
      displacementBytes =
          switch (modRm >> 6) {
            case 0 -> (modRm & 7) == 6 ? 2 : 0;
            case 1 -> 1;
            default -> 2;
          };
      displacement = random.nextLong();
      sib = -1;
      return rexBits;
    }
    target = SiliconState.dataAddress(random);
    sib = -1;
    int kept = rexBits & 12;
    return switch (random.nextInt(8)) {
      case FORM_ABSOLUTE -> absolute(kept);
      case FORM_RIP -> ripRelative(kept);
      case FORM_INDEX -> based(kept, NO_REGISTER, register(rexBits & 2));
      case FORM_BASE_INDEX, 4 -> based(kept, register(rexBits & 1), register(rexBits & 2));
      default -> based(kept, register(rexBits & 1), NO_REGISTER);
    };
  }

  private int register(int rexBit) {
    return random.nextInt(8) | (rexBit != 0 ? 8 : 0);
  }

  private int absolute(int kept) {
    modRm = modRm & 0x38 | (bits == 64 ? 4 : 5);
    sib = bits == 64 ? 0x25 : -1;
    displacement = target;
    displacementBytes = 4;
    return kept;
  }

  private int ripRelative(int kept) {
    if (bits != 64) {
      return absolute(kept);
    }
    modRm = modRm & 0x38 | 5;
    displacementBytes = 4;
    ripRelativeAt = 0;
    return kept;
  }

  private int based(int kept, int base, int index) {
    if (index == RSP || (index >= 0 && index == base)) {
      return absolute(kept);
    }
    int scale = index < 0 ? 0 : random.nextInt(4);
    if (base == RSP) {
      // The stack is a window of its own.
      if (index >= 0) {
        return absolute(kept);
      }
      target = gpr[RSP] + random.nextInt(128) - 64;
    }
    if (base < 0) {
      displacementBytes = 4;
      if (!reaches(gpr[index] << scale)) {
        load(index, random.nextInt(1 << 20));
      }
      displacement = target - (value(index) << scale);
      baseRegister = NO_REGISTER;
    } else {
      chooseDisplacement(base, index, scale);
    }
    baseRegister = base;
    indexRegister = index;
    boolean needsSib = index >= 0 || base < 0 || (base & 7) == RSP;
    int mod = base < 0 ? 0 : displacementBytes == 4 ? 2 : displacementBytes;
    modRm = modRm & 0x38 | mod << 6 | (needsSib ? 4 : base & 7);
    if (needsSib) {
      int indexBits = index < 0 ? 4 : index & 7;
      sib = scale << 6 | indexBits << 3 | (base < 0 ? 5 : base & 7);
    }
    return kept | (index >= 8 ? 2 : 0) | (base >= 8 ? 1 : 0);
  }

  private void chooseDisplacement(int base, int index, int scale) {
    long scaled = index < 0 ? 0 : gpr[index] << scale;
    boolean asItIs = base == RSP || (reaches(gpr[base] + scaled) && random.nextBoolean());
    if (asItIs) {
      displacement = target - gpr[base] - scaled;
      if (addressBits == 32) {
        displacement = displacement << 32 >> 32;
      }
    } else {
      displacement =
          switch (random.nextInt(3)) {
            case 0 -> 0;
            case 1 -> (byte) random.nextInt();
            default -> random.nextInt();
          };
      load(base, target - displacement - scaled);
    }
    boolean none = displacement == 0 && (base & 7) != RBP && !chance(8);
    boolean small = displacement == (byte) displacement && !chance(8);
    displacementBytes = none ? 0 : small ? 1 : 4;
  }

  private boolean reaches(long from) {
    long distance = target - from;
    return addressBits == 32 || distance == (int) distance;
  }

  private long value(int register) {
    return gpr[register];
  }

  /** Adds an instruction that loads {@code register}; the values known here follow. */
  private void load(int register, long value) {
    if (register == RSP) {
      throw new IllegalStateException("RSP is never loaded");
    }
    long loaded = bits == 64 ? value : value & 0xffff_ffffL;
    if (bits == 64) {
      setup.movAbsolute(Gpr.of(register), loaded);
    } else {
      setup.mov(OpSize.DWORD, Gpr.of(register), loaded);
    }
    gpr[register] = loaded;
  }

  private void putAddress() {
    if (sib >= 0) {
      code.put8(sib);
    }
    if (ripRelativeAt == 0) {
      ripRelativeAt = code.position();
    }
    switch (displacementBytes) {
      case 0 -> {}
      case 1 -> code.put8((int) displacement);
      case 2 -> code.put16((int) displacement);
      default -> code.put32((int) displacement);
    }
  }

  // ---- operands that the encoding does not show

  private boolean implicitOperands() {
    for (OperandSpec operand : row.operands) {
      switch (operand.addressing()) {
        case OFFSET -> {
          long address = SiliconState.dataAddress(random);
          code.put(addressBits == 64 ? 8 : addressBits == 16 ? 2 : 4, address);
          if (addressBits == 16) {
            return false;
          }
        }
        case STRING_SOURCE -> point(6);
        case STRING_DESTINATION -> point(7);
        case FIXED_MEM -> {
          point(operand.value());
        }
        default -> {}
      }
    }
    if (row.has(Property.REP)) {
      // With ports forbidden, processors differ for a count of zero.
      load(1, row.has(Property.IO) ? 1 : random.nextInt(12));
    }
    return true;
  }

  /**
   * Makes a register point into the window, far enough from its ends for a repeated instruction.
   */
  private void point(int register) {
    long low = Window.DATA + Window.OPERANDS;
    long high = low + Window.OPERANDS_LENGTH;
    long value = addressBits == 32 ? gpr[register] & 0xffff_ffffL : gpr[register];
    if (value < low || value > high || chance(8)) {
      load(register, SiliconState.dataAddress(random));
    }
  }

  // ---- what must not be left to chance

  private boolean adjust(Insn insn, byte[] bytes) {
    int length = bytes.length;
    if (has(Addressing.REL)) {
      int count = row.operands.getLast().width() == Width.B ? 1 : 4;
      put(bytes, length - count, count, random.nextInt(6));
    }
    if (row.has(Property.BITSTRING) && insn.hasMemory()) {
      return bitString(insn);
    }
    return switch (insn.op.name()) {
      case "ENTER" -> {
        bytes[length - 3] = (byte) random.nextInt(64);
        bytes[length - 2] = 0;
        bytes[length - 1] = (byte) random.nextInt(4);
        load(RBP, gpr[RSP] + 32 + random.nextInt(16));
        yield true;
      }
      case "LEAVE" -> {
        load(RBP, gpr[RSP] + random.nextInt(32) - 16);
        yield true;
      }
      case "RET", "RET_NEAR" -> {
        if (length >= 3 && row.operands.size() > 0) {
          bytes[length - 2] = (byte) random.nextInt(32);
          bytes[length - 1] = 0;
        }
        // PUSH imm32 is 5 bytes.
        setup.push((int) (ip + 5 + length + random.nextInt(6)));
        yield setup.position() == 5 && insn.opSize == bits / 8;
      }
      case "POPF" -> {
        setup.push(random.nextInt() & 0x4_4cd5 | 0x100_0000);
        yield insn.opSize == bits / 8;
      }
      case "JMP", "CALL", "JMP_IND", "CALL_IND", "JMP_NEAR", "CALL_NEAR" -> indirect(insn, length);
      default -> true;
    };
  }

  private boolean indirect(Insn insn, int length) {
    if (has(Addressing.REL)) {
      return true;
    }
    if (insn.kind(0) != Insn.GPR || insn.reg(0) == RSP || insn.opSize != bits / 8) {
      return false;
    }
    int loadLength = bits == 64 ? 10 : 5;
    load(insn.reg(0), ip + loadLength + length + random.nextInt(6));
    return setup.position() == loadLength;
  }

  private boolean bitString(Insn insn) {
    if (insn.kind(1) != Insn.GPR) {
      return true;
    }
    int register = insn.reg(1);
    if (register == RSP || register == baseRegister || register == indexRegister) {
      return false;
    }
    load(register, random.nextInt(2048) - 1024);
    return true;
  }
}
