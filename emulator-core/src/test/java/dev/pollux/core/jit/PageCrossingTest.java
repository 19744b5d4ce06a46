package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.machine.BareMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** A translated instruction whose bytes lie in two pages, each of which may change. */
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class PageCrossingTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int FIRST = 0x20_0000;
  private static final int SECOND = FIRST + 0x1000;
  private static final int OTHER = FIRST + 0x5000;
  private static final int TABLE = 0x10_0000;
  private static final int START = SECOND - 3;
  private static final int RAX = 0;

  private BareMachine machine;

  /** From {@link #START}: nop, mov eax, imm32 over the end of the page, hlt. */
  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    machine = new BareMachine(4 << 20, new CpuModel("qemu64"), true);
    machine.jit().setPatience(patience);
    machine.enterLongMode();
    long directory = machine.ram().size() - BareMachine.PAGE_TABLE_BYTES + 0x2000;
    for (int i = 0; i < 512; i++) {
      map(FIRST + i * 0x1000, FIRST + i * 0x1000);
    }
    machine.machine().memory().write(directory + 8, 8, TABLE | 7);
    machine.vcpu().mmu().flushAll();
    machine.load(START, new byte[] {(byte) 0x90, (byte) 0xb8, 1, 2, 3, 4, (byte) 0xf4});
    machine.load(OTHER, new byte[] {5, 6, 7, (byte) 0xf4});
  }

  private static int index(int linear) {
    return linear >> 12 & 511;
  }

  private void map(int linear, int physical) {
    machine.machine().memory().write(TABLE + index(linear) * 8, 8, physical | 0x63);
  }

  @AfterEach
  void close() {
    if (machine != null) {
      machine.close();
    }
  }

  private void assertLoads(long value) {
    for (int i = 0; i < 4; i++) {
      machine.state().setGpr(RAX, 0);
      machine.state().setRip(START);
      assertEquals(Interpreter.Stop.HALT, machine.run(10));
      assertEquals(value, machine.state().gpr(RAX));
    }
  }

  @Test
  void eitherPageMayBeWritten() {
    assertLoads(0x0403_0201);
    machine.load(SECOND, new byte[] {9});
    assertLoads(0x0403_0901);
    machine.load(SECOND - 1, new byte[] {8});
    assertLoads(0x0403_0908);
    machine.load(SECOND + 1, new byte[] {7});
    assertLoads(0x0407_0908);
  }

  @Test
  void theSecondPageMayBeMappedElsewhere() {
    assertLoads(0x0403_0201);
    map(SECOND, OTHER);
    machine.vcpu().mmu().flushPage(SECOND);
    assertLoads(0x0706_0501);
    machine.load(SECOND, new byte[] {9});
    assertLoads(0x0706_0501);
    map(SECOND, SECOND);
    machine.vcpu().mmu().flushPage(SECOND);
    assertLoads(0x0403_0901);
  }

  /** Entries into generated code of one run. */
  private long entries() {
    long before = machine.jit().entries();
    machine.state().setRip(START);
    assertEquals(Interpreter.Stop.HALT, machine.run(10));
    return machine.jit().entries() - before;
  }

  @Test
  void whatTheTlbHasForgottenIsFoundInGeneratedCode() {
    assertLoads(0x0403_0201);
    long known = entries();
    for (int i = 0; i < 3; i++) {
      machine.vcpu().mmu().flushAll();
      assertEquals(known, entries());
    }
    machine.vcpu().mmu().flushAll();
    assertLoads(0x0403_0201);
  }

  /** An unmapped second page is a page fault of the instruction that reaches there. */
  @Test
  void theSecondPageMayBeAbsent() {
    assertLoads(0x0403_0201);
    machine.machine().memory().write(TABLE + index(SECOND) * 8, 8, 0);
    for (int i = 0; i < 3; i++) {
      machine.vcpu().mmu().flushAll();
      machine.state().setRip(START);
      assertEquals(Interpreter.Stop.EXCEPTION, machine.run(10));
      assertEquals(START + 1, machine.state().rip());
      assertEquals(SECOND, machine.state().u64(CpuLayout.CR2));
    }
    map(SECOND, SECOND);
    assertLoads(0x0403_0201);
  }

  /** As behind IRET from the handler of a page fault. */
  @Test
  void anInstructionThatIsResumedIsTranslated() {
    assertLoads(0x0403_0201);
    long known = entries();
    machine.state().setRflags(machine.state().rflags() | Eflags.RF);
    assertEquals(known, entries());
    assertEquals(0, machine.state().rflags() & Eflags.RF);
  }
}
