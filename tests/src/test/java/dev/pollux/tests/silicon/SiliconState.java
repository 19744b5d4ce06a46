package dev.pollux.tests.silicon;

import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.memory.RamBlock;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Everything that a user-level instruction can see or change, as an array of words: registers,
 * flags, x87 and vector state, the memory windows, and how execution ended. Not thread-safe.
 */
final class SiliconState {
  static final int GPR = 0;
  static final int RFLAGS = 16;
  static final int RIP = 17;

  /** Vector of the exception that ended execution. */
  static final int VECTOR = 18;

  /** Its error code, 0 for an exception that has none. */
  static final int ERROR = 19;

  /** CR2 if the exception is a page fault, else 0. */
  static final int CR2 = 20;

  static final int FCW = 21;
  static final int FSW = 22;
  static final int FTW = 23;
  static final int MXCSR = 24;

  /** Physical x87 registers R0 to R7: significand, then sign and exponent. */
  static final int FPR = 26;

  /** YMM0 to YMM15, four words each. */
  static final int YMM = 42;

  static final int DATA = 106;
  static final int STACK = DATA + Window.DATA_LENGTH / 8;
  static final int WORDS = STACK + Window.STACK_LENGTH / 8;

  /** User-visible flags; IF is set on both sides, RF comes and goes with exceptions. */
  static final long COMPARED_FLAGS = 0x4_4dd5;

  /** End of an undisturbed run. */
  static final int NO_EXCEPTION = -1;

  private static final int POOL_WORDS = 1 << 15;
  private static final int RFLAGS_FIXED = 2;
  private static final int IF = 1 << 9;
  private static final int RSP = 4;

  final long[] words = new long[WORDS];

  void copyFrom(SiliconState other) {
    System.arraycopy(other.words, 0, words, 0, WORDS);
  }

  long gpr(int register) {
    return words[GPR + register];
  }

  // ---- random contents

  /** Lanes to take vector registers and memory from: making new ones for each case costs more. */
  static long[] pool(RandomGenerator random) {
    long[] pool = new long[POOL_WORDS];
    for (int i = 0; i < pool.length; i++) {
      pool[i] = randomLanes(random);
    }
    return pool;
  }

  void randomize(RandomGenerator random, long[] pool) {
    for (int i = 0; i < 16; i++) {
      words[GPR + i] = randomInteger(random);
    }
    words[GPR + RSP] = Window.STACK + Window.STACK_LENGTH / 2 - 8L * random.nextInt(16);
    if (random.nextInt(4) == 0) {
      words[GPR + RSP] -= random.nextInt(8);
    }
    words[RFLAGS] = RFLAGS_FIXED | IF | (random.nextLong() & 0x8d5);
    if (random.nextInt(8) == 0) {
      words[RFLAGS] |= 0x400;
    }
    words[RIP] = 0;
    words[VECTOR] = NO_EXCEPTION;
    randomizeX87(random);
    randomizeMxcsr(random);
    System.arraycopy(pool, random.nextInt(pool.length - WORDS), words, YMM, WORDS - YMM);
  }

  private void randomizeX87(RandomGenerator random) {
    int masks = random.nextInt(16) == 0 ? random.nextInt(64) : 63;
    words[FCW] = 0x40 | masks | random.nextInt(4) << 10 | PRECISION[random.nextInt(4)] << 8;
    // Without an unmasked exception pending, else every x87 instruction would fault.
    int flags = random.nextInt(128) & (masks | 64);
    words[FSW] = flags | random.nextInt(8) << 11 | (random.nextInt() & 0x4700);
    words[FTW] = random.nextInt(3) == 0 ? random.nextInt(256) : random.nextBoolean() ? 0 : 255;
    for (int i = 0; i < 8; i++) {
      randomFloat80(random, FPR + 2 * i);
    }
  }

  private static final int[] PRECISION = {0, 2, 3, 3};

  private void randomizeMxcsr(RandomGenerator random) {
    int value = random.nextInt(4) << 13 | 0x1f80;
    if (random.nextBoolean()) {
      value |= random.nextInt(64);
    }
    if (random.nextInt(4) == 0) {
      value |= 1 << 15;
    }
    if (random.nextInt(4) == 0) {
      value |= 1 << 6;
    }
    if (random.nextInt(16) == 0) {
      value &= ~(random.nextInt(64) << 7);
    }
    words[MXCSR] = value;
  }

