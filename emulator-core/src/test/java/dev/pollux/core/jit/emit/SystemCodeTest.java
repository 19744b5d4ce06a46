package dev.pollux.core.jit.emit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.NativeCall;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.jit.GeneratorHost;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.cache.BlockIndex;
import dev.pollux.core.jit.cache.CodeCache;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.mmu.TlbLayout;
import java.util.EnumSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Transfers of privilege in generated code, against the interpreter from the same state: everything
 * of the processor that software can see must be equal afterwards, and what the code does not
 * handle it must leave untouched.
 */
@ParameterizedClass
@ValueSource(booleans = {false, true})
class SystemCodeTest {
  /** Of the code: see {@link BlockCompiler.Context#quick}. */
  @Parameter private boolean quick;

  private static final int CODE = 0x1_0000;
  private static final int GDT = 0x2000;
  private static final int STACK = 0x2_0000;
  private static final int RCX = 1;
  private static final int RSP = 4;
  private static final int R11 = 11;
  private static final int CODE0 = 0x10;
  private static final int DATA0 = 0x18;
  private static final int DATA3 = 0x2b;
  private static final int CODE3 = 0x33;
  private static final int SMAP = 1 << 21;
  private static final int STATUS_SOME = Eflags.CF | Eflags.AF | Eflags.SF | Eflags.OF;

  private BareMachine machine;
  private CpuState state;
  private CodeCache cache;

  /** Of the code that {@link #generated} made last. */
  private long entry;

  private BlockIndex index;
  private Stubs stubs;

  @BeforeEach
  void open() throws Exception {
    GeneratorHost.assumeGenerator();
    machine = new BareMachine(4 << 20);
    state = machine.state();
    machine.enterLongMode();
    cache = new CodeCache(1 << 20);
    index = new BlockIndex();
    stubs = new Stubs(cache.nextAddress(), false, index.address());
    cache.append(stubs.code());
    descriptor(CODE0, 0x00af_9b00_0000_ffffL);
    descriptor(DATA0, 0x00cf_9300_0000_ffffL);
    descriptor(DATA3, 0x00cf_f300_0000_ffffL);
    descriptor(CODE3, 0x00af_fb00_0000_ffffL);
    state.setU64(CpuLayout.GDT_BASE, GDT);
    state.setU64(CpuLayout.GDT_LIMIT, 0x7f);
    state.setU32(JitLayout.CALLS_LEFT, Integer.MAX_VALUE);
    state.setU64(CpuLayout.STAR, 0x0023_0010_0000_0000L);
    state.setU64(CpuLayout.LSTAR, 0x1234_5678L);
    state.setU64(CpuLayout.SFMASK, 0x25_7fd5);
    for (int i = 0; i < 16; i++) {
      state.setGpr(i, 0x1111_1111_1111L * i);
    }
    state.setGpr(RSP, STACK);
    state.setRflags(Eflags.FIXED | STATUS_SOME);
    for (int segment : new int[] {CpuLayout.ES, CpuLayout.DS, CpuLayout.FS, CpuLayout.GS}) {
      state.setSeg(segment, 0, 0, 0, 0);
    }
    machine.vcpu().mmu().updateMode();
  }

  @AfterEach
  void close() {
    if (machine != null) {
      cache.close();
      index.close();
      machine.close();
    }
  }

  private void descriptor(int selector, long value) {
    machine.machine().memory().write(GDT + (selector & ~7), 8, value);
  }

  private void frame(long rip, int cs, int flags, long rsp, int ss) {
    long[] words = {rip, cs, flags, rsp, ss};
    for (int i = 0; i < words.length; i++) {
      machine.machine().memory().write(STACK + i * 8, 8, words[i]);
    }
  }

  private byte[] visible() {
    byte[] bytes = new byte[CpuLayout.SCRATCH];
    RawMemory.copyOut(state.address(), bytes, 0, bytes.length);
    return bytes;
  }

  private void restore(byte[] bytes) {
    for (int i = 0; i < bytes.length; i++) {
      RawMemory.putByte(state.address() + i, bytes[i]);
    }
  }

  /**
   * Where generated code left.
   *
   * @param interpreted for the interpreter to execute the instruction
   * @param mode the software TLB's mode there
   */
  private record Left(boolean interpreted, int mode) {}

