package dev.pollux.core.decode;

import dev.pollux.core.cpu.CpuFeature;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.random.RandomGenerator;

/** Makes random encodings of table rows, each checked with the decoder to be one of that row. */
final class InsnGenerator {
  private static final int ATTEMPTS = 100;
  private static final int[] SEGMENT_PREFIXES = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};

  private final Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));
  private final RandomGenerator random;
  private final int mode;

  // The encoding under construction.
  private final byte[] code = new byte[48];
  private int length;

  /**
   * @param random makes the choices
   * @param mode 16, 32 or 64
   */
  InsnGenerator(RandomGenerator random, int mode) {
    this.random = random;
    this.mode = mode;
  }

  /** The bytes of a random encoding of the row; null if the mode has none. */
  byte[] generate(OpcodeInfo row) {
    for (int i = 0; i < ATTEMPTS; i++) {
      encode(row);
      Insn insn = decoder.decode(code, 0, length, mode);
      if (insn != null && insn.info == row) {
        return Arrays.copyOf(code, insn.length);
      }
    }
    return null;
  }

  private void put(int... bytes) {
    for (int b : bytes) {
      code[length++] = (byte) b;
    }
  }

  private boolean oneIn(int n) {
    return random.nextInt(n) == 0;
  }

  private void encode(OpcodeInfo row) {
    length = 0;
    boolean memory =
        row.hasModRm
            && ((row.keyMask & OpcodeInfo.KEY_MOD3) != 0
                ? (row.keyValue & OpcodeInfo.KEY_MOD3) == 0
                : !oneIn(3));
    boolean otherAddressSize = oneIn(16);
    if (oneIn(16)) {
      put(SEGMENT_PREFIXES[random.nextInt(SEGMENT_PREFIXES.length)]);
    }
    if (otherAddressSize) {
      put(0x67);
    }
    if (memory && row.lockable && oneIn(4)) {
      put(0xF0);
    }
    if (row.map.vex()) {
      vexPrefix(row);
      put(row.opcode);
    } else {
      legacyPrefixes(row);
      switch (row.map) {
        case M0F -> put(0x0F);
        case M0F38 -> put(0x0F, 0x38);
        case M0F3A -> put(0x0F, 0x3A);
        default -> {}
      }
      put(row.opcode + random.nextInt(row.opcodeCount));
    }
    if (row.hasModRm) {
      int fixed = row.keyMask & 0x3F;
      int modRm = random.nextInt(0x40) & ~fixed | row.keyValue & fixed;
      put(modRm | (memory ? random.nextInt(3) : 3) << 6);
    }
    for (int i = 0; i < Decoder.MAX_LENGTH; i++) {
      put(random.nextInt()); // SIB, displacement and immediates, as many as the decoder takes
    }
  }

  private void legacyPrefixes(OpcodeInfo row) {
    boolean operandSizeFree = (row.prefixes & 2) != 0 || row.prefixes == 4 || row.prefixes == 8;
    if (row.prefixes == 2 || operandSizeFree && oneIn(5)) {
      put(0x66);
    }
    if (row.prefixes == 4 || row.has(OpcodeInfo.Property.REP) && oneIn(3)) {
      put(0xF3);
    } else if (row.prefixes == 8 || row.has(OpcodeInfo.Property.REP) && oneIn(3)) {
      put(0xF2);
    }
    if (mode == 64 && !oneIn(3)) {
      put(0x40 | random.nextInt(16));
    }
  }

  private void vexPrefix(OpcodeInfo row) {
    int l = fixedOrRandom(row, OpcodeInfo.KEY_L);
    int w = fixedOrRandom(row, OpcodeInfo.KEY_W);
    int vvvv = (row.keyMask & OpcodeInfo.KEY_NO_VVVV) != 0 ? 15 : random.nextInt(16);
    int last = vvvv << 3 | l << 2 | Integer.numberOfTrailingZeros(row.prefixes);
    int rxb = mode == 64 ? random.nextInt(8) : 7;
    int map = row.map.ordinal() - OpcodeInfo.Map.VEX_0F.ordinal() + 1;
    if (map == 1 && w == 0 && (rxb & 3) == 3 && random.nextBoolean()) {
      put(0xC5, rxb >> 2 << 7 | last);
    } else {
      put(0xC4, rxb << 5 | map, w << 7 | last);
    }
  }

  private int fixedOrRandom(OpcodeInfo row, int bit) {
    if ((row.keyMask & bit) != 0) {
      return (row.keyValue & bit) != 0 ? 1 : 0;
    }
    return random.nextInt(2);
  }
}
