package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.machine.BareMachine;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Blocks of 16-bit code do the same by shared handlers, by copies of templates, and where they
 * change from one to the other.
 */
class ColdBlocksTest {
  private static final int CODE = 0x1000;
  private static final int DATA = 0x2000;
  private static final int REGISTERS = 16;
  private static final int RAX = 0;

  /**
   * mov cx, 20; xor ax, ax; then 20 times: nop; add ax, cx; adc bx, 7; mov [2000], ax; inc word
   * [2002]; nop; sub dl, al; rcl word [2004], 1; dec cx; jnz; at last hlt.
   */
  private static final String LOOP =
      "b91400 31c0 90 01c8 83d307 a30020 ff060220 90 28c2 d1160420 49 75e9 f4";

  /**
   * mov cx, 20; then 20 times: inc byte [1008], which is the constant of: add ax, 0; dec cx; jnz;
   * at last hlt.
   */
  private static final String WRITTEN = "b91400 fe060810 050000 49 75f6 f4";

  private record Result(long[] registers, long flags, String data) {}

  private static Result run(String code, int coldRuns) {
    try (BareMachine machine = new BareMachine(1 << 20, new CpuModel("qemu64"), false)) {
      machine.enterRealMode();
      machine.load(CODE, HexFormat.of().parseHex(code.replace(" ", "")));
      machine.state().setRip(CODE);
      Interpreter cpu = new Interpreter(machine.vcpu(), coldRuns);
      assertEquals(Interpreter.Stop.HALT, cpu.runBare(10_000, false));
      long[] registers = new long[REGISTERS];
      for (int i = 0; i < REGISTERS; i++) {
        registers[i] = machine.state().gpr(i);
      }
      Result result =
          new Result(
              registers,
              machine.state().rflags(),
              HexFormat.of().formatHex(machine.memory(DATA, 8)));
      cpu.close();
      return result;
    }
  }

  private static void compare(String code, int coldRuns) {
    Result expected = run(code, 0);
    assertNotEquals(0, expected.registers[RAX]);
    Result found = run(code, coldRuns);
    assertArrayEquals(expected.registers, found.registers);
    assertEquals(expected.flags, found.flags);
    assertEquals(expected.data, found.data);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 19, 1000})
  void loop(int coldRuns) {
    compare(LOOP, coldRuns);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7})
  void codeThatIsWritten(int coldRuns) {
    compare(WRITTEN, coldRuns);
  }
}
