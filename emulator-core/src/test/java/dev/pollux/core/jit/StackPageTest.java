package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.core.mmu.Mmu;
import dev.pollux.core.mmu.RefillLayout;
import dev.pollux.core.mmu.TlbLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The page of the stack that generated code remembers is forgotten with its entry in the TLB. */
class StackPageTest {
  private static final int RAM = 8 << 20;
  private static final int READ = 0x10_0000;
  private static final int WRITE = 0x10_1000;
  private static final int PUSHES = 0x10_2000;
  private static final int ELSEWHERE = 0x10_3000;
  private static final int TABLE = 0x20_0000;
  private static final int TARGET = 0x30_0000;
  private static final int OTHER = 0x31_0000;

  /** Where the stack is, in a directory of its own. */
  private static final long PLACE = 0x4000_0000L;

  /** A page whose entry in the TLB is the same, and one whose entry is another. */
  private static final long SAME_ENTRY = PLACE + ((long) TlbLayout.ENTRIES << 12);

  private static final long NEXT_ENTRY = SAME_ENTRY + 0x1000;

  private static final long READABLE = 0x25;
  private static final long ALL = 0x67;
  private static final long SUPERVISOR = 0x63;
  private static final int PAGE_FAULT = 14;

  private BareMachine m;
  private Mmu mmu;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    m = new BareMachine(RAM, new CpuModel("qemu64"), true);
    m.jit().setPatience(0);
    mmu = m.vcpu().mmu();
    m.enterLongMode();
    mmu.updateMode();
    program(READ, asm -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSP, 8)));
    program(WRITE, asm -> asm.push(Gpr.RDX));
    program(
        PUSHES,
        asm -> {
          asm.push(Gpr.RDX);
          asm.push(Gpr.RBX);
        });
    program(ELSEWHERE, asm -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSI)));
    write(TARGET + 8, TARGET);
    write(OTHER + 8, OTHER);
    for (int page : new int[] {TARGET, OTHER}) {
      m.ram().allowDirectWrites(page >> 12); // as a system's stores do
    }
    map(TARGET | ALL);
    write(TABLE + 8, OTHER | ALL);
    readElsewhere(PLACE); // the interpreter marks the upper tables as accessed
    mmu.flushAll();
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  private void program(int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.halting(address, code));
  }

  private void write(long address, long value) {
    m.machine().memory().write(address, 8, value);
  }

  /** Maps PLACE, and what is at {@link #SAME_ENTRY} as well, but forgets nothing. */
  private void map(long entry) {
    long directories = RAM - BareMachine.PAGE_TABLE_BYTES + 0x2000 + (PLACE >> 30 << 12);
    for (long place : new long[] {PLACE, SAME_ENTRY}) {
      write(directories + (place >> 21 & 511) * 8, TABLE | ALL);
    }
    write(TABLE, entry);
  }

  private Interpreter.Stop run(int program, long rsp) {
    m.state().setGpr(Gpr.RSP.number(), rsp);
    m.state().setGpr(Gpr.RAX.number(), 0);
    m.state().setRip(program);
    return m.run(1000);
  }

  private long read() {
    assertEquals(Interpreter.Stop.HALT, run(READ, PLACE));
    return m.state().gpr(Gpr.RAX.number());
  }

  private void readElsewhere(long address) {
    m.state().setGpr(Gpr.RSI.number(), address);
    assertEquals(Interpreter.Stop.HALT, run(ELSEWHERE, PLACE));
  }

  private void assertFaults(int program, long rsp) {
    assertEquals(Interpreter.Stop.EXCEPTION, run(program, rsp));
    assertEquals(PAGE_FAULT, m.cpu().exceptionVector());
    assertEquals(program, m.state().rip());
  }

  private boolean isKnown(int mode, int bytes) {
    return m.state().u64(RefillLayout.stack(mode) + RefillLayout.stackLimit(bytes)) != 0;
  }

  private void assertKnown(boolean known) {
    for (int bytes : RefillLayout.STACK_BYTES) {
      assertEquals(known, isKnown(TlbLayout.KERNEL, bytes));
    }
  }

  private void assertForgottenBy(Runnable forget) {
    for (int round = 0; round < 3; round++) {
      map(TARGET | ALL);
      mmu.flushAll();
      assertEquals(TARGET, read());
      assertKnown(true);
      map(OTHER | ALL);
      assertEquals(TARGET, read(), "nothing has been forgotten");
      forget.run();
      assertKnown(false);
      assertEquals(OTHER, read());
      mmu.flushAll();
    }
  }

  @Test
  void forgottenByInvlpg() {
    assertForgottenBy(() -> mmu.flushPage(PLACE + 0x123));
  }

  @Test
  void forgottenByNewTables() {
    assertForgottenBy(mmu::flushNonGlobal);
  }

  @Test
  void forgottenWithAll() {
    assertForgottenBy(mmu::flushAll);
  }

  /**
   * A global page stays where only the others are forgotten; what leads to it may be found anew.
   */
  @Test
  void globalPageIsFoundAgain() {
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | 1 << 7);
    mmu.updateMode();
    map(TARGET | ALL | 1 << 8);
    mmu.flushAll();
    assertEquals(TARGET, read());
    mmu.flushNonGlobal();
    map(OTHER | ALL | 1 << 8);
    assertEquals(TARGET, read());
    assertKnown(true);
    mmu.flushPage(PLACE);
    assertEquals(OTHER, read());
  }

  @Test
  void forgottenWhereItsEntryIsFilledByJava() {
    assertForgottenBy(() -> mmu.read64(SAME_ENTRY));
  }

  @Test
  void forgottenWhereItsEntryIsFilledInGeneratedCode() {
    readElsewhere(PLACE + 8);
    assertForgottenBy(() -> readElsewhere(SAME_ENTRY));
  }

  @Test
  void staysWhereGeneratedCodeFillsAnotherEntry() {
    readElsewhere(PLACE);
    assertEquals(TARGET, read());
    readElsewhere(NEXT_ENTRY);
    assertKnown(true);
  }

  @Test
  void forgottenWithTheRightsOfItsKey() {
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | ControlRegisters.CR4_PKE);
    m.setPrivilege(3);
    mmu.updateMode();
    run(READ, PLACE);
    assertEquals(TARGET, m.state().gpr(Gpr.RAX.number()));
    assertTrue(isKnown(TlbLayout.USER, 8));
    m.state().setU32(CpuLayout.PKRU, 1);
    mmu.updateMode();
    assertFaults(READ, PLACE);
  }

  private void assertTold(Runnable protect) {
    AtomicInteger told = new AtomicInteger();
    m.ram().setWatcher(WriteClient.MIGRATION, (block, page) -> told.incrementAndGet());
    for (int round = 1; round < 4; round++) {
      for (int program : new int[] {WRITE, PUSHES}) {
        told.set(0);
        run(program, PLACE + 64);
        run(program, PLACE + 64);
        assertKnown(true);
        m.ram().watch(WriteClient.MIGRATION, TARGET >> 12);
        protect.run();
        m.state().setGpr(Gpr.RDX.number(), round);
        assertEquals(Interpreter.Stop.HALT, run(program, PLACE + 64));
        assertEquals(1, told.get());
        assertEquals(round, m.machine().memory().read(TARGET + 56, 8));
      }
    }
  }

  @Test
  void toldOfWritesToThePageThatIsWatchedNow() {
    assertTold(() -> mmu.protectPage(m.ram(), TARGET >> 12));
  }

  @Test
  void toldOfWritesToAllPages() {
    assertTold(mmu::protectAll);
  }

  /** What the kernel may reach a program may not. */
  @Test
  void eachModeHasItsOwn() {
    map(TARGET | SUPERVISOR);
    mmu.flushAll();
    assertEquals(TARGET, read());
    assertKnown(true);
    m.setPrivilege(3);
    mmu.updateMode();
    assertFaults(READ, PLACE);
    assertFaults(WRITE, PLACE + 64);
  }

  @Test
  void pageThatMayOnlyBeReadIsNotKnown() {
    map(TARGET | READABLE);
    mmu.flushAll();
    assertEquals(TARGET, read());
    assertEquals(TARGET, read());
    assertKnown(false);
    assertFaults(WRITE, PLACE + 64);
    assertFaults(PUSHES, PLACE + 64);
  }

  /** No address hits what is forgotten, not even one that none can have. */
  @ParameterizedTest
  @ValueSource(longs = {0x4000_0000_0000_0000L, Long.MIN_VALUE, PLACE})
  void nothingHitsWhatIsForgotten(long tag) {
    map(0);
    mmu.flushAll();
    m.state().setU64(RefillLayout.stack(TlbLayout.KERNEL) + RefillLayout.STACK_TAG, tag);
    for (int program : new int[] {READ, WRITE, PUSHES}) {
      assertEquals(Interpreter.Stop.EXCEPTION, run(program, tag + 64));
      assertEquals(program, m.state().rip());
    }
  }

  /** At every distance from where the next page begins, which is not the next in memory. */
  @Test
  void endOfThePage() {
    write(TABLE + 8, OTHER | ALL);
    byte[] memory = new byte[8192];
    for (int i = 0; i < memory.length; i++) {
      memory[i] = (byte) (i * 37 >> 1);
    }
    for (int edge = 4096 - 80; edge < 4096 + 80; edge++) {
      for (int program : new int[] {READ, WRITE, PUSHES}) {
        m.load(TARGET, Arrays.copyOf(memory, 4096));
        m.load(OTHER, Arrays.copyOfRange(memory, 4096, 8192));
        m.state().setGpr(Gpr.RDX.number(), 0x1122_3344_5566_7788L);
        m.state().setGpr(Gpr.RBX.number(), 0x99aa_bbcc_ddee_ff00L);
        assertEquals(Interpreter.Stop.HALT, run(program, PLACE + edge));
        byte[] expected = memory.clone();
        ByteBuffer words = ByteBuffer.wrap(expected).order(ByteOrder.LITTLE_ENDIAN);
        if (program == READ) {
          assertEquals(words.getLong(edge + 8), m.state().gpr(Gpr.RAX.number()));
          continue;
        }
        words.putLong(edge - 8, 0x1122_3344_5566_7788L);
        if (program == PUSHES) {
          words.putLong(edge - 16, 0x99aa_bbcc_ddee_ff00L);
        }
        for (int i = edge - 32; i < edge + 32; i++) {
          long at = i < 4096 ? TARGET + i : OTHER + i - 4096;
          assertEquals(expected[i], m.memory(at, 1)[0], "byte " + i + " of " + edge);
        }
      }
    }
  }
}