  /** Executes one instruction as generated code. */
  private Left generated(Consumer<X86Assembler> program) {
    X86Assembler guest = new X86Assembler(CodeMode.BITS64);
    guest.org(CODE);
    program.accept(guest);
    byte[] bytes = guest.finish();
    machine.load(CODE, bytes);
    state.setRip(CODE);
    machine.vcpu().mmu().updateMode();
    Insn insn = new Decoder(EnumSet.allOf(CpuFeature.class)).decode(bytes, 0, bytes.length, 64);
    insn.nextOffset = insn.length;
    BlockCompiler compiler = new BlockCompiler(stubs);
    BlockCode code =
        compiler.compile(
            new BlockCompiler.Context(
                0, // CODE begins a page
                0,
                machine.vcpu().mmu().mode(),
                (state.cr4() & SMAP) != 0,
                true,
                true,
                true,
                true,
                0,
                quick),
            new Insn[] {insn},
            new int[1],
            1,
            cache.nextAddress(),
            offset -> null);
    for (int i = 0; i < code.exits().size(); i++) {
      compiler.assembler().code().patch(code.exits().get(i).numberAt(), 4, TlbLayout.MODES + i);
    }
    long start = cache.append(compiler.assembler().code());
    for (int table = 0; table < JitLayout.JUMP_TABLES; table++) {
      RawMemory.putLong(state.address() + JitLayout.jumpTable(table), 1);
    }
    if ((state.cr4() & SMAP) == 0) {
      // The TLB is to know these pages, which belong to the user.
      machine.vcpu().mmu().read64(STACK);
      machine.vcpu().mmu().read64(GDT);
    }
    state.setU16(JitLayout.FLAGS, JitLayout.packFlags(state.rflags()));
    state.setU64(JitLayout.PAGE, CODE);
    entry = start + code.entryAt();
    NativeCall.call(stubs.enter(), state.address(), entry, 0);
    state.setRflags(
        state.rflags() & ~(long) Eflags.STATUS | JitLayout.unpackFlags(state.u16(JitLayout.FLAGS)));
    int number = state.u32(JitLayout.EXIT) - TlbLayout.MODES;
    if (number < 0) {
      return new Left(false, number + TlbLayout.MODES);
    }
    BlockCode.Exit exit = code.exits().get(number);
    if (exit instanceof BlockCode.Link link) {
      state.setRip(CODE + link.target());
    }
    return new Left(exit instanceof BlockCode.Interpret, exit.mode());
  }

  /** Generated code must do what the interpreter does. */
  private void assertTranslated(Consumer<X86Assembler> program) {
    byte[] before = visible();
    Left exit = generated(program);
    assertEquals(false, exit.interpreted(), "left to the interpreter");
    byte[] after = visible();
    restore(before);
    state.setRip(CODE);
    machine.run(1);
    assertEquals(exit.mode(), machine.vcpu().mmu().mode(), "mode");
    byte[] expected = visible();
    for (int at = 0; at < expected.length; at += 4) {
      if (at >> 3 != CpuLayout.REG_BLOCK && !isEngines(at)) {
        assertEquals(word(expected, at), word(after, at), "state block offset " + at);
      }
    }
  }

  private static boolean isEngines(int at) {
    return at == CpuLayout.EXIT_REQUEST || at >= CpuLayout.JIT_NEAR && at < CpuLayout.SEG;
  }

  private static int word(byte[] bytes, int at) {
    return bytes[at] & 0xff
        | (bytes[at + 1] & 0xff) << 8
        | (bytes[at + 2] & 0xff) << 16
        | bytes[at + 3] << 24;
  }

  /** Generated code must leave the instruction to the interpreter and everything as it was. */
  private void assertLeft(Consumer<X86Assembler> program) {
    byte[] before = visible();
    assertEquals(true, generated(program).interpreted());
    byte[] after = visible();
    for (int at = 0; at < before.length; at += 4) {
      if (at >> 3 != CpuLayout.RIP >> 3 && !isEngines(at)) {
        assertEquals(word(before, at), word(after, at), "state block offset " + at);
      }
    }
  }

  private static void syscall(X86Assembler a) {
    a.op(NullaryOp.SYSCALL);
  }

  private static void sysret(X86Assembler a) {
    a.op(NullaryOp.SYSRETQ);
  }

  private static void iret(X86Assembler a) {
    a.iret(OpSize.QWORD);
  }

  @Test
  void syscallEntersTheKernel() {
    machine.setPrivilege(3);
    state.setRflags(state.rflags() | Eflags.IF | Eflags.DF | Eflags.AC | Eflags.ID);
    assertTranslated(SystemCodeTest::syscall);
    state.setU64(CpuLayout.CR4, state.cr4() | SMAP);
    machine.setPrivilege(3);
    assertTranslated(SystemCodeTest::syscall);
  }

  @Test
  void syscallWithFlagsThatStay() {
    machine.setPrivilege(3);
    state.setU64(CpuLayout.SFMASK, Eflags.IF);
    state.setRflags(state.rflags() | Eflags.IF | Eflags.DF);
    assertTranslated(SystemCodeTest::syscall);
    machine.setPrivilege(3);
    state.setRflags(state.rflags() | Eflags.AC);
    assertLeft(SystemCodeTest::syscall);
  }

  @Test
  void syscallMustBeEnabled() {
    machine.setPrivilege(3);
    state.setU64(CpuLayout.EFER, state.efer() & ~1);
    assertLeft(SystemCodeTest::syscall);
  }

  @Test
  void sysretLeavesTheKernel() {
    state.setGpr(RCX, 0x5555_4444);
    state.setGpr(R11, -1L & ~(Eflags.TF | Eflags.AC));
    assertTranslated(SystemCodeTest::sysret);
  }

