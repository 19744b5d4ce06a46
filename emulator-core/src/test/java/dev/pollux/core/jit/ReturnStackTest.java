package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Returns, to where generated code expects them and elsewhere. */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, 50, -1})
class ReturnStackTest {
  /** Of generated code: short, quick, and what changes from one to the other sooner or later. */
  @Parameter private int patience;

  private static final int CODE = 0x10_0000;
  private static final int FUNCTION = 0x11_0000;
  private static final int STACK = 0x7_0000;
  private static final int BIG_PAGE = 2 << 20;
  private static final int BIG_PAGE_FLAGS = 0xe7;
  private static final int SMAP = 1 << 21;
  private static final int PAGE_FAULT = 14;
  private static final int GENERAL_PROTECTION = 13;

  /** More than are expected at once. */
  private static final int DEEP = 5000;

  private BareMachine m;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    m = new BareMachine(16 << 20, new CpuModel("qemu64,smap=on"), true);
    m.jit().setPatience(patience);
    m.enterLongMode();
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  private void program(int address, Consumer<X86Assembler> code) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(address);
    code.accept(asm);
    m.load(address, asm.finish());
  }

  /** Closes the first page, of code and stack, to user code. */
  private void kernelOnly() {
    m.machine().memory().write(m.state().u64(CpuLayout.CR3) + 0x2000, 8, BIG_PAGE_FLAGS & ~4);
    m.vcpu().mmu().flushAll();
  }

  private Interpreter.Stop start() {
    m.setPrivilege(0);
    m.vcpu().mmu().updateMode();
    m.state().setGpr(4, STACK);
    m.state().setRip(CODE);
    return m.run(0);
  }

  private void run() {
    assertEquals(Interpreter.Stop.HALT, start(), "RIP " + Long.toHexString(m.state().rip()));
  }

  private long register(Gpr register) {
    return m.state().gpr(register.number());
  }

  private static void call(X86Assembler asm, int address) {
    asm.mov(DWORD, Gpr.RDX, address);
    asm.call(Gpr.RDX);
  }

  /** Adds RBX to RAX and calls itself until that is zero. */
  private static void sum(X86Assembler asm) {
    Label down = new Label();
    asm.test(DWORD, Gpr.RBX, Gpr.RBX);
    asm.jcc(Cond.NE, down);
    asm.ret();
    asm.bind(down);
    asm.add(QWORD, Gpr.RAX, Gpr.RBX);
    asm.sub(DWORD, Gpr.RBX, 1);
    Label self = new Label();
    asm.call(self);
    asm.add(DWORD, Gpr.RSI, 1);
    asm.ret();
    asm.bind(self);
    asm.mov(DWORD, Gpr.RDX, FUNCTION);
    asm.jmp(Gpr.RDX);
  }

  /** Clears RSI, which counts; RCX counts the rounds. */
  private static void repeat(X86Assembler asm, int times, Runnable body) {
    asm.mov(DWORD, Gpr.RSI, 0);
    asm.mov(DWORD, Gpr.RCX, times);
    Label top = asm.here();
    body.run();
    asm.sub(DWORD, Gpr.RCX, 1);
    asm.jcc(Cond.NE, top);
  }

  @Test
  void deeperThanIsExpected() {
    program(FUNCTION, ReturnStackTest::sum);
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RAX, 0);
          asm.mov(DWORD, Gpr.RSI, 0);
          asm.mov(DWORD, Gpr.RBX, DEEP);
          call(asm, FUNCTION);
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 3; i++) {
      run();
      assertEquals((long) DEEP * (DEEP + 1) / 2, register(Gpr.RAX));
      assertEquals(DEEP, register(Gpr.RSI));
      assertEquals(STACK, register(Gpr.RSP));
    }
  }

  /** As longjmp does, from the depth of many calls, again and again. */
  @Test
  void returnOverManyCalls() {
    program(
        FUNCTION,
        asm -> {
          Label top = asm.here();
          Label deep = new Label();
          Label self = new Label();
          asm.sub(DWORD, Gpr.RBX, 1);
          asm.jcc(Cond.E, deep);
          asm.call(self);
          asm.add(DWORD, Gpr.RSI, 1); // nobody returns here
          asm.ret();
          asm.bind(self);
          asm.jmp(top);
          asm.bind(deep);
          asm.mov(QWORD, Gpr.RSP, Gpr.RDI);
          asm.ret();
        });
    program(
        CODE,
        asm -> {
          repeat(
              asm,
              100,
              () -> {
                asm.mov(DWORD, Gpr.RBX, 700);
                asm.lea(QWORD, Gpr.RDI, Mem.of(Gpr.RSP, -8));
                call(asm, FUNCTION);
              });
          asm.op(NullaryOp.HLT);
        });
    run();
    assertEquals(0, register(Gpr.RSI));
    assertEquals(STACK, register(Gpr.RSP));
  }

  /** Two calls from the same place do not return one for the other, and returns need no call. */
  @Test
  void returnThatNoCallExpects() {
    program(
        FUNCTION,
        asm -> {
          asm.add(DWORD, Gpr.RAX, 1);
          asm.add(QWORD, Mem.of(Gpr.RSP), Gpr.RDI);
          asm.ret();
        });
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RAX, 0);
          repeat(
              asm,
              300,
              () -> {
                asm.mov(DWORD, Gpr.RDI, Gpr.RCX);
                asm.and(DWORD, Gpr.RDI, 1);
                asm.lea(DWORD, Gpr.RDI, Mem.of(Gpr.RDI, Gpr.RDI, 2, 0)); // 0 or 3, an ADD's length
                call(asm, FUNCTION);
                asm.add(DWORD, Gpr.RSI, 1);
                Label pushed = new Label();
                asm.lea(QWORD, Gpr.RDX, Mem.of(pushed));
                asm.push(Gpr.RDX);
                asm.ret();
                asm.add(DWORD, Gpr.RSI, 100); // nobody comes here
                asm.bind(pushed);
              });
          asm.op(NullaryOp.HLT);
        });
    run();
    assertEquals(300, register(Gpr.RAX));
    assertEquals(150, register(Gpr.RSI));
  }

  /** What lies at the bottom is an address like others, and one that is not canonical faults. */
  @Test
  void returnToNowhere() {
    for (long address : new long[] {-16, -1, 1L << 47, 0x8000_0000_0000_0000L}) {
      program(
          CODE,
          asm -> {
            asm.mov(QWORD, Gpr.RAX, address);
            asm.push(Gpr.RAX);
            asm.ret();
          });
      boolean canonical = address << 16 >> 16 == address;
      for (int i = 0; i < 3; i++) {
        assertEquals(Interpreter.Stop.EXCEPTION, start());
        assertEquals(
            canonical ? PAGE_FAULT : GENERAL_PROTECTION, m.cpu().exceptionVector(), "" + address);
        assertEquals(canonical ? address : CODE + 11, m.state().rip());
        assertEquals(canonical ? STACK : STACK - 8, register(Gpr.RSP));
      }
    }
  }

  /** A function that replaces the code behind its call; that is executed, not what was there. */
  @Test
  void codeThatIsReturnedToIsWritten() {
    program(
        FUNCTION,
        asm -> {
          asm.mov(QWORD, Gpr.RDX, Mem.of(Gpr.RSP));
          asm.add(DWORD, Mem.of(Gpr.RDX, 1), 1); // the constant of MOV
          asm.ret();
        });
    program(
        CODE,
        asm -> {
          repeat(
              asm,
              200,
              () -> {
                call(asm, FUNCTION);
                asm.mov(DWORD, Gpr.RAX, 1000);
                asm.add(DWORD, Gpr.RSI, Gpr.RAX);
              });
          asm.op(NullaryOp.HLT);
        });
    run();
    assertEquals(1200, register(Gpr.RAX));
    assertEquals(200 * 1000 + 200 * 201 / 2, register(Gpr.RSI));
  }

  /** A function that maps another page where it was called. */
  @Test
  void pageThatIsReturnedToIsMappedElsewhere() {
    int alias = 16 * BIG_PAGE;
    long entry = m.state().u64(CpuLayout.CR3) + 0x2000 + 8L * (alias / BIG_PAGE);
    for (int page = 1; page <= 2; page++) {
      int value = page;
      program(
          page * BIG_PAGE,
          asm -> {
            asm.push(Gpr.RBX);
            call(asm, FUNCTION);
            asm.mov(DWORD, Gpr.RAX, value);
            asm.pop(Gpr.RBX);
            asm.ret();
          });
    }
    program(
        FUNCTION,
        asm -> {
          asm.alu(AluOp.XOR, DWORD, Mem.absolute((int) entry), 3 * BIG_PAGE);
          asm.op(MemOp.INVLPG, Mem.absolute(alias));
          asm.ret();
        });
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Mem.absolute((int) entry), BIG_PAGE | BIG_PAGE_FLAGS);
          asm.op(MemOp.INVLPG, Mem.absolute(alias));
          asm.mov(DWORD, Gpr.RCX, 101);
          Label top = asm.here();
          call(asm, alias);
          asm.sub(DWORD, Gpr.RCX, 1);
          asm.jcc(Cond.NE, top);
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 3; i++) {
      run();
      assertEquals(2, register(Gpr.RAX));
    }
  }

  /** User code may not return to where the kernel was called from, whatever the kernel expects. */
  @Test
  void returnAcrossPrivilege() {
    m.state().setU64(CpuLayout.STAR, 0x0023_0010_0000_0000L);
    m.state().setU64(CpuLayout.LSTAR, FUNCTION);
    m.state().setU64(CpuLayout.SFMASK, 0x4_7700);
    int user = 3 * BIG_PAGE;
    program(
        CODE,
        asm -> {
          Label kernel = new Label();
          Label behind = new Label();
          asm.mov(DWORD, Gpr.RCX, 100);
          Label warm = asm.here();
          asm.call(kernel);
          asm.sub(DWORD, Gpr.RCX, 1);
          asm.jcc(Cond.NE, warm);
          asm.mov(DWORD, Gpr.RAX, 1);
          asm.call(kernel);
          asm.bind(behind);
          asm.op(NullaryOp.HLT);
          asm.bind(kernel);
          Label leave = new Label();
          asm.test(DWORD, Gpr.RAX, Gpr.RAX);
          asm.jcc(Cond.NE, leave);
          asm.ret();
          asm.bind(leave);
          asm.mov(DWORD, Gpr.RCX, user);
          asm.op(NullaryOp.SYSRETQ);
        });
    program(user, X86Assembler::ret);
    kernelOnly();
    int userStack = 2 * BIG_PAGE + 0x1000;
    for (int i = 0; i < 3; i++) {
      m.setPrivilege(0);
      m.vcpu().mmu().updateMode();
      m.state().setGpr(0, 0);
      m.state().setGpr(11, 2);
      m.state().setGpr(4, userStack);
      m.state().setRip(CODE);
      assertEquals(Interpreter.Stop.EXCEPTION, m.run(0));
      assertEquals(PAGE_FAULT, m.cpu().exceptionVector());
      assertTrue(m.state().rip() > CODE && m.state().rip() < CODE + 100);
      assertEquals(3, m.state().segAttr(CpuLayout.CS) >> 5 & 3);
    }
  }

  /** A function that returns with RFLAGS.AC the other way round: its callers' accesses heed it. */
  @Test
  void returnWithOtherRights() {
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | SMAP);
    kernelOnly();
    int open = 2 * BIG_PAGE;
    m.machine().memory().write(open, 4, 77);
    program(
        FUNCTION,
        asm -> {
          Label closed = new Label();
          asm.test(DWORD, Gpr.RBX, Gpr.RBX);
          asm.jcc(Cond.NE, closed);
          asm.op(NullaryOp.STAC);
          asm.ret();
          asm.bind(closed);
          asm.op(NullaryOp.CLAC);
          asm.ret();
        });
    program(
        CODE,
        asm -> {
          repeat(
              asm,
              100,
              () -> {
                asm.mov(DWORD, Gpr.RBX, 0);
                call(asm, FUNCTION);
                asm.mov(DWORD, Gpr.RAX, Mem.absolute(open));
                asm.add(DWORD, Gpr.RSI, Gpr.RAX);
                asm.mov(DWORD, Gpr.RBX, 1);
                call(asm, FUNCTION);
              });
          asm.mov(DWORD, Gpr.RAX, Mem.absolute(open));
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 3; i++) {
      assertEquals(Interpreter.Stop.EXCEPTION, start());
      assertEquals(PAGE_FAULT, m.cpu().exceptionVector());
      assertEquals(7700, register(Gpr.RSI));
      assertEquals(open, m.state().u64(CpuLayout.CR2));
    }
  }

  /** Calls forwards and returns alone, more than come to an end: a request is seen. */
  @Test
  void requestBetweenCallsAndReturns() throws InterruptedException {
    int functions = 60;
    int distance = 64;
    program(CODE, asm -> call(asm, FUNCTION));
    for (int i = 0; i < functions; i++) {
      boolean last = i == functions - 1;
      program(
          FUNCTION + i * distance,
          asm -> {
            Label next = new Label();
            if (!last) {
              asm.call(next);
              asm.call(next);
            }
            asm.ret();
            asm.nop(distance - asm.position());
            asm.bind(next);
          });
    }
    AtomicBoolean ended = new AtomicBoolean();
    Thread other =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!ended.get()) {
                    m.state().setU32(CpuLayout.HALTED, 1);
                    m.state().setExitRequest(true);
                    Thread.yield();
                  }
                });
    run();
    ended.set(true);
    other.join();
  }
}
