package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Blocks that execute often are translated a second time, others are not. */
class QuickCodeTest {
  private static final int CODE = 0x10_0000;
  private static final int FUNCTION = 0x11_0000;
  private static final int DATA = 0x18_0000;
  private static final int STACK = 0x7_0000;
  private static final int ROUNDS = 100_000;
  private static final int RDX = 2;
  private static final int RSP = 4;

  private BareMachine m;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    m = new BareMachine(8 << 20, new CpuModel("qemu64"), true);
    m.enterLongMode();
    m.state().setGpr(RSP, STACK);
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  private void program(int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.assemble(address, code));
  }

  private void run() {
    m.state().setRip(CODE);
    assertEquals(Interpreter.Stop.HALT, m.run(0), "RIP " + m.state().rip());
  }

  /** A program of {@code code} repeated. */
  private void loop(Consumer<X86Assembler> code) {
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.mov(DWORD, Gpr.RSI, DATA);
          Label top = asm.here();
          code.accept(asm);
          asm.sub(DWORD, Gpr.RCX, 1);
          asm.jcc(Cond.NE, top);
          asm.op(NullaryOp.HLT);
        });
  }

  @Test
  void whatExecutesSeldomStaysShort() {
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RSI, DATA);
          asm.add(QWORD, Mem.of(Gpr.RSI), 1);
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 10; i++) {
      run();
    }
    assertEquals(0, m.jit().quickened());
    assertEquals(10, m.memory(DATA, 1)[0]);
  }

  @Test
  void loopThatAccessesMemory() {
    loop(asm -> asm.add(DWORD, Mem.of(Gpr.RSI), 1));
    run();
    // The loop, not what comes before it and behind.
    assertEquals(1, m.jit().quickened());
    assertEquals(ROUNDS, m.machine().memory().read(DATA, 4));
    long translations = m.jit().translations();
    run();
    assertEquals(2L * ROUNDS, m.machine().memory().read(DATA, 4));
    assertEquals(translations, m.jit().translations());
  }

  @Test
  void loopThatAccessesNoMemory() {
    m.state().setGpr(RDX, 0);
    loop(asm -> asm.add(DWORD, Gpr.RDX, 1));
    run();
    assertEquals(1, m.jit().quickened());
    assertEquals(ROUNDS, m.state().gpr(RDX));
  }

  @Test
  void functionThatIsCalledOften() {
    loop(
        asm -> {
          asm.mov(DWORD, Gpr.RAX, FUNCTION);
          asm.call(Gpr.RAX);
        });
    program(
        FUNCTION,
        asm -> {
          asm.push(Gpr.RCX);
          asm.add(DWORD, Mem.of(Gpr.RSI), 1);
          asm.pop(Gpr.RCX);
          asm.ret();
        });
    run();
    assertTrue(m.jit().quickened() >= 2, "quick: " + m.jit().quickened());
    assertEquals(ROUNDS, m.machine().memory().read(DATA, 4));
    assertEquals(STACK, m.state().gpr(RSP));
  }

  /** Code is not gone on with behind it: its flags are told from what it keeps. */
  @Test
  void accessInTwoPagesIsNoReasonToTranslateAnew() {
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, 100);
          asm.mov(DWORD, Gpr.RSI, DATA + 0xffe);
          Label top = asm.here();
          asm.add(DWORD, Gpr.RAX, Mem.of(Gpr.RSI));
          asm.mov(DWORD, Gpr.RDX, Mem.of(Gpr.RSI, 0x100));
          asm.sub(DWORD, Gpr.RCX, 1);
          asm.jcc(Cond.NE, top);
          asm.op(NullaryOp.HLT);
        });
    run();
    assertEquals(0, m.jit().quickened());
  }

  /** Short code leaves such pushes to the interpreter, which must not last. */
  @Test
  void pushesAndPopsInTwoPages() {
    m.state().setGpr(RSP, STACK + 8);
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RAX, 1);
          asm.mov(DWORD, Gpr.RBX, 2);
          asm.push(Gpr.RAX);
          asm.push(Gpr.RBX);
          asm.mov(DWORD, Gpr.RDX, 3);
          asm.pop(Gpr.RAX);
          asm.pop(Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    run();
    // Another begins behind the first push.
    assertEquals(1, m.jit().quickened());
    run();
    long entries = m.jit().entries();
    run();
    assertEquals(entries + 1, m.jit().entries(), "left before the end");
    assertEquals(2, m.state().gpr(0));
    assertEquals(1, m.state().gpr(3));
    assertEquals(STACK + 8, m.state().gpr(RSP));
  }
}
