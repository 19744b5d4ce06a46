package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.machine.BareMachine;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A guest decides how many blocks are made of its code. At the bound all of them are dropped, and
 * it goes on.
 */
class CodeBoundTest {
  private static final int CODE = 0x10_0000;
  private static final long BOUND = 256 << 10;

  /** What the last block before the bound, and its page, may come to. */
  private static final long LAST = 16 << 10;

  private static final byte NOP = (byte) 0x90;
  private static final byte HLT = (byte) 0xf4;

  /** inc dword [rip + 1], which is the constant of: mov eax, 0; sub ebx, 1; jnz to the inc; hlt. */
  private static final String WRITTEN = "ff 05 01 00 00 00 b8 00 00 00 00 83 eb 01 75 f0 f4";

  private static final int RAX = 0;
  private static final int RBX = 3;

  private BareMachine machine;
  private Interpreter cpu;

  @BeforeEach
  void open() {
    machine = new BareMachine(8 << 20, new CpuModel("qemu64"), false);
    machine.enterLongMode();
    cpu =
        new Interpreter(machine.vcpu(), new BlockBuilder(machine.vcpu().model().features()), BOUND);
  }

  @AfterEach
  void close() {
    cpu.close();
    machine.close();
  }

  private void run(long from) {
    machine.state().setRip(from);
    assertEquals(Interpreter.Stop.HALT, cpu.runBare(Integer.MAX_VALUE, false));
    assertTrue(cpu.codeBytes() <= BOUND + LAST, "blocks take " + cpu.codeBytes());
  }

  /** Every offset of a page is executed. */
  @Test
  void blocksOfManyAddresses() {
    byte[] code = new byte[4096];
    Arrays.fill(code, NOP);
    code[code.length - 1] = HLT;
    machine.load(CODE, code);
    for (int start = code.length - 1; start >= 0; start--) {
      run(CODE + start);
      assertEquals(CODE + code.length, machine.state().rip());
    }
    assertTrue(cpu.codeEmptied() >= 20, "dropped " + cpu.codeEmptied() + " times");
  }

  /** One block is written and executed over and over; the jump cache may know the old ones. */
  @Test
  void blocksOfCodeThatIsWritten() {
    byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(WRITTEN);
    machine.load(CODE, bytes);
    machine.state().setGpr(RBX, 3000);
    run(CODE);
    assertEquals(3000, machine.state().gpr(RAX));
    assertTrue(cpu.codeEmptied() >= 2, "dropped " + cpu.codeEmptied() + " times");
  }

  /** Pages are never forgotten one by one. */
  @Test
  void pagesOfFewBlocks() {
    int pages = 800;
    for (int page = 0; page < pages; page++) {
      machine.load(CODE + page * 4096, new byte[] {NOP, HLT});
    }
    for (int page = 0; page < 3 * pages; page++) {
      run(CODE + page % pages * 4096L);
    }
    assertTrue(cpu.codeEmptied() >= 3, "dropped " + cpu.codeEmptied() + " times");
  }
}
