package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.machine.BareMachine;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** A guest that has every offset of its pages executed makes a block of each: not without end. */
class CodeBoundTest {
  private static final int CODE = 0x10_0000;
  private static final int BYTES = 5 * 4096;
  private static final byte NOP = (byte) 0x90;
  private static final byte HLT = (byte) 0xf4;

  @Test
  void blocksAreDroppedWhenThereAreTooMany() {
    try (BareMachine m = new BareMachine(4 << 20, new CpuModel("qemu64"), false)) {
      m.enterLongMode();
      byte[] code = new byte[BYTES];
      Arrays.fill(code, NOP);
      code[BYTES - 1] = HLT;
      m.load(CODE, code);
      for (int start = BYTES - 1; start >= 0; start--) {
        m.state().setRip(CODE + start);
        assertEquals(Interpreter.Stop.HALT, m.run(BYTES));
        assertEquals(CODE + BYTES, m.state().rip());
      }
      assertTrue(m.cpu().codeEmptied() > 0, "nothing was dropped");
    }
  }
}
