package dev.pollux.core.jit.emit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.GeneratorHost;
import dev.pollux.core.jit.GuestPrograms;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.EnumSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Accesses that share a probe of the TLB, at every distance from the end of a page behind which
 * there is memory, none, or such that cannot be written: what is left then is the interpreter's.
 */
class SharedProbeTest {
  private static final int RAM = 8 << 20;
  private static final int CODE = 0x1_0000;

  /** Where large pages meet, the second of which is changed. */
  private static final int EDGE = 0x40_0000;

  private static final int AROUND = 512;
  private static final int PRESENT = 0xe7;
  private static final int READ_ONLY = 0xe5;
  private static final int ABSENT = 0;
  private static final int RSP = 4;

  /** What a function does with a structure; RBX is the structure. */
  private static void structure(X86Assembler a) {
    a.mov(QWORD, Mem.of(Gpr.RBX, 8), Gpr.RAX);
    a.mov(QWORD, Gpr.RCX, Mem.of(Gpr.RBX));
    a.add(QWORD, Mem.of(Gpr.RBX, 16), Gpr.RAX);
    a.mov(QWORD, Gpr.R10, Mem.of(Gpr.RBX, 24));
    a.alu(AluOp.ADC, QWORD, Gpr.RDX, Mem.of(Gpr.RBX, 32));
    a.mov(QWORD, Gpr.RSI, Mem.of(Gpr.RSP, 200));
    a.mov(QWORD, Gpr.RBX, Mem.of(Gpr.RBX, 40));
  }

