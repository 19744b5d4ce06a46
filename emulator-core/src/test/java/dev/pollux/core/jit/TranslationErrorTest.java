package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.emit.BlockCode;
import dev.pollux.core.jit.emit.BlockCompiler;
import dev.pollux.core.jit.emit.Stubs;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A mistake in the translator costs the guest's speed at one place, not the machine. */
class TranslationErrorTest {
  private static final int BAD = 0x1000;
  private static final int RAX = 0;
  private static final int RBX = 3;

  /** Fails in the middle of the block at {@link #BAD}. */
  private static final class BrokenCompiler extends BlockCompiler {
    private int asked;

    BrokenCompiler(Stubs stubs) {
      super(stubs);
    }

    @Override
    public BlockCode compile(
        Context context,
        Insn[] insns,
        int[] offsets,
        int count,
        long address,
        Neighbours neighbours) {
      BlockCode code = super.compile(context, insns, offsets, count, address, neighbours);
      if (context.start() == BAD % 4096) {
        asked++;
        throw new IllegalStateException("a mistake for the test");
      }
      return code;
    }
  }

  @Test
  void interpreterExecutesWhatCannotBeTranslated() throws IOException {
    GeneratorHost.assumeGenerator();
    try (BareMachine machine = new BareMachine(1 << 20, new CpuModel("qemu64"), true)) {
      machine.enterLongMode();
      BrokenCompiler[] broken = new BrokenCompiler[1];
      try (JitEngine engine =
          new JitEngine(
              machine.vcpu(),
              new Interpreter(machine.vcpu()),
              new JitEngine.CodeMemory(1 << 20, false),
              1 << 20,
              null,
              null,
              stubs -> {
                broken[0] = new BrokenCompiler(stubs);
                return broken[0];
              })) {
        // add eax, 2; jmp +0x3a to a block that is translated: add ebx, 1; hlt
        machine.load(BAD, new byte[] {(byte) 0x83, (byte) 0xc0, 2, (byte) 0xeb, 0x3a});
        machine.load(BAD + 0x3f, new byte[] {(byte) 0x83, (byte) 0xc3, 1, (byte) 0xf4});
        for (int i = 1; i <= 3; i++) {
          machine.state().setRip(BAD);
          assertEquals(Interpreter.Stop.HALT, engine.runBare());
          assertEquals(2L * i, machine.state().gpr(RAX));
          assertEquals((long) i, machine.state().gpr(RBX));
        }
        assertEquals(1, broken[0].asked, "asked again");
        assertEquals(1, engine.failedTranslations());
        assertTrue(engine.translations() > 0, "nothing was translated");
        assertTrue(engine.describe().contains("because of internal errors: 1"));
      }
    }
  }
}
