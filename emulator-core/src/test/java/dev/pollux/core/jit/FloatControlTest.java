package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** FLDCW, FNSTCW and LDMXCSR in generated code do what the interpreter does. */
class FloatControlTest {
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x10_0000;
  private static final int LENGTH = 64;

  /** fnstcw [rdi+8]; fldcw [rdi]; fnstcw [rdi+10]; hlt. */
  private static final String WORDS = "d97f08 d92f d97f0a f4";

  /** The same while the x87 registers are loaded, and a quotient rounded as the word says. */
  private static final String WORDS_AND_QUOTIENT =
      "d9e8 d9eb d97f08 d92f d97f0a def9 db7f10 d97f0c f4";

  /** ldmxcsr [rdi+4]; divsd xmm0, xmm1; stmxcsr [rdi+8]; hlt. */
  private static final String SIMD = "0fae5704 f20f5ec1 0fae5f08 f4";

  private BareMachine interpreter;
  private BareMachine generator;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    interpreter = new BareMachine(4 << 20, new CpuModel("qemu64"), false);
    generator = new BareMachine(4 << 20, new CpuModel("qemu64"), true);
    interpreter.enterLongMode();
    generator.enterLongMode();
  }

  @AfterEach
  void close() {
    if (interpreter != null) {
      interpreter.close();
      generator.close();
    }
  }

  /** All that the code can change. */
  private static byte[] run(BareMachine m, String hex, int fcw, int mxcsr) {
    m.load(CODE, HexFormat.of().parseHex(hex.replace(" ", "")));
    m.load(DATA, new byte[LENGTH]);
    m.machine().memory().write(DATA, 2, fcw);
    m.machine().memory().write(DATA + 4, 4, mxcsr);
    m.state().setU16(CpuLayout.FCW, 0x37f);
    m.state().setU16(CpuLayout.FSW, 0);
    m.state().setU32(CpuLayout.FTW, 0);
    m.state().setU32(CpuLayout.MXCSR, 0x1f80);
    m.state().setU64(CpuLayout.YMM, Double.doubleToRawLongBits(1));
    m.state().setU64(CpuLayout.YMM + CpuLayout.YMM_SIZE, Double.doubleToRawLongBits(3));
    m.state().setGpr(7, DATA);
    m.state().setRip(CODE);
    Interpreter.Stop stop = m.run(100);
    byte[] seen = new byte[4 + 8 + LENGTH];
    seen[0] = (byte) stop.ordinal();
    seen[1] = (byte) m.state().u32(CpuLayout.MXCSR);
    seen[2] = (byte) (m.state().u32(CpuLayout.MXCSR) >> 8);
    RawMemory.copyOut(m.state().address() + CpuLayout.YMM, seen, 4, 8);
    System.arraycopy(m.memory(DATA, LENGTH), 0, seen, 12, LENGTH);
    return seen;
  }

  /** The engines end alike; {@code translated}: code is entered once and left at its end. */
  private void both(String hex, int fcw, int mxcsr, boolean translated) {
    String what = hex + " with %x and %x".formatted(fcw, mxcsr);
    byte[] expected = run(interpreter, hex, fcw, mxcsr);
    assertArrayEquals(expected, run(generator, hex, fcw, mxcsr), what);
    long before = generator.jit().entries();
    assertArrayEquals(expected, run(generator, hex, fcw, mxcsr), what);
    if (translated) {
      assertEquals(1, generator.jit().entries() - before, what);
    }
  }

  @Test
  void everyControlWordWithAllMasks() {
    for (String code : List.of(WORDS, WORDS_AND_QUOTIENT)) {
      both(code, 0x37f, 0x1f80, true);
      for (int rounding = 0; rounding < 4; rounding++) {
        for (int precision : new int[] {0, 2, 3}) {
          both(code, rounding << 10 | precision << 8 | 0x3f, 0x1f80, true);
        }
      }
      both(code, 0xf3ff, 0x1f80, true); // bits that do not exist
      both(code, 0x133f, 0x1f80, true);
    }
  }

  @Test
  void unmaskedExceptionsAreTheInterpreters() {
    both(WORDS, 0x37f, 0x1f80, true);
    for (int bit = 0; bit < 6; bit++) {
      both(WORDS, 0x37f & ~(1 << bit), 0x1f80, false);
      both(WORDS_AND_QUOTIENT, 0x37f & ~(1 << bit), 0x1f80, false);
    }
  }

  @Test
  void everyMxcsr() {
    both(SIMD, 0x37f, 0x1f80, true);
    for (int bit = 0; bit < 16; bit++) {
      boolean mask = bit >= 7 && bit < 13;
      both(SIMD, 0x37f, mask ? 0x1f80 & ~(1 << bit) : 0x1f80 | 1 << bit, !mask);
    }
    both(SIMD, 0x37f, 0xffff, true);
    both(SIMD, 0x37f, 0x1_1f80, false); // #GP
    both(SIMD, 0x37f, 0x8000_1f80, false);
  }
}