  @Test
  void sysretThatTrapsFaultsOrIsInterruptedIsLeft() {
    state.setGpr(RCX, 1L << 47);
    state.setGpr(R11, 2);
    assertLeft(SystemCodeTest::sysret);
    state.setGpr(RCX, CODE);
    state.setGpr(R11, Eflags.TF);
    assertLeft(SystemCodeTest::sysret);
    state.setGpr(R11, Eflags.AC);
    assertLeft(SystemCodeTest::sysret);
    state.setGpr(R11, 2);
    state.setU32(CpuLayout.PENDING, Interrupts.HARD);
    assertLeft(SystemCodeTest::sysret);
  }

  @Test
  void iretToTheSameLevel() {
    state.setU32(CpuLayout.NMI_BLOCKED, 1);
    frame(0x7777, CODE0, Eflags.IF | Eflags.ZF | Eflags.PF, 0x1234, DATA0);
    assertTranslated(SystemCodeTest::iret);
    state.setGpr(RSP, STACK);
    frame(0x7777, CODE0, Eflags.ZF | Eflags.RF, 0x1234, 0);
    state.setU32(CpuLayout.PENDING, Interrupts.HARD);
    assertTranslated(SystemCodeTest::iret);
  }

  @Test
  void iretToTheUser() {
    int flags = Eflags.IF | Eflags.DF | Eflags.NT | Eflags.ID | Eflags.RF | STATUS_SOME;
    frame(0x7777, CODE3, flags, 0x7fff_ffff_f000L, DATA3);
    state.setSeg(CpuLayout.ES, DATA3, 0, -1, 0xc0f3);
    assertTranslated(SystemCodeTest::iret);
  }

  @Test
  void iretThatTrapsFaultsOrIsInterruptedIsLeft() {
    frame(0x7777, CODE3, Eflags.TF, 0x1234, DATA3);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, CODE3, Eflags.AC, 0x1234, DATA3);
    assertLeft(SystemCodeTest::iret);
    frame(1L << 63, CODE3, 2, 0x1234, DATA3);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, CODE3, 2, 0x1234, DATA0);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, CODE3 & ~3 | 1, 2, 0x1234, DATA3 & ~3 | 1);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, 0x83, 2, 0x1234, DATA3);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, CODE3, 2, 0x1234, 0);
    assertLeft(SystemCodeTest::iret);
    frame(0x7777, CODE3, Eflags.IF, 0x1234, DATA3);
    state.setU32(CpuLayout.PENDING, Interrupts.HARD);
    assertLeft(SystemCodeTest::iret);
    state.setU32(CpuLayout.PENDING, Interrupts.NMI);
    frame(0x7777, CODE3, 2, 0x1234, DATA3);
    assertLeft(SystemCodeTest::iret);
    state.setU32(CpuLayout.PENDING, 0);
    state.setRflags(state.rflags() | Eflags.NT);
    assertLeft(SystemCodeTest::iret);
    state.setRflags(state.rflags() & ~Eflags.NT);
    state.setSeg(CpuLayout.ES, DATA0, 0, -1, 0xc093);
    assertLeft(SystemCodeTest::iret);
    state.setSeg(CpuLayout.ES, 0, 0, 0, 0);
    descriptor(CODE3, 0x00af_fa00_0000_ffffL);
    assertLeft(SystemCodeTest::iret);
  }

  /**
   * Another vCPU sets TF in the frame again and again: code that does not leave may not have loaded
   * it.
   */
  @Test
  void iretChecksTheFrameThatItLoads() throws InterruptedException {
    frame(0x7777, CODE3, 2, 0x1234, DATA3);
    byte[] before = visible();
    generated(SystemCodeTest::iret);
    AtomicBoolean done = new AtomicBoolean();
    long flags = machine.ram().hostAddress() + STACK + 16;
    Thread writer =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!done.get()) {
                    RawMemory.putByte(flags + 1, (byte) 1);
                    RawMemory.putByte(flags + 1, (byte) 0);
                  }
                });
    try {
      for (int i = 0; i < 50_000; i++) {
        restore(before);
        NativeCall.call(stubs.enter(), state.address(), entry, 0);
        assertEquals(0, state.rflags() & Eflags.TF, "TF was loaded, round " + i);
      }
    } finally {
      done.set(true);
      writer.join();
    }
  }

  @Test
  void userAccessIsAllowedAndForbidden() {
    state.setU64(CpuLayout.CR4, state.cr4() | SMAP);
    assertTranslated(a -> a.op(NullaryOp.STAC));
    assertTranslated(a -> a.op(NullaryOp.CLAC));
    state.setU64(CpuLayout.CR4, state.cr4() & ~SMAP);
    assertTranslated(a -> a.op(NullaryOp.STAC));
    assertTranslated(a -> a.op(NullaryOp.CLAC));
    machine.setPrivilege(3);
    assertLeft(a -> a.op(NullaryOp.STAC));
  }
}
