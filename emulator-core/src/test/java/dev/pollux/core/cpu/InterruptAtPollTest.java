package dev.pollux.core.cpu;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.GeneratorHost;
import dev.pollux.core.jit.GuestPrograms;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * An interrupt that generated code takes where it looks for one, at a loop's start: its frame has
 * the flags of the instruction before, although the guest's code never reads them.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class InterruptAtPollTest {
  private static final int CODE = 0x1_0000;
  private static final int DATA = 0x10_0000;
  private static final int STACK = 0x8_0000;
  private static final int GDT = 0x1000;
  private static final int IDT = 0x2000;
  private static final int HANDLER = 0x3000;
  private static final int CODE_32 = 0xc09b;
  private static final int ROUNDS = 10_000;

  /** From R8 and RCX to EAX. */
  private static final List<Consumer<X86Assembler>> PRODUCERS =
      List.of(
          a -> a.add(DWORD, Gpr.RAX, Gpr.RCX),
          a -> a.sub(DWORD, Gpr.RAX, Gpr.RCX),
          a -> a.unary(UnaryOp.NEG, DWORD, Gpr.RAX),
          a -> a.alu(AluOp.CMP, DWORD, Gpr.RAX, Gpr.RCX),
          a -> a.sub(DWORD, Gpr.RAX, 0x1234_5678));

  private static BareMachine machine(boolean translated) {
    BareMachine m = new BareMachine(8 << 20, new CpuModel("qemu64"), translated);
    m.enterLongMode();
    m.machine().memory().write(GDT + 8, 8, 0x00af_9a00_0000_ffffL);
    m.machine().memory().write(GDT + 16, 8, 0x00cf_9200_0000_ffffL);
    m.machine().memory().write(IDT + 16 * CpuException.NMI, 8, 0x8e00_0008_0000L | HANDLER);
    m.state().setU64(CpuLayout.GDT_BASE, GDT);
    m.state().setU64(CpuLayout.GDT_LIMIT, 0x17);
    m.state().setU64(CpuLayout.IDT_BASE, IDT);
    m.state().setU64(CpuLayout.IDT_LIMIT, 0xfff);
    return m;
  }

  private static byte[] assemble(Consumer<X86Assembler> program) {
    return GuestPrograms.assemble(CODE, program);
  }

  private static void operands(X86Assembler asm, Consumer<X86Assembler> producer) {
    asm.mov(DWORD, Gpr.R8, Gpr.RAX);
    producer.accept(asm);
    asm.mov(DWORD, Gpr.RDX, 5);
  }

  private static void loop(X86Assembler asm, Consumer<X86Assembler> producer) {
    Label top = asm.here();
    asm.add(DWORD, Gpr.RAX, 0x0765_4321); // replaces all flags
    asm.add(DWORD, Mem.of(Gpr.RBX), 1);
    operands(asm, producer);
    asm.jmp(top);
  }

  @Test
  void theFrameHasTheFlagsOfTheInstructionBefore() throws InterruptedException {
    GeneratorHost.assumeGenerator();
    for (Consumer<X86Assembler> producer : PRODUCERS) {
      try (BareMachine m = machine(true)) {
        m.load(CODE, assemble(asm -> loop(asm, producer)));
        m.state().setGpr(Gpr.RBX.number(), DATA);
        m.state().setGpr(Gpr.RCX.number(), 0x9abc_def1L);
        m.state().setGpr(Gpr.RSP.number(), STACK);
        m.state().setRflags(Eflags.FIXED);
        m.state().setRip(CODE);
        interruptOnceItRuns(m);
        assertEquals(CODE, m.state().rip());
        assertTrue(m.jit().translations() > 0);
        m.vcpu().delivery().deliverPending();
        assertEquals(HANDLER, m.state().rip());
        long rsp = m.state().gpr(Gpr.RSP.number());
        ByteBuffer frame = ByteBuffer.wrap(m.memory(rsp, 40)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(CODE, frame.getLong(0));
        assertEquals(
            flagsOf(producer, m.state()),
            frame.getLong(16) & Eflags.STATUS,
            "producer " + PRODUCERS.indexOf(producer));
      }
    }
  }

  /** Addresses of 32-bit code wrap, so it goes round without any jump backwards. */
  @Test
  void codeThatJumpsForwardsOnlyIsInterrupted() throws InterruptedException {
    GeneratorHost.assumeGenerator();
    try (BareMachine m = machine(true)) {
      m.state().setSeg(CpuLayout.CS, 8, 0, 0xffff_ffffL, CODE_32);
      long pageDirectories = m.ram().size() - BareMachine.PAGE_TABLE_BYTES + 0x2000;
      int[] places = {0x1000_0000, 0x6000_0000, 0xb000_0000};
      for (int i = 0; i < places.length; i++) { // all of them are the memory at 0
        long entry = pageDirectories + 8 * (Integer.toUnsignedLong(places[i]) >> 21);
        m.machine().memory().write(entry, 8, 0xe7);
        int here = CODE + 0x1000 * i;
        int next = places[(i + 1) % 3] + CODE + 0x1000 * ((i + 1) % 3);
        ByteBuffer code = ByteBuffer.allocate(11).order(ByteOrder.LITTLE_ENDIAN);
        code.put((byte) 0xff).put((byte) 0x05).putInt(DATA); // inc dword [DATA]
        code.put((byte) 0xe9).putInt(next - (places[i] + here + 11));
        assertTrue(code.getInt(7) > 0);
        m.load(here, code.array());
      }
      m.vcpu().mmu().flushAll();
      m.state().setRip(Integer.toUnsignedLong(places[0]) + CODE);
      interruptOnceItRuns(m);
      assertTrue(m.jit().translations() >= 3);
    }
  }

  private static void interruptOnceItRuns(BareMachine m) throws InterruptedException {
    long counter = m.ram().hostAddress() + DATA;
    Thread other =
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                  while (RawMemory.getIntVolatile(counter) < ROUNDS) {
                    Thread.onSpinWait();
                  }
                  m.vcpu().raise(Interrupts.NMI);
                });
    m.state().setExitRequest(false);
    m.jit().run();
    other.join();
  }

  /** The interpreter's, from the same operands. */
  private static long flagsOf(Consumer<X86Assembler> producer, CpuState end) {
    try (BareMachine m = machine(false)) {
      m.load(
          CODE,
          assemble(
              asm -> {
                operands(asm, producer);
                asm.op(NullaryOp.HLT);
              }));
      m.state().setGpr(Gpr.RAX.number(), end.gpr(Gpr.R8.number()));
      m.state().setGpr(Gpr.RCX.number(), end.gpr(Gpr.RCX.number()));
      m.state().setRflags(Eflags.FIXED);
      m.state().setRip(CODE);
      assertEquals(Interpreter.Stop.HALT, m.run(100));
      assertEquals(end.gpr(Gpr.RAX.number()), m.state().gpr(Gpr.RAX.number()));
      return m.state().rflags() & Eflags.STATUS;
    }
  }
}
