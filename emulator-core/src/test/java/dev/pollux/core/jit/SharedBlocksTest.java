package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.cache.SharedBlocks;
import dev.pollux.core.machine.BareMachine;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Engines of one machine that take over each other's translations, here in turn. */
class SharedBlocksTest {
  private static final int RAM = 8 << 20;
  private static final int CODE = 0x10_0fc0;
  private static final int DATA = 0x18_0000;
  private static final int STACK = 0x7_0000;

  private final List<JitEngine> engines = new ArrayList<>();
  private BareMachine machine;

  @BeforeEach
  void open() throws IOException {
    GeneratorHost.assumeGenerator();
    machine = new BareMachine(RAM, new CpuModel("qemu64"), true);
    machine.enterLongMode();
    machine.state().setU16(CpuLayout.FCW, 0x37f);
    useOnly(new SharedBlocks());
  }

  private void useOnly(SharedBlocks shared) throws IOException {
    engines.forEach(JitEngine::close);
    engines.clear();
    for (int i = 0; i < 3; i++) {
      engines.add(
          new JitEngine(
              machine.vcpu(),
              new Interpreter(machine.vcpu()),
              JitEngine.CodeMemory.DEFAULT,
              null,
              shared));
    }
  }

  @AfterEach
  void close() {
    engines.forEach(JitEngine::close);
    if (machine != null) {
      machine.close();
    }
  }

  private long run(int engine) {
    return run(engine, CODE);
  }

  private long run(int engine, long address) {
    engines.get(engine).flushTlb(); // the jump cache is the vCPU's, and has another's code
    machine.state().setRip(address);
    machine.state().setGpr(4, STACK);
    assertEquals(Interpreter.Stop.HALT, engines.get(engine).runBare());
    return machine.state().gpr(0);
  }

  private long translated(int engine) {
    return engines.get(engine).translations();
  }

  private long taken(int engine) {
    return engines.get(engine).sharedTranslations();
  }

  /**
   * Calls and jumps in a page and to another, memory, vector and x87 instructions, flags between
   * blocks, what is left to the interpreter: 10 times {@code step}.
   */
  private static byte[] program(int step) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(CODE);
    Label again = new Label();
    Label far = new Label();
    asm.mov(DWORD, Gpr.RCX, 10);
    asm.mov(DWORD, Gpr.RBX, DATA);
    asm.mov(QWORD, Mem.of(Gpr.RBX), 0);
    asm.bind(again);
    asm.call(far);
    asm.sub(DWORD, Gpr.RCX, 1);
    asm.jcc(Cond.NE, again);
    asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
    asm.op(NullaryOp.HLT);
    asm.nop(4096);
    asm.bind(far);
    asm.push(Gpr.RCX);
    asm.op(NullaryOp.CPUID);
    asm.mov(DWORD, Gpr.RBX, DATA);
    asm.db(0x66, 0x0f, 0xef, 0xc0); // pxor xmm0, xmm0
    asm.db(0xdb, 0xe3, 0xd9, 0xe8, 0xdd, 0xd8); // fninit; fld1; fstp st0
    Label over = new Label();
    asm.cmp(DWORD, Gpr.RBX, 0);
    asm.jcc(Cond.E, over);
    asm.add(QWORD, Mem.of(Gpr.RBX), step);
    asm.bind(over);
    asm.pop(Gpr.RCX);
    asm.ret();
    return asm.finish();
  }

  @Test
  void whatOneHasTranslatedTheOthersTake() {
    machine.load(CODE, program(3));
    assertEquals(30, run(0));
    long made = translated(0);
    assertTrue(made >= 5, made + " blocks");
    assertEquals(0, taken(0));
    for (int engine = 1; engine < 3; engine++) {
      assertEquals(30, run(engine));
      assertEquals(30, run(engine)); // linked now
      assertEquals(0, translated(engine));
      assertEquals(made, taken(engine));
    }
  }

  /** What one has made before it was written to is nobody else's, until the bytes come back. */
  @Test
  void codeThatWasWrittenIsTranslated() {
    machine.load(CODE, program(3));
    run(0);
    machine.load(CODE, program(4));
    assertEquals(40, run(1));
    assertTrue(translated(1) >= 1, "what has changed is translated");
    assertEquals(40, run(2));
    assertEquals(0, translated(2));
    assertEquals(40, run(0));
    machine.load(CODE, program(3));
    for (int engine = 0; engine < 3; engine++) {
      assertEquals(30, run(engine));
    }
  }

  /** Each write is seen by each engine, whoever has translated the byte before. */
  @Test
  void writesToTakenCodeDropIt() {
    machine.load(CODE, program(1));
    for (int step = 1; step < 40; step++) {
      byte[] program = program(step);
      machine.load(CODE, program);
      for (int i = 0; i < 3; i++) {
        assertEquals(10L * step, run((step + i) % 3));
      }
    }
    assertTrue(taken(0) > 0 && taken(1) > 0 && taken(2) > 0, "all take from each other");
  }

  /** More than there is room for: what was made last is there, and all results are right. */
  @Test
  void whatIsTooMuchIsForgotten() throws IOException {
    useOnly(new SharedBlocks(64 << 10));
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(CODE);
    asm.mov(DWORD, Gpr.RBX, DATA);
    asm.mov(QWORD, Mem.of(Gpr.RBX), 1);
    asm.mov(DWORD, Gpr.RAX, 0);
    int blocks = 500;
    int last = 20;
    int nearEnd = 0;
    for (int i = 0; i < blocks; i++) {
      nearEnd = i == blocks - last ? asm.position() : nearEnd;
      Label next = new Label();
      asm.add(QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
      asm.jmp(next);
      asm.bind(next);
    }
    asm.op(NullaryOp.HLT);
    machine.load(CODE, asm.finish());
    assertEquals(blocks, run(0));
    assertTrue(translated(0) >= blocks, "all are translated at first");
    assertEquals(blocks + last, run(1, CODE + nearEnd));
    assertTrue(taken(1) >= last - 1 && translated(1) <= 2, "what was made last is there");
    assertEquals(blocks, run(1));
    assertTrue(translated(1) > blocks / 2, "most is forgotten: " + translated(1));
  }
}
