package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.asm.Xmm;
import dev.pollux.core.machine.BareMachine;
import java.util.EnumSet;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The flags that the handler of an exception finds, whatever the instruction that faults, or those
 * behind it, would have made of them: the interpreter's, and those of the manuals where these say.
 */
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class FlagsAtFaultsTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int RAM = 8 << 20;
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x10_0000;
  private static final int READ_ONLY = 0x40_0000;
  private static final long NOT_CANONICAL = 0x8000_0000_0000_0000L;

  private BareMachine interpreter;
  private BareMachine generator;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    interpreter = machine(false);
    generator = machine(true);
  }

  private BareMachine machine(boolean translated) {
    BareMachine m = new BareMachine(RAM, new CpuModel("qemu64"), translated);
    if (translated) {
      m.jit().setPatience(patience);
    }
    m.enterLongMode();
    long directories = m.state().u64(CpuLayout.CR3) + 0x2000;
    m.machine().memory().write(directories + 8 * (READ_ONLY >> 21), 8, READ_ONLY | 0xe5);
    m.vcpu().mmu().flushAll();
    return m;
  }

  @AfterEach
  void close() {
    if (interpreter != null) {
      interpreter.close();
      generator.close();
    }
  }

  private static byte[] assemble(Consumer<X86Assembler> program) {
    return GuestPrograms.halting(CODE, program);
  }

  private static Interpreter.Stop run(BareMachine m, byte[] code) {
    m.load(CODE, code);
    for (int i = 0; i < 16; i++) {
      m.state().setGpr(i, 0x8123_4567_89ab_cde0L * (2 * i + 1));
    }
    m.state().setGpr(Gpr.RSP.number(), DATA + 0x800);
    m.state().setGpr(Gpr.RBX.number(), DATA);
    m.state().setGpr(Gpr.RDI.number(), READ_ONLY);
    m.state().setGpr(Gpr.RSI.number(), NOT_CANONICAL);
    m.state().setRflags(Eflags.FIXED);
    m.state().setRip(CODE);
    return m.run(1000);
  }

  /** Runs a program on both, compares how they end and returns the flags there. */
  private long flags(Consumer<X86Assembler> program) {
    byte[] code = assemble(program);
    assertEquals(run(interpreter, code), run(generator, code));
    assertEquals(interpreter.cpu().exceptionVector(), generator.cpu().exceptionVector());
    assertEquals(interpreter.state().rip(), generator.state().rip(), "RIP");
    assertEquals(0, generator.jit().failedTranslations());
    return generator.state().rflags() & Eflags.STATUS;
  }

  private void assertFlags(int expected, Consumer<X86Assembler> program) {
    assertEquals(expected, flags(program));
    assertEquals(expected, interpreter.state().rflags() & Eflags.STATUS);
  }

  private static void allSet(X86Assembler a) {
    a.mov(DWORD, Gpr.RAX, -1);
    a.op(NullaryOp.SAHF);
  }

  @Test
  void writesToReadOnlyMemory() {
    Mem target = Mem.of(Gpr.RDI);
    List<Consumer<X86Assembler>> writes =
        List.of(
            a -> a.sub(DWORD, target, Gpr.RAX),
            a -> a.add(DWORD, target, Gpr.RAX),
            a -> a.and(DWORD, target, Gpr.RAX),
            a -> a.unary(UnaryOp.NEG, DWORD, target),
            a -> a.shift(ShiftOp.SHL, DWORD, target, 1),
            a -> a.xadd(DWORD, target, Gpr.RAX),
            a -> a.cmpxchg(DWORD, target, Gpr.RCX));
    for (Consumer<X86Assembler> write : writes) {
      assertFlags(
          0xd5,
          a -> {
            allSet(a);
            write.accept(a);
          });
    }
  }

  @Test
  void faultsBeforeTheFlagsAreReplaced() {
    assertFlags(
        0xd5,
        a -> {
          allSet(a);
          a.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RSI));
          a.sub(DWORD, Gpr.RAX, Gpr.RAX);
        });
    assertFlags(
        0xd5,
        a -> {
          allSet(a);
          a.sse(VectorMove.MOVAPS, Xmm.of(0), Mem.of(Gpr.RBX, 8));
          a.sub(DWORD, Gpr.RAX, Gpr.RAX);
        });
    for (UnaryOp division : List.of(UnaryOp.DIV, UnaryOp.IDIV)) {
      assertFlags(
          0xd5,
          a -> {
            allSet(a);
            a.mov(DWORD, Gpr.RCX, 0);
            a.unary(division, DWORD, Gpr.RCX);
            a.sub(DWORD, Gpr.RAX, Gpr.RAX);
          });
    }
  }

  private static final Mem MEMORY = Mem.of(Gpr.RBX, 0x10);

  /** What sets flags; AX, RCX, RDX, R8 and R10 are its operands, and RBX points to memory. */
  private static final List<Consumer<X86Assembler>> PRODUCERS =
      List.of(
          a -> a.add(QWORD, Gpr.RAX, Gpr.RCX),
          a -> a.add(DWORD, Gpr.RAX, 0x7fff_0000),
          a -> a.add(WORD, Gpr.R10, Gpr.RDX),
          a -> a.add(BYTE, Gpr.RAX, Gpr.RAX),
          a -> a.add(DWORD, Gpr.RCX, MEMORY),
          a -> a.sub(QWORD, Gpr.RAX, Gpr.R10),
          a -> a.sub(DWORD, Gpr.RDX, -5),
          a -> a.sub(QWORD, Gpr.R10, MEMORY),
          a -> a.sub(DWORD, Gpr.RAX, Gpr.RAX),
          a -> a.cmp(DWORD, Gpr.RAX, Gpr.R10),
          a -> a.cmp(BYTE, Gpr.RCX, 0x70),
          a -> a.cmp(QWORD, Gpr.RDX, 0x1234_5678),
          a -> a.cmp(WORD, Gpr.RAX, MEMORY),
          a -> a.cmp(QWORD, MEMORY, Gpr.R10),
          a -> a.cmp(BYTE, MEMORY, 0x12),
          a -> a.test(QWORD, Gpr.RAX, Gpr.RAX),
          a -> a.test(DWORD, Gpr.R10, 0x4000_0000),
          a -> a.test(BYTE, MEMORY, Gpr.RCX),
          a -> a.and(DWORD, Gpr.RAX, Gpr.RDX),
          a -> a.and(QWORD, Gpr.R10, MEMORY),
          a -> a.or(QWORD, Gpr.RCX, Gpr.RDX),
          a -> a.xor(DWORD, Gpr.RAX, Gpr.RAX),
          a -> a.xor(BYTE, Gpr.RAX, Gpr.RDX),
          a -> a.unary(UnaryOp.NEG, DWORD, Gpr.RAX),
          a -> a.unary(UnaryOp.NEG, QWORD, Gpr.R10),
          a -> a.shift(ShiftOp.SHL, DWORD, Gpr.RAX, 1),
          a -> a.shift(ShiftOp.SHL, QWORD, Gpr.R10, 37),
          a -> a.shift(ShiftOp.SHR, DWORD, Gpr.RDX, 5),
          a -> a.shift(ShiftOp.SAR, BYTE, Gpr.RCX, 3),
          a -> a.op(GprOp.IMUL, QWORD, Gpr.RAX, Gpr.RCX),
          a -> a.op(GprOp.IMUL, DWORD, Gpr.RDX, MEMORY),
          a -> a.imul(DWORD, Gpr.RAX, Gpr.RCX, 77),
          a -> a.imul(DWORD, Gpr.RAX, Gpr.RAX, 0x12_3456),
          a -> a.inc(DWORD, Gpr.RAX),
          a -> a.dec(QWORD, MEMORY),
          a -> a.add(QWORD, MEMORY, Gpr.RCX),
          a -> a.shift(ShiftOp.ROR, DWORD, Gpr.RAX, 7),
          a -> a.shiftCl(ShiftOp.SHL, DWORD, Gpr.RAX),
          a -> a.cmpxchg(QWORD, Gpr.RDX, Gpr.RCX),
          a -> a.alu(AluOp.ADC, DWORD, Gpr.RAX, Gpr.RCX),
          a -> a.op(NullaryOp.STC));

  /** What comes between and leaves the flags alone. */
  private static final List<Consumer<X86Assembler>> BETWEEN =
      List.of(
          a -> {},
          a -> a.mov(DWORD, Gpr.RAX, 1),
          a -> {
            a.lea(QWORD, Gpr.RCX, Mem.of(Gpr.RCX, 3));
            a.mov(QWORD, Gpr.R10, Gpr.RDX);
          },
          a -> {
            a.mov(QWORD, Gpr.RDX, Mem.of(Gpr.RBX, 0x40));
            a.xchg(QWORD, Gpr.RAX, Gpr.R10);
          },
          a -> {
            a.push(Gpr.RAX);
            a.pop(Gpr.RCX);
          },
          a -> {
            a.push(Gpr.RAX);
            a.pop(QWORD, Mem.of(Gpr.RBX, 0x40));
          },
          a -> {
            Label there = new Label();
            a.jmp(there);
            a.bind(there);
          },
          a -> {
            Label there = new Label();
            a.jcc(Cond.S, there);
            a.mov(QWORD, Gpr.RDX, Mem.of(Gpr.RBX, 0x40));
            a.bind(there);
            a.setcc(Cond.O, Gpr.RDX);
          },
          a -> {
            // Backwards, once.
            Label top = new Label();
            Label on = new Label();
            Label out = new Label();
            a.jmp(on);
            a.bind(top);
            a.mov(QWORD, Gpr.R10, Mem.of(Gpr.RBX, 8));
            a.jmp(out);
            a.bind(on);
            a.mov(DWORD, Gpr.RAX, 5);
            a.jmp(top);
            a.bind(out);
          });

  private static final List<Consumer<X86Assembler>> FAULTS =
      List.of(
          a -> a.add(DWORD, Mem.of(Gpr.RDI), Gpr.RAX),
          a -> a.mov(DWORD, Gpr.RDX, Mem.of(Gpr.RSI)),
          a -> a.mov(BYTE, Mem.of(Gpr.RDI), 1),
          a -> {
            a.mov(DWORD, Gpr.RCX, 0);
            a.unary(UnaryOp.DIV, QWORD, Gpr.RCX);
          },
          a -> {
            a.mov(QWORD, Gpr.RSP, Gpr.RSI);
            a.push(Gpr.RAX);
            a.push(Gpr.RCX);
          },
          a -> {
            a.mov(QWORD, Gpr.RCX, Mem.of(Gpr.RBX, 0x40));
            a.inc(DWORD, Mem.of(Gpr.RDI));
          });

  private static final List<Consumer<X86Assembler>> KILLERS =
      List.of(
          a -> a.xor(DWORD, Gpr.RAX, Gpr.RAX),
          a -> a.inc(DWORD, Gpr.RAX),
          a -> a.op(NullaryOp.CMC));

  private static long undefinedAfter(Consumer<X86Assembler> instruction) {
    byte[] code = assemble(instruction);
    return new Decoder(EnumSet.allOf(CpuFeature.class))
        .decode(code, 0, code.length, 64)
        .info
        .flagsUndefined;
  }

  @Test
  void everyKindOfFlagsAtEveryKindOfFault() {
    int number = 0;
    for (Consumer<X86Assembler> producer : PRODUCERS) {
      for (Consumer<X86Assembler> between : BETWEEN) {
        for (Consumer<X86Assembler> fault : FAULTS) {
          Consumer<X86Assembler> killer = KILLERS.get(number++ % KILLERS.size());
          flags(
              a -> {
                a.add(DWORD, Gpr.R8, 1);
                producer.accept(a);
                between.accept(a);
                fault.accept(a);
                killer.accept(a);
                a.xor(DWORD, Gpr.RAX, Gpr.RAX);
              });
          long defined = Eflags.STATUS & ~undefinedAfter(producer);
          assertEquals(
              interpreter.state().rflags() & defined,
              generator.state().rflags() & defined,
              "producer "
                  + PRODUCERS.indexOf(producer)
                  + ", between "
                  + BETWEEN.indexOf(between)
                  + ", fault "
                  + FAULTS.indexOf(fault));
        }
      }
    }
  }
}
