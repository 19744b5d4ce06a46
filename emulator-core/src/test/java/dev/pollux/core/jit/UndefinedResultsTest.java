package dev.pollux.core.jit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.host.UndefinedResults;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.Rm;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the manuals leave undefined is in both engines what the host makes of it. */
class UndefinedResultsTest {
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x10_0000;
  private static final long[] FLAGS = {0, Eflags.STATUS, Eflags.CF | Eflags.ZF, Eflags.AF};

  private UndefinedResults host;
  private List<BareMachine> engines = List.of();

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    host = UndefinedResults.ofHost().orElseThrow();
    engines = List.of(machine(false), machine(true));
  }

  private static BareMachine machine(boolean translated) {
    BareMachine machine = new BareMachine(8 << 20, new CpuModel("qemu64"), translated);
    machine.enterLongMode();
    return machine;
  }

  @AfterEach
  void close() {
    engines.forEach(BareMachine::close);
  }

  private record Operands(long rax, long rdx, long rcx, long flags) {
    /** RCX is at [RBX], RAX at [RBX + 8]. */
    void load(BareMachine machine) {
      machine.state().setGpr(Gpr.RAX.number(), rax);
      machine.state().setGpr(Gpr.RDX.number(), rdx);
      machine.state().setGpr(Gpr.RCX.number(), rcx);
      machine.state().setGpr(Gpr.RBX.number(), DATA);
      machine.state().setRflags(Eflags.FIXED | flags);
      machine.machine().memory().write(DATA, 8, rcx);
      machine.machine().memory().write(DATA + 8, 8, rax);
    }
  }

  private static Interpreter.Stop run(
      BareMachine machine, Operands operands, Consumer<X86Assembler> instruction) {
    machine.load(CODE, GuestPrograms.halting(CODE, instruction));
    operands.load(machine);
    machine.state().setRip(CODE);
    return machine.run(100);
  }

  private static long flags(BareMachine machine) {
    return machine.state().rflags() & Eflags.STATUS;
  }

  /** RAX, RDX, RCX. The generator divides itself where the quotient surely fits. */
  private static final long[][] DIVISIONS = {
    {0, 0, 1},
    {100, 0, 7},
    {0x7000, 0, 0x7f},
    {0x1234_5678_9abc_def0L, 3, 0x7654_3210_fedc_ba98L},
    {-1000, -1, 7},
    {-1000, -1, -7},
    {0x0123_0456, 0x12, 0x7000_4000_6060L},
    {5, -3, 0x7fff_ffff_7fff_7f7fL},
    {5, 0, -1}
  };

  @Test
  void flagsOfDivisions() {
    int divided = 0;
    for (long[] values : DIVISIONS) {
      for (long flags : FLAGS) {
        Operands operands = new Operands(values[0], values[1], values[2], flags);
        for (OpSize size : OpSize.values()) {
          for (Rm divisor : List.of(Gpr.RCX, Mem.of(Gpr.RBX))) {
            divided += divide(UnaryOp.DIV, size, operands, divisor);
            divided += divide(UnaryOp.IDIV, size, operands, divisor);
          }
        }
      }
    }
    assertTrue(divided > 600, "few have a quotient: " + divided);
  }

  /** How many engines have divided; #DE leaves the flags alone. */
  private int divide(UnaryOp op, OpSize size, Operands before, Rm divisor) {
    int divided = 0;
    for (BareMachine engine : engines) {
      boolean quotient =
          run(engine, before, asm -> asm.unary(op, size, divisor)) == Interpreter.Stop.HALT;
      divided += quotient ? 1 : 0;
      long expected = quotient ? ofHost(op, size.bytes(), before) : before.flags();
      assertEquals(expected & Eflags.STATUS, flags(engine), op + " " + size + " " + before);
    }
    return divided;
  }

  private long ofHost(UnaryOp op, int size, Operands o) {
    return op == UnaryOp.DIV
        ? host.ofDivision(size, o.rax(), o.rdx(), o.rcx(), (int) o.flags())
        : host.ofSignedDivision(size, o.rax(), o.rdx(), o.rcx(), (int) o.flags());
  }

  @Test
  void flagsOfDivisionsBehindOtherInstructions() {
    Operands operands = new Operands(1000, 0, 0, 0);
    for (BareMachine engine : engines) {
      run(
          engine,
          operands,
          asm -> {
            asm.op(NullaryOp.STC);
            asm.sub(OpSize.DWORD, Gpr.RCX, Gpr.RCX);
            asm.mov(OpSize.DWORD, Gpr.RCX, 3);
            asm.unary(UnaryOp.DIV, OpSize.DWORD, Gpr.RCX);
            asm.mov(OpSize.QWORD, Gpr.RSI, Mem.of(Gpr.RBX));
          });
      long expected = host.ofDivision(4, 1000, 0, 3, Eflags.ZF | Eflags.PF) & Eflags.STATUS;
      assertEquals(expected, flags(engine));
      assertEquals(333, engine.state().gpr(Gpr.RAX.number()));
    }
  }

  @Test
  void doubleShiftsBeyondTheirOperand() {
    for (int count = 17; count < 32; count++) {
      for (long flags : FLAGS) {
        Operands operands = new Operands(0x8123_4567_89ab_cde3L, 0x1_5a96, count, flags);
        for (boolean left : new boolean[] {true, false}) {
          long expected = host.ofDoubleShift(left, 0xcde3, 0x5a96, count, (int) flags);
          for (BareMachine engine : engines) {
            for (boolean memory : new boolean[] {true, false}) {
              shift(engine, operands, left, memory, true);
              assertShifted(engine, memory, expected);
              shift(engine, operands, left, memory, false);
              assertShifted(engine, memory, expected);
            }
          }
        }
      }
    }
  }

  private static void shift(
      BareMachine engine, Operands operands, boolean left, boolean memory, boolean byConstant) {
    Rm operand = memory ? Mem.of(Gpr.RBX, 8) : Gpr.RAX;
    int count = (int) operands.rcx();
    run(
        engine,
        operands,
        asm -> {
          if (byConstant && left) {
            asm.shld(OpSize.WORD, operand, Gpr.RDX, count);
          } else if (byConstant) {
            asm.shrd(OpSize.WORD, operand, Gpr.RDX, count);
          } else if (left) {
            asm.shldCl(OpSize.WORD, operand, Gpr.RDX);
          } else {
            asm.shrdCl(OpSize.WORD, operand, Gpr.RDX);
          }
        });
  }

  private static void assertShifted(BareMachine engine, boolean memory, long expected) {
    long result =
        memory ? engine.machine().memory().read(DATA + 8, 8) : engine.state().gpr(Gpr.RAX.number());
    assertEquals(0x8123_4567_89ab_0000L | expected & 0xffff, result);
    assertEquals(expected >>> 32 & Eflags.STATUS, flags(engine));
  }
}
