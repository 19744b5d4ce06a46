package dev.pollux.core.interp;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** REP MOVS with DF set gives what a copy of one element after the other gives, overlaps too. */
class DownwardMovesTest {
  private static final int CODE = 0x1_0000;
  private static final int WINDOW = 0x10_0000;
  private static final int WINDOW_BYTES = 4 * 4096;

  private final Random random = new Random(3);

  @Test
  void copiesDownwards() {
    try (BareMachine m = new BareMachine(2 << 20, new CpuModel("qemu64"), false)) {
      m.enterLongMode();
      for (OpSize size : new OpSize[] {BYTE, DWORD, QWORD}) {
        for (int round = 0; round < 50; round++) {
          copy(m, size, round);
        }
      }
    }
  }

  private void copy(BareMachine m, OpSize size, int round) {
    byte[] memory = new byte[WINDOW_BYTES];
    random.nextBytes(memory);
    m.load(WINDOW, memory);
    int count = random.nextInt(1, 6000 / size.bytes());
    int from = random.nextInt(count * size.bytes(), WINDOW_BYTES - 8);
    int to =
        round % 2 == 0
            ? random.nextInt(count * size.bytes(), WINDOW_BYTES - 8)
            : Math.clamp(from + random.nextInt(-40, 40), count * size.bytes(), WINDOW_BYTES - 8);
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(CODE);
    asm.mov(DWORD, Gpr.RSI, WINDOW + from);
    asm.mov(DWORD, Gpr.RDI, WINDOW + to);
    asm.mov(DWORD, Gpr.RCX, count);
    asm.op(NullaryOp.STD);
    asm.rep(StringOp.MOVS, size);
    asm.op(NullaryOp.CLD);
    asm.op(NullaryOp.HLT);
    m.load(CODE, asm.finish());
    m.state().setRip(CODE);
    assertEquals(Interpreter.Stop.HALT, m.run(1_000_000));
    for (int i = 0; i < count; i++) {
      System.arraycopy(
          Arrays.copyOfRange(
              memory, from - i * size.bytes(), from - i * size.bytes() + size.bytes()),
          0,
          memory,
          to - i * size.bytes(),
          size.bytes());
    }
    String what = "%s x %d, from %x to %x".formatted(size, count, from, to);
    assertArrayEquals(memory, m.memory(WINDOW, WINDOW_BYTES), what);
    assertEquals(WINDOW + from - (long) count * size.bytes(), m.state().gpr(6), what);
    assertEquals(WINDOW + to - (long) count * size.bytes(), m.state().gpr(7), what);
    assertEquals(0, m.state().gpr(1), what);
  }
}
