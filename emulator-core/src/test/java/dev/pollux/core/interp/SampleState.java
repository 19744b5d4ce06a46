package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.decode.OpcodeInfo.Property;
import dev.pollux.core.host.RawMemory;

/**
 * Register contents drawn from a seed, rich in the values at which arithmetic changes its
 * behaviour. The recorded vectors name seeds instead of states, so nothing here may change without
 * recording them anew.
 */
final class SampleState {
  private static final int[] SINGLES = {
    0,
    1,
    0x7f_ffff,
    0x80_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fc0_0000,
    0x3f80_0000,
    0x3f00_0000,
    0x3fff_ffff,
    0x4b00_0000,
    0x4b00_0001,
    0x4f00_0000,
    0x5f00_0000,
    0x3380_0000
  };
  private static final int[] LANES = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff};

  private long random;

  SampleState(long seed) {
    random = seed * 0x9e37_79b9_7f4a_7c15L + 0x1234_5678_9abc_def1L;
    next();
    next();
  }

  /** Xorshift64*. */
  private long next() {
    random ^= random >>> 12;
    random ^= random << 25;
    random ^= random >>> 27;
    return random * 0x2545_f491_4f6c_dd1dL;
  }

  private int below(int bound) {
    return (int) Long.remainderUnsigned(next() >>> 8, bound);
  }

  private int single() {
    int sign = below(2) << 31;
    return switch (below(4)) {
      case 0 -> sign | SINGLES[below(SINGLES.length)];
      case 1 -> (int) next();
      default -> sign | 117 + below(36) << 23 | (int) next() & 0x7f_ffff;
    };
  }

  private long doublePrecision() {
    long sign = (long) below(2) << 63;
    return switch (below(5)) {
      case 0 -> Double.doubleToRawLongBits(Float.intBitsToFloat(single()));
      case 1 -> next();
      case 2 -> sign | (long) below(3) << 52 | next() >>> 12;
      default -> sign | 1013L + below(80) << 52 | next() >>> 12;
    };
  }

  private long lanes() {
    if (below(2) == 0) {
      return next();
    }
    long value = 0;
    for (int i = 0; i < 4; i++) {
      value = value << 16 | LANES[below(8)];
    }
    return below(3) == 0 ? below(70) : value;
  }

  private long element(Insn insn) {
    String name = insn.op.name();
    if (!insn.info.has(Property.FP) && !insn.info.has(Property.APPROX)) {
      return lanes();
    }
    return name.endsWith("PD")
            || name.contains("SD")
            || name.startsWith("CVTPD")
            || name.startsWith("CVTTPD")
        ? doublePrecision()
        : single() & 0xffff_ffffL | (long) single() << 32;
  }

  private void putExtended(long address) {
    int se = below(2) << 15;
    long sig = next() | Long.MIN_VALUE;
    switch (below(8)) {
      case 0 -> sig = 0;
      case 1 -> sig >>>= below(64);
      case 2 -> {
        se |= 0x7fff;
        sig = below(2) == 0 ? Long.MIN_VALUE : sig;
      }
      case 3 -> se |= below(0x7fff);
      case 4 -> {
        se |= 16383 + below(70);
        sig = sig >> below(64) | Long.MIN_VALUE;
      }
      default -> se |= 16383 - 20 + below(90);
    }
    RawMemory.putLong(address, sig);
    RawMemory.putLong(address + 8, se);
  }

  /** Fills the registers that {@code insn} may use. */
  void fill(Interpreter cpu, Insn insn) {
    CpuState state = cpu.state();
    for (int i = 0; i < 16; i++) {
      state.setGpr(i, below(3) == 0 ? below(64) - 20 : next());
    }
    cpu.setStatusFlags((int) next());
    for (int i = 0; i < 16; i++) {
      for (int at = 0; at < 32; at += 8) {
        state.setU64(CpuLayout.YMM + 32 * i + at, element(insn));
      }
    }
    for (int i = 0; i < 8; i++) {
      putExtended(state.address() + CpuLayout.FPR + 16L * i);
    }
    int mxcsr = 0x1f80 | (int) next() & (below(2) == 0 ? 0x20 : 0xe040);
    state.setU32(CpuLayout.MXCSR, below(6) == 0 ? mxcsr & ~(0x80 << below(6)) : mxcsr);
    int fcw = 0x37f | below(4) << 10;
    if (below(3) == 0) {
      fcw = fcw & ~0x100 & ~(below(2) << 9);
    }
    state.setU16(CpuLayout.FCW, below(6) == 0 ? fcw & ~(1 << below(6)) : fcw);
    state.setU16(CpuLayout.FSW, below(8) << 11 | (int) next() & 0x4700);
    state.setU32(CpuLayout.FTW, below(3) == 0 ? (int) next() & 0xff : 0xff);
    if (insn.op.name().equals("FXTRACT") || insn.op.name().startsWith("FLD")) {
      state.setU32(CpuLayout.FTW, 0x7f7f >> 8 - ((state.u16(CpuLayout.FSW) >> 11) & 7) & 0xff);
    }
  }

  /** What the instruction may change, as text: one field a word. */
  static String describe(Interpreter cpu) {
    CpuState state = cpu.state();
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 16; i++) {
      field(text, "r" + i, state.gpr(i));
    }
    field(text, "fl", cpu.statusFlags());
    for (int i = 0; i < 16; i++) {
      for (int at = 0; at < 4; at++) {
        field(text, "y" + i + "." + at, state.u64(CpuLayout.YMM + 32 * i + 8 * at));
      }
    }
    for (int i = 0; i < 8; i++) {
      field(text, "f" + i, state.u64(CpuLayout.FPR + 16 * i));
      field(text, "e" + i, state.u16(CpuLayout.FPR + 16 * i + 8));
    }
    field(text, "mx", state.u32(CpuLayout.MXCSR));
    field(text, "cw", state.u16(CpuLayout.FCW));
    field(text, "sw", state.u16(CpuLayout.FSW));
    field(text, "tw", state.u32(CpuLayout.FTW) & 0xff);
    return text.toString();
  }

  private static void field(StringBuilder text, String name, long value) {
    text.append(name).append('=').append(Long.toHexString(value)).append(' ');
  }

  /** The words of {@code after} that are not in {@code before}. */
  static String changes(String before, String after) {
    String[] old = before.split(" ", -1);
    String[] now = after.split(" ", -1);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < now.length; i++) {
      if (!now[i].equals(old[i])) {
        text.append(text.isEmpty() ? "" : " ").append(now[i]);
      }
    }
    return text.toString();
  }
}