  static long randomInteger(RandomGenerator random) {
    return switch (random.nextInt(8)) {
      case 0 -> random.nextInt(256);
      case 1 -> random.nextInt(512) - 256;
      case 2 -> random.nextInt();
      case 3 -> SPECIAL_INTEGERS[random.nextInt(SPECIAL_INTEGERS.length)];
      case 4 -> dataAddress(random);
      case 5 -> random.nextLong() >>> random.nextInt(64);
      default -> random.nextLong();
    };
  }

  private static final long[] SPECIAL_INTEGERS = {
    0,
    1,
    -1,
    2,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffffL,
    0x8000_0000L,
    0xffff_ffffL,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    0x5555_5555_5555_5555L
  };

  /** An address of an operand, half of them aligned to 64 bytes, a few of them where it faults. */
  static long dataAddress(RandomGenerator random) {
    long address = Window.DATA + Window.OPERANDS + random.nextInt(Window.OPERANDS_LENGTH);
    switch (random.nextInt(64)) {
      case 0 -> address = Window.READ_ONLY - random.nextInt(64);
      case 1 -> address = Window.READ_ONLY + random.nextInt(0x1000);
      case 2 -> address = Window.UNMAPPED - random.nextInt(64);
      case 3 -> address = Window.UNMAPPED + random.nextInt(64);
      case 4, 5, 6, 7, 8, 9, 10, 11 ->
          address = (Window.DATA | RamBlock.PAGE_SIZE - 1) + 1 - random.nextInt(64);
      default -> {}
    }
    return random.nextBoolean() ? address & -64 : address;
  }

  /** Eight bytes of integer or floating-point lanes. */
  private static long randomLanes(RandomGenerator random) {
    return switch (random.nextInt(6)) {
      case 0 -> random.nextLong();
      case 1 -> randomInteger(random);
      case 2 -> Double.doubleToRawLongBits(randomDouble(random));
      case 3 -> Double.doubleToRawLongBits((random.nextDouble() - 0.5) * 1024);
      default -> randomFloat(random) & 0xffff_ffffL | (long) randomFloat(random) << 32;
    };
  }

  private static double randomDouble(RandomGenerator random) {
    return SPECIAL_DOUBLES[random.nextInt(SPECIAL_DOUBLES.length)];
  }

  private static final double[] SPECIAL_DOUBLES = {
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    2.5,
    -2.5,
    Double.MIN_VALUE,
    -Double.MIN_VALUE,
    Double.MIN_NORMAL,
    Double.MAX_VALUE,
    -Double.MAX_VALUE,
    Double.POSITIVE_INFINITY,
    Double.NEGATIVE_INFINITY,
    Double.NaN,
    Double.longBitsToDouble(0x7ff0_0000_0000_0001L),
    Double.longBitsToDouble(0xfff8_0000_0000_1234L),
    Double.MIN_NORMAL / 2,
    0x1p31,
    0x1p63,
    -0x1p31,
    -0x1p63,
    0x1.fffffep127,
    0x1.ffffffp127,
    0x1p-149,
    0x1p-150,
    Math.PI,
    1e308,
    1e-300
  };