  private static void fields(X86Assembler a) {
    a.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RBX, 8));
    a.add(QWORD, Gpr.RCX, Mem.of(Gpr.RBX));
    a.mov(QWORD, Gpr.R11, Mem.of(Gpr.RBX, 24));
    a.mov(QWORD, Mem.of(Gpr.RBX, 16), Gpr.RCX);
  }

  /** What a function does with its stack. */
  private static void frame(X86Assembler a) {
    a.push(Gpr.RBP);
    a.mov(QWORD, Gpr.RBP, Gpr.RSP);
    a.push(Gpr.R14);
    a.push(Gpr.R15);
    a.xor(DWORD, Gpr.RCX, Gpr.RCX);
    a.push(Gpr.RBX);
    a.sub(QWORD, Gpr.RSP, 24);
    a.mov(QWORD, Mem.of(Gpr.RSP, 8), Gpr.RAX);
    a.add(QWORD, Gpr.RAX, Mem.of(Gpr.RSP, 16));
    a.mov(QWORD, Gpr.RDX, Mem.of(Gpr.RSP, 72));
    a.add(QWORD, Gpr.RSP, 24);
    a.pop(Gpr.R8);
    a.lea(QWORD, Gpr.R9, Mem.of(Gpr.RCX, Gpr.RAX, 1, 0));
    a.pop(Gpr.R10);
    a.pop(Gpr.RDI);
    a.pop(Gpr.RSI);
  }

  private BareMachine interpreter;
  private BareMachine generator;

  @AfterEach
  void close() {
    if (interpreter != null) {
      interpreter.close();
    }
    if (generator != null) {
      generator.close();
    }
  }

  private void open(int second) {
    GeneratorHost.assumeGenerator();
    interpreter = machine(false, second);
    generator = machine(true, second);
    generator.jit().setPatience(0);
  }

  private static BareMachine machine(boolean translated, int second) {
    BareMachine m = new BareMachine(RAM, new CpuModel("qemu64"), translated);
    m.enterLongMode();
    long directories = m.state().u64(CpuLayout.CR3) + 0x2000;
    m.machine().memory().write(directories + 8 * (EDGE >> 21), 8, second == 0 ? 0 : EDGE | second);
    m.vcpu().mmu().flushAll();
    return m;
  }

  private static byte[] assemble(Consumer<X86Assembler> program) {
    return GuestPrograms.halting(CODE, program);
  }

  private static Interpreter.Stop run(BareMachine m, byte[] code, int register, int value) {
    byte[] memory = new byte[2 * AROUND];
    for (int i = 0; i < memory.length; i++) {
      memory[i] = (byte) (i * 37 >> 1);
    }
    m.load(EDGE - AROUND, memory);
    m.load(CODE, code);
    for (int i = 0; i < 16; i++) {
      m.state().setGpr(i, 0x8123_4567_89ab_cde0L * (2 * i + 1));
    }
    m.state().setGpr(RSP, 0x20_0800);
    m.state().setGpr(register, value);
    m.state().setRflags(Eflags.FIXED | Eflags.CF);
    m.state().setRip(CODE);
    return m.run(1000);
  }

  private void assertSame(Consumer<X86Assembler> program, int register, int value) {
    byte[] code = assemble(program);
    Interpreter.Stop stop = run(interpreter, code, register, value);
    for (String time : new String[] {"first", "second"}) {
      String where = Integer.toHexString(value) + ", " + time + " time";
      assertEquals(stop, run(generator, code, register, value), where);
      assertEquals(interpreter.state().rip(), generator.state().rip(), where);
      assertEquals(interpreter.state().rflags(), generator.state().rflags(), where);
      assertEquals(interpreter.cpu().exceptionVector(), generator.cpu().exceptionVector(), where);
      for (int i = 0; i < 16; i++) {
        assertEquals(interpreter.state().gpr(i), generator.state().gpr(i), where + ": " + i);
      }
      assertArrayEquals(
          interpreter.memory(EDGE - AROUND, 2 * AROUND),
          generator.memory(EDGE - AROUND, 2 * AROUND),
          where);
    }
    assertEquals(0, generator.jit().failedTranslations());
  }

  @ParameterizedTest
  @ValueSource(ints = {PRESENT, READ_ONLY, ABSENT})
  void structureAtTheEndOfAPage(int second) {
    open(second);
    for (int from = EDGE - 64; from <= EDGE + 8; from += 4) {
      assertSame(SharedProbeTest::structure, Gpr.RBX.number(), from);
      assertSame(SharedProbeTest::fields, Gpr.RBX.number(), from);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {PRESENT, READ_ONLY, ABSENT})
  void frameAtTheEndOfAPage(int second) {
    open(second);
    for (int sp = EDGE - 40; sp <= EDGE + 80; sp += 4) {
      assertSame(SharedProbeTest::frame, RSP, sp);
    }
  }

  /** Not all of the code that has been executed is what it was when it was translated. */
  @Test
  void writeToCodeAhead() {
    open(PRESENT);
    Consumer<X86Assembler> program =
        a -> {
          a.mov(DWORD, Mem.of(Gpr.RBX, 1), Gpr.R9);
          a.mov(DWORD, Gpr.RCX, Mem.of(Gpr.RBX, 1));
          a.mov(DWORD, Gpr.RSI, Mem.of(Gpr.RBX, 1));
          a.mov(DWORD, Gpr.RDX, 0x1234_5678);
        };
    // Of the last instruction, in front of HLT.
    int last = CODE + assemble(program).length - 1 - 5;
    assertSame(program, Gpr.RBX.number(), last);
    assertEquals(generator.state().gpr(9) & 0xffff_ffffL, generator.state().gpr(2));
  }

  private static SharedProbe find(int first, Consumer<X86Assembler> program) {
    byte[] code = assemble(program);
    BlockCompiler.Context context =
        new BlockCompiler.Context(0, 0, 0, false, true, true, true, true, 0, true);
    BlockDecoder decoder = new BlockDecoder(new Decoder(EnumSet.allOf(CpuFeature.class)));
    int count = decoder.decode(context, code, 0, code.length);
    Insn[] insns = decoder.insns();
    BlockDraft draft = new BlockDraft(new Stubs(0x1000_0000, false, 0));
    draft.begin(context, insns, decoder.offsets(), count, 0x1010_0000);
    return SharedProbe.at(draft, first);
  }

  private static void assertShares(SharedProbe found, int last, int low, int bytes, boolean write) {
    assertEquals(last, found.last());
    assertEquals(low, found.low());
    assertEquals(bytes, found.bytes());
    assertEquals(write, found.write());
  }

  @Test
  void registerThatStays() {
    assertShares(find(0, SharedProbeTest::structure), 6, 0, 48, true);
    assertNull(find(5, SharedProbeTest::structure));
  }

  /** What is only read may not be writable. */
  @Test
  void writeBehindReads() {
    assertShares(find(0, SharedProbeTest::fields), 2, 0, 32, false);
  }

  @Test
  void stackPointerThatMoves() {
    assertShares(find(0, SharedProbeTest::frame), 15, -48, 72, true);
  }

  /** They look once anyway. */
  @Test
  void pushesInARowAreNothingToShare() {
    assertNull(
        find(
            0,
            a -> {
              a.push(Gpr.RAX);
              a.push(Gpr.RBX);
            }));
  }

  @Test
  void registerThatChanges() {
    assertNull(
        find(
            0,
            a -> {
              a.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
              a.add(QWORD, Gpr.RBX, 8);
              a.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
            }));
  }

  @Test
  void accessesFarApart() {
    assertNull(
        find(
            0,
            a -> {
              a.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RBX));
              a.mov(QWORD, Gpr.RCX, Mem.of(Gpr.RBX, 512));
            }));
  }
}
