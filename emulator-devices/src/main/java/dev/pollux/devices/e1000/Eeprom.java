package dev.pollux.devices.e1000;

import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * The memory with the card's address (manual, 5): 64 words that software reads by a register, or
 * bit by bit over a Microwire. It cannot be written. Machine lock held.
 */
final class Eeprom {
  private static final int WORDS = 64;
  private static final int SUM = 0xbaba;

  private static final int CLOCK = 1;
  private static final int SELECT = 1 << 1;
  private static final int DATA_IN = 1 << 2;
  private static final int DATA_OUT = 1 << 3;
  private static final int REQUEST = 1 << 6;
  private static final int GRANT = 1 << 7;
  private static final int PRESENT = 1 << 8;
  private static final int DRIVEN = CLOCK | SELECT | DATA_IN | REQUEST;

  /** A start bit, two of the instruction, six of the address. */
  private static final int INSTRUCTION_BITS = 9;

  private static final int READ = 0b110;
  private static final int DONE = 1 << 4;

  static final StateDescriptor<Eeprom> STATE =
      StateDescriptor.of(Eeprom.class, "e1000-eeprom", 1)
          .u32("lines", e -> e.lines, (e, v) -> e.lines = v & DRIVEN)
          .u32("shifted", e -> e.shifted, (e, v) -> e.shifted = v)
          .u8("count", INSTRUCTION_BITS, e -> e.count, (e, v) -> e.count = v)
          .u16("output", e -> e.output, (e, v) -> e.output = v)
          .u8("left", 17, e -> e.left, (e, v) -> e.left = v)
          .u32("answer", e -> e.answer, (e, v) -> e.answer = v);

  @HostOnly("fixed; made of the card's address")
  private final int[] words = new int[WORDS];

  private int lines;
  private int shifted;
  private int count;
  private int output;

  /** Bits of {@link #output} that are still to come; at first a zero before them. */
  private int left;

  /** What the register for reading holds. */
  private int answer;

  Eeprom(byte[] address, int device) {
    for (int i = 0; i < 3; i++) {
      words[i] = address[2 * i] & 0xff | (address[2 * i + 1] & 0xff) << 8;
    }
    words[0x0a] = 0x4408; // initialization control 1
    words[0x0b] = 0x1100; // subsystem
    words[0x0c] = 0x1af4;
    words[0x0d] = device;
    words[0x0e] = 0x8086;
    words[0x0f] = 0x3040; // initialization control 2: pauses in both directions
    int sum = 0;
    for (int i = 0; i < WORDS - 1; i++) {
      sum += words[i];
    }
    words[WORDS - 1] = SUM - sum & 0xffff;
  }

  void reset() {
    lines = 0;
    shifted = 0;
    count = 0;
    output = 0;
    left = 0;
    answer = 0;
  }

  // ---- the register for whole words (EERD) ----

  void ask(int value) {
    int word = words[value >>> 8 & WORDS - 1];
    answer = (value & 1) != 0 ? word << 16 | value & 0xff00 | DONE : 0;
  }

  int answer() {
    return answer;
  }

  // ---- the wires (EECD) ----

  int readLines() {
    boolean high = left == 0 || left <= 16 && (output >> left - 1 & 1) != 0;
    int grant = (lines & REQUEST) != 0 ? GRANT : 0;
    return lines | PRESENT | grant | (high ? DATA_OUT : 0);
  }

  void writeLines(int value) {
    int before = lines;
    lines = value & DRIVEN;
    if ((lines & SELECT) == 0) {
      shifted = 0;
      count = 0;
      left = 0;
    } else if ((before & CLOCK) == 0 && (lines & CLOCK) != 0) {
      rise((lines & DATA_IN) != 0 ? 1 : 0);
    }
  }

  /** The clock has gone up: a bit goes in, or the next one comes out. */
  private void rise(int bit) {
    if (left > 0) {
      if (--left == 0) {
        count = 0;
        shifted = 0;
      }
      return;
    }
    if (count == 0 && bit == 0) {
      return; // before the start bit
    }
    shifted = shifted << 1 | bit;
    if (++count == INSTRUCTION_BITS) {
      if (shifted >> 6 == READ) {
        output = words[shifted & WORDS - 1];
        left = 17;
      }
      count = 0;
      shifted = 0;
    }
  }
}
