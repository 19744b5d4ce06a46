package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.core.mmu.Mmu;
import dev.pollux.core.mmu.RefillLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Which code becomes hot; and what its accesses know of the pages that they were in last is
 * forgotten when it has to be.
 */
class HotCodeTest {
  private static final int RAM = 8 << 20;
  private static final int READ = 0x10_0000;
  private static final int WRITE = 0x10_1000;
  private static final int SUM = 0x10_2000;
  private static final int TABLE = 0x20_0000;
  private static final int TARGET = 0x30_0000;
  private static final int OTHER = 0x31_0000;
  private static final int PROGRAMS = 0x40_0000;

  /** Where the data is, in a directory of its own. */
  private static final long PLACE = 0x4000_0000L;

  private static final long READABLE = 0x25;
  private static final long ALL = 0x67;
  private static final long SUPERVISOR = 0x63;
  private static final int PAGE_FAULT = 14;
  private static final long ADDED = 0x0101_0101_0101L;

  private BareMachine m;
  private Mmu mmu;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    m = new BareMachine(RAM, new CpuModel("qemu64"), true);
    mmu = m.vcpu().mmu();
    m.enterLongMode();
    mmu.updateMode();
    program(READ, asm -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSI, 8)));
    program(WRITE, asm -> asm.add(QWORD, Mem.of(Gpr.RSI, 8), Gpr.RDX));
    program(SUM, HotCodeTest::sum);
    write(TARGET + 8, TARGET);
    write(OTHER + 8, OTHER);
    for (int page : new int[] {TARGET, OTHER}) {
      m.ram().allowDirectWrites(page >> 12); // as a system's stores do
    }
    map(TARGET | ALL);
    m.jit().setPatience(0);
    run(READ, PLACE); // the interpreter marks the upper tables as accessed
    mmu.flushAll();
    m.jit().flushCode();
    m.jit().setPatience(-1);
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  /** RAX: sum of RCX words, in turn at RSI and where RDX makes another address of it. */
  private static void sum(X86Assembler asm) {
    Label loop = asm.here();
    asm.add(QWORD, Gpr.RAX, Mem.of(Gpr.RSI));
    asm.alu(AluOp.XOR, QWORD, Gpr.RSI, Gpr.RDX);
    asm.sub(DWORD, Gpr.RCX, 1);
    asm.jcc(Cond.NE, loop);
  }

  private void program(int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.halting(address, code));
  }

  private void write(long address, long value) {
    m.machine().memory().write(address, 8, value);
  }

  /** Maps PLACE, but forgets nothing. */
  private void map(long entry) {
    long directories = RAM - BareMachine.PAGE_TABLE_BYTES + 0x2000 + (PLACE >> 30 << 12);
    write(directories, TABLE | ALL);
    write(TABLE, entry);
  }

  private Interpreter.Stop run(int program, long rsi) {
    m.state().setGpr(Gpr.RSI.number(), rsi);
    m.state().setGpr(Gpr.RAX.number(), 0);
    m.state().setRip(program);
    return m.run(1000);
  }

  private long read() {
    assertEquals(Interpreter.Stop.HALT, run(READ, PLACE));
    return m.state().gpr(Gpr.RAX.number());
  }

  private void assertFaults(int program, long rsi) {
    assertEquals(Interpreter.Stop.EXCEPTION, run(program, rsi));
    assertEquals(PAGE_FAULT, m.cpu().exceptionVector());
    assertEquals(program, m.state().rip());
  }

  /** How many accesses know a page. */
  private int known() {
    return m.state().u32(RefillLayout.PAGES_KNOWN_COUNT);
  }

  // ---- what is forgotten ----

  private void assertForgottenBy(Runnable forget) {
    for (int round = 0; round < 3; round++) {
      map(TARGET | ALL);
      mmu.flushAll();
      assertEquals(TARGET, read());
      assertEquals(1, known());
      map(OTHER | ALL);
      assertEquals(TARGET, read(), "nothing has been forgotten");
      forget.run();
      assertEquals(0, known());
      assertEquals(OTHER, read());
    }
    assertTrue(m.jit().heated() > 0);
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

  /** A guest need not tell of a mapping that it changes because of a page fault. */
  @Test
  void forgottenByPageFault() {
    map(TARGET | READABLE);
    mmu.flushAll();
    assertEquals(TARGET, read());
    assertEquals(1, known());
    assertFaults(WRITE, PLACE);
    assertEquals(0, known());
    map(OTHER | ALL);
    assertEquals(OTHER, read());
  }

  @Test
  void forgottenWithTheCode() {
    assertEquals(TARGET, read());
    m.jit().flushCode();
    assertEquals(0, known());
    assertEquals(TARGET, read());
  }

  private void assertTold(Runnable protect) {
    AtomicInteger told = new AtomicInteger();
    m.ram().setWatcher(WriteClient.MIGRATION, (block, page) -> told.incrementAndGet());
    for (int round = 1; round < 4; round++) {
      write(TARGET + 8, 0);
      m.state().setGpr(Gpr.RDX.number(), ADDED);
      told.set(0);
      run(WRITE, PLACE);
      run(WRITE, PLACE);
      assertEquals(1, known());
      m.ram().watch(WriteClient.MIGRATION, TARGET >> 12);
      protect.run();
      assertEquals(Interpreter.Stop.HALT, run(WRITE, PLACE));
      assertEquals(1, told.get());
      assertEquals(3 * ADDED, m.machine().memory().read(TARGET + 8, 8));
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

  /** A page that may be read may not be written, though an access to read knows it. */
  @Test
  void writesNeedTheRightToWrite() {
    map(TARGET | READABLE);
    mmu.flushAll();
    for (int i = 0; i < 3; i++) {
      assertEquals(TARGET, read());
      assertFaults(WRITE, PLACE);
    }
  }

  /** What the kernel may reach a program may not. */
  @Test
  void eachModeHasItsOwn() {
    map(TARGET | SUPERVISOR);
    mmu.flushAll();
    assertEquals(TARGET, read());
    m.setPrivilege(3);
    mmu.updateMode();
    assertFaults(READ, PLACE);
    assertFaults(WRITE, PLACE);
  }

  /** No address hits what is forgotten, not even one that none can have. */
  @ParameterizedTest
  @ValueSource(longs = {0x4000_0000_0000_0000L, Long.MIN_VALUE, PLACE})
  void nothingHitsWhatIsForgotten(long tag) {
    assertEquals(TARGET, read());
    map(0);
    mmu.flushAll();
    for (int i = 0; i < RefillLayout.PAGE_COUNT; i++) {
      m.state().setU64(RefillLayout.page(i) + RefillLayout.PAGE_TAG, tag);
    }
    for (int program : new int[] {READ, WRITE}) {
      assertEquals(Interpreter.Stop.EXCEPTION, run(program, tag));
      assertEquals(program, m.state().rip());
    }
  }

  /** At every distance from where the next page begins, which is not the next in memory. */
  @Test
  void endOfThePage() {
    write(TABLE + 8, OTHER | ALL);
    byte[] bytes = new byte[8192];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (i * 37 >> 1);
    }
    for (int edge = 4096 - 24; edge < 4096 + 8; edge++) {
      m.load(TARGET, Arrays.copyOf(bytes, 4096));
      m.load(OTHER, Arrays.copyOfRange(bytes, 4096, 8192));
      long expected = word(bytes, edge + 8);
      assertEquals(Interpreter.Stop.HALT, run(READ, PLACE + edge));
      assertEquals(expected, m.state().gpr(Gpr.RAX.number()));
      m.state().setGpr(Gpr.RDX.number(), ADDED);
      assertEquals(Interpreter.Stop.HALT, run(WRITE, PLACE + edge));
      assertEquals(Interpreter.Stop.HALT, run(READ, PLACE + edge));
      assertEquals(expected + ADDED, m.state().gpr(Gpr.RAX.number()));
    }
  }

  private static long word(byte[] bytes, int at) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(at);
  }

  // ---- which accesses have pages ----

  private long sum(int count, long change) {
    m.state().setGpr(Gpr.RCX.number(), count);
    m.state().setGpr(Gpr.RDX.number(), change);
    assertEquals(Interpreter.Stop.HALT, run(SUM, PLACE + 8));
    return m.state().gpr(Gpr.RAX.number());
  }

  /** An access whose page is another again and again has none: it asks the TLB. */
  @Test
  void accessToOtherPagesAgainAndAgainHasNone() {
    write(TABLE + 8, OTHER | ALL);
    assertEquals(3L * (TARGET + OTHER), sum(6, 4096));
    assertEquals(1, known());
    long heated = m.jit().heated();
    for (int i = 0; i < 100 && m.jit().heated() == heated; i++) {
      assertEquals(50_000L * (TARGET + OTHER), sum(100_000, 4096));
    }
    assertEquals(heated + 1, m.jit().heated());
    mmu.flushAll();
    assertEquals(50_000L * (TARGET + OTHER), sum(100_000, 4096));
    assertEquals(0, known());
  }

  /** More hot code than there are pages for accesses: what was hot makes room, and is so again. */
  @Test
  void roomForOthers() {
    m.jit().setPatience(-1);
    int programs = RefillLayout.PAGE_COUNT;
    byte[] code = GuestPrograms.halting(READ, asm -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSI, 8)));
    for (int i = 0; i < programs; i++) {
      m.load(PROGRAMS + i * 16, code);
    }
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < programs; i++) {
        assertEquals(Interpreter.Stop.HALT, run(PROGRAMS + i * 16, PLACE));
        assertEquals(TARGET, m.state().gpr(Gpr.RAX.number()));
      }
    }
    assertTrue(m.jit().heated() > programs, "also in the second round");
    assertEquals(0, m.jit().failedTranslations());
  }

  // ---- which code is hot ----

  /** A loop is hot after requests for the vCPU's attention have met it twice. */
  @Test
  void loopThatIsMetAgainIsHot() {
    m.jit().setPatience(0);
    m.state().setGpr(Gpr.RCX.number(), Integer.MAX_VALUE);
    m.state().setGpr(Gpr.RDX.number(), 0);
    m.state().setGpr(Gpr.RSI.number(), PLACE + 8);
    m.state().setGpr(Gpr.RAX.number(), 0);
    m.state().setRip(SUM);
    m.jit().runOne(); // the interpreter fills what it needs
    long left = m.state().gpr(Gpr.RCX.number());
    for (int request = 0; request < 1000 && m.jit().heated() == 0; request++) {
      m.state().setExitRequest(true);
      m.jit().run();
      assertTrue(m.state().gpr(Gpr.RCX.number()) >= left - 40L * (request + 1), "stops soon");
      LockSupport.parkNanos(1_000_000);
    }
    assertEquals(1, m.jit().heated());
    long done = Integer.MAX_VALUE - m.state().gpr(Gpr.RCX.number());
    assertEquals(done * TARGET, m.state().gpr(Gpr.RAX.number()));
  }
}