  private static int randomFloat(RandomGenerator random) {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextInt();
      case 1 -> Float.floatToRawIntBits((random.nextFloat() - 0.5f) * 256);
      case 2 -> Float.floatToRawIntBits((float) randomDouble(random));
      default -> SPECIAL_FLOATS[random.nextInt(SPECIAL_FLOATS.length)];
    };
  }

  private static final int[] SPECIAL_FLOATS = {
    0,
    1,
    0x8000_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7f80_0001,
    0x7fc0_0000,
    0xffc1_2345,
    0x3f80_0000,
    0x0080_0000,
    0x007f_ffff,
    0x7f7f_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x3f00_0000,
    0x4020_0000
  };

  private void randomFloat80(RandomGenerator random, int at) {
    long significand = random.nextLong();
    int exponent;
    switch (random.nextInt(10)) {
      case 0 -> exponent = random.nextInt() & 0xffff;
      case 1 -> {
        exponent = random.nextBoolean() ? 0x7fff : 0xffff;
        significand = SPECIAL_SIGNIFICANDS[random.nextInt(SPECIAL_SIGNIFICANDS.length)];
      }
      case 2 -> {
        exponent = random.nextBoolean() ? 0 : 0x8000;
        significand = SPECIAL_SIGNIFICANDS[random.nextInt(SPECIAL_SIGNIFICANDS.length)];
      }
      case 3 -> {
        exponent = 0x3fff + random.nextInt(64);
        significand = (random.nextLong() | Long.MIN_VALUE) & -1L << random.nextInt(64);
      }
      default -> {
        exponent = 0x3fff - 40 + random.nextInt(80) | (random.nextInt() & 0x8000);
        significand |= Long.MIN_VALUE;
      }
    }
    words[at] = significand;
    words[at + 1] = exponent & 0xffff;
  }

  private static final long[] SPECIAL_SIGNIFICANDS = {
    0,
    1,
    Long.MIN_VALUE,
    Long.MIN_VALUE | 1,
    0xc000_0000_0000_0000L,
    0x4000_0000_0000_0000L,
    -1,
    0xc000_0000_0000_0001L,
    0x1234
  };

  // ---- to and from the two processors

  /** Into a vCPU's state block; memory is the caller's affair. */
  void toCpu(CpuState state) {
    long block = state.address();
    for (int i = 0; i < 16; i++) {
      state.setGpr(i, words[GPR + i]);
    }
    state.setRflags(words[RFLAGS]);
    state.setRip(words[RIP]);
    state.setU16(CpuLayout.FCW, (int) words[FCW]);
    state.setU16(CpuLayout.FSW, (int) words[FSW]);
    state.setU32(CpuLayout.FTW, (int) words[FTW]);
    state.setU32(CpuLayout.MXCSR, (int) words[MXCSR]);
    state.setU32(CpuLayout.FOP, 0);
    state.setU64(CpuLayout.FIP, 0);
    state.setU64(CpuLayout.FDP, 0);
    state.setU32(CpuLayout.FCS, 0);
    state.setU32(CpuLayout.FDS, 0);
    for (int i = 0; i < 16; i++) {
      RawMemory.putLong(block + CpuLayout.FPR + 8L * i, words[FPR + i]);
    }
    for (int i = 0; i < 64; i++) {
      RawMemory.putLong(block + CpuLayout.YMM + 8L * i, words[YMM + i]);
    }
  }

  void fromCpu(CpuState state) {
    long block = state.address();
    for (int i = 0; i < 16; i++) {
      words[GPR + i] = state.gpr(i);
    }
    words[RFLAGS] = state.rflags();
    words[RIP] = state.rip();
    words[FCW] = state.u16(CpuLayout.FCW);
    words[FSW] = state.u16(CpuLayout.FSW);
    words[FTW] = state.u32(CpuLayout.FTW) & 0xff;
    words[MXCSR] = state.u32(CpuLayout.MXCSR);
    for (int i = 0; i < 8; i++) {
      words[FPR + 2 * i] = RawMemory.getLong(block + CpuLayout.FPR + 16L * i);
      words[FPR + 2 * i + 1] = RawMemory.getLong(block + CpuLayout.FPR + 16L * i + 8) & 0xffff;
    }
    for (int i = 0; i < 64; i++) {
      words[YMM + i] = RawMemory.getLong(block + CpuLayout.YMM + 8L * i);
    }
  }

  /** Notes how execution ended; {@code address} is looked at after a page fault only. */
  void setException(int vector, long error, long address) {
    words[VECTOR] = vector;
    words[ERROR] = HAS_ERROR_CODE >> vector & 1;
    if (words[ERROR] != 0) {
      words[ERROR] = error & 0xffff_ffffL;
    }
    words[CR2] = 0;
    if (vector == CpuException.PF) {
      words[CR2] = address;
      if (address >>> 47 != 0) {
        // Linux tells programs that all of its addresses are present.
        words[ERROR] |= 1;
      }
    }
  }

  /** Vectors 8, 10 to 14 and 17. */
  private static final int HAS_ERROR_CODE = 0x2_7d00;

  void setNoException() {
    words[VECTOR] = NO_EXCEPTION;
    words[ERROR] = 0;
    words[CR2] = 0;
  }

  /** Into an XSAVE area in standard format (Intel SDM vol. 1, 13.4). */
  void toXsave(long area) {
    for (int i = 0; i < 832; i += 8) {
      RawMemory.putLong(area + i, 0);
    }
    RawMemory.putShort(area, (short) words[FCW]);
    RawMemory.putShort(area + 2, (short) words[FSW]);
    RawMemory.putByte(area + 4, (byte) words[FTW]);
    RawMemory.putInt(area + 24, (int) words[MXCSR]);
    int top = (int) words[FSW] >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      int physical = FPR + 2 * ((i + top) & 7);
      RawMemory.putLong(area + 32 + 16L * i, words[physical]);
      RawMemory.putLong(area + 40 + 16L * i, words[physical + 1]);
    }
    for (int i = 0; i < 16; i++) {
      RawMemory.putLong(area + 160 + 16L * i, words[YMM + 4 * i]);
      RawMemory.putLong(area + 168 + 16L * i, words[YMM + 4 * i + 1]);
      RawMemory.putLong(area + 576 + 16L * i, words[YMM + 4 * i + 2]);
      RawMemory.putLong(area + 584 + 16L * i, words[YMM + 4 * i + 3]);
    }
    RawMemory.putLong(area + 512, 7);
  }

  void fromXsave(long area) {
    words[FCW] = RawMemory.getShort(area) & 0xffff;
    words[FSW] = RawMemory.getShort(area + 2) & 0xffff;
    words[FTW] = RawMemory.getByte(area + 4) & 0xff;
    words[MXCSR] = RawMemory.getInt(area + 24);
    int top = (int) words[FSW] >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      int physical = FPR + 2 * ((i + top) & 7);
      words[physical] = RawMemory.getLong(area + 32 + 16L * i);
      words[physical + 1] = RawMemory.getLong(area + 40 + 16L * i) & 0xffff;
    }
    for (int i = 0; i < 16; i++) {
      words[YMM + 4 * i] = RawMemory.getLong(area + 160 + 16L * i);
      words[YMM + 4 * i + 1] = RawMemory.getLong(area + 168 + 16L * i);
      words[YMM + 4 * i + 2] = RawMemory.getLong(area + 576 + 16L * i);
      words[YMM + 4 * i + 3] = RawMemory.getLong(area + 584 + 16L * i);
    }
  }

  /** Writes both memory windows; {@code shift} is added to the arena's addresses. */
  void toMemory(long shift) {
    fillPages(Window.DATA_PAGES + shift, Window.DATA + shift, DATA, Window.DATA_LENGTH);
    fillPages(Window.STACK_PAGES + shift, Window.STACK + shift, STACK, Window.STACK_LENGTH);
  }

  private void fillPages(long pages, long window, int from, int length) {
    RawMemory.fill(pages, window - pages, (byte) 0);
    MemorySegment.copy(
        words, from, RawMemory.segment(window, length), ValueLayout.JAVA_LONG, 0, length / 8);
    long end = window + length;
    RawMemory.fill(end, pages + Window.PAGES_LENGTH - end, (byte) 0);
  }

  void fromMemory(long shift) {
    readWindow(Window.DATA + shift, DATA, Window.DATA_LENGTH);
    readWindow(Window.STACK + shift, STACK, Window.STACK_LENGTH);
  }

  private void readWindow(long window, int to, int length) {
    MemorySegment.copy(
        RawMemory.segment(window, length), ValueLayout.JAVA_LONG, 0, words, to, length / 8);
  }

  // ---- comparison

  /** True if the two are equal but for the flags in {@code undefinedFlags}. */
  boolean sameAs(SiliconState other, long undefinedFlags) {
    long flags = COMPARED_FLAGS & ~undefinedFlags;
    return ((words[RFLAGS] ^ other.words[RFLAGS]) & flags) == 0
        && Arrays.equals(words, GPR, RFLAGS, other.words, GPR, RFLAGS)
        && Arrays.equals(words, RIP, WORDS, other.words, RIP, WORDS);
  }

  /** What differs, a line each: name, this side, other side. */
  List<String> differences(SiliconState other, long undefinedFlags) {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < WORDS; i++) {
      long mine = words[i];
      long theirs = other.words[i];
      if (i == RFLAGS) {
        mine &= COMPARED_FLAGS & ~undefinedFlags;
        theirs &= COMPARED_FLAGS & ~undefinedFlags;
      }
      if (mine != theirs) {
        lines.add("%s %x %x".formatted(name(i), mine, theirs));
      }
    }
    return lines;
  }

  private static final String[] GPR_NAMES = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15", "rflags", "rip", "vector", "error", "cr2", "fcw", "fsw", "ftw", "mxcsr", "-"
  };

  /** Name of a word in reports, understood by {@link #indexOf}. */
  static String name(int word) {
    if (word < FPR) {
      return GPR_NAMES[word];
    }
    if (word < YMM) {
      return ((word & 1) == 0 ? "fpr" : "fpe") + (word - FPR) / 2;
    }
    if (word < DATA) {
      return "ymm" + (word - YMM) / 4 + "." + (word - YMM) % 4;
    }
    return word < STACK ? "data+" + 8 * (word - DATA) : "stack+" + 8 * (word - STACK);
  }

  /** The word that {@link #name} calls {@code name}. */
  static int indexOf(String name) {
    for (int i = 0; i < WORDS; i++) {
      if (name(i).equals(name)) {
        return i;
      }
    }
    throw new IllegalArgumentException("no part of the state is called " + name);
  }
}
