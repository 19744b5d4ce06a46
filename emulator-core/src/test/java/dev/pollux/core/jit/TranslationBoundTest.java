package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.emit.BlockCompiler;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A guest decides how many translations are made of its code, and a small one takes more memory for
 * what is known of it than for its code. At the bound of that all of them are dropped, and it goes
 * on.
 */
class TranslationBoundTest {
  private static final int CODE = 0x10_0000;
  private static final int DATA = 0x20_0000;
  private static final long BOUND = 160 << 10;

  /** What one block more may come to. */
  private static final long LAST = 16 << 10;

  private BareMachine machine;
  private JitEngine engine;

  @BeforeEach
  void open() throws IOException {
    GeneratorHost.assumeGenerator();
    machine = new BareMachine(4 << 20, new CpuModel("qemu64"), true);
    machine.enterLongMode();
    engine =
        new JitEngine(
            machine.vcpu(),
            new Interpreter(machine.vcpu()),
            JitEngine.CodeMemory.DEFAULT,
            BOUND,
            null,
            null,
            BlockCompiler::new);
  }

  @AfterEach
  void close() {
    if (engine != null) {
      engine.close();
      machine.close();
    }
  }

  private void run(Consumer<X86Assembler> program) {
    machine.load(CODE, GuestPrograms.halting(CODE, program));
    machine.state().setGpr(Gpr.RSI.number(), DATA);
    machine.state().setRip(CODE);
    assertEquals(Interpreter.Stop.HALT, engine.runBare());
    assertTrue(engine.recordBytes() <= BOUND + LAST, "they take " + engine.recordBytes());
  }

  private static void times(X86Assembler asm, int count, Runnable body) {
    Label again = new Label();
    asm.mov(OpSize.DWORD, Gpr.RBX, count);
    asm.bind(again);
    body.run();
    asm.sub(OpSize.DWORD, Gpr.RBX, 1);
    asm.jcc(Cond.NE, again);
  }

  @Test
  void blocksOfManyAddresses() {
    int blocks = 4000;
    run(
        asm -> {
          asm.mov(OpSize.DWORD, Gpr.RCX, 0);
          times(
              asm,
              3,
              () -> {
                for (int i = 0; i < blocks; i++) {
                  Label next = new Label();
                  asm.add(OpSize.DWORD, Gpr.RCX, 1);
                  asm.jmpNear(next);
                  asm.bind(next);
                }
              });
        });
    assertEquals(3L * blocks, machine.state().gpr(Gpr.RCX.number()));
    assertTrue(engine.clears() >= 6, "dropped " + engine.clears() + " times");
  }

  /** A dropped block is kept, as its code may come back. */
  @Test
  void blocksOfCodeThatIsWritten() {
    run(
        asm ->
            times(
                asm,
                3000,
                () -> {
                  asm.db(0xff, 0x05, 0x01, 0, 0, 0); // inc dword [rip + 1]
                  asm.mov(OpSize.DWORD, Gpr.RAX, 0);
                }));
    assertEquals(3000, machine.state().gpr(Gpr.RAX.number()));
    assertTrue(engine.clears() >= 2, "dropped " + engine.clears() + " times");
  }

  /** A block's bytes are kept, and those around it up to where its jumps lead nearby. */
  @Test
  void blocksThatDependOnMuch() {
    run(
        asm ->
            times(
                asm,
                3,
                () -> {
                  for (int group = 0; group < 50; group++) {
                    Label far = new Label();
                    for (int i = 0; i < 30; i++) {
                      Label next = new Label();
                      asm.jcc(Cond.B, far);
                      asm.jmpNear(next);
                      asm.bind(next);
                    }
                    asm.jmpNear(far);
                    asm.db(new byte[100]);
                    asm.bind(far);
                  }
                }));
    assertTrue(engine.clears() >= 8, "dropped " + engine.clears() + " times");
  }
}
