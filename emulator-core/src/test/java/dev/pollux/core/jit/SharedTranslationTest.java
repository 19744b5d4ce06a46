package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Code of one page of memory that is executed at several addresses: translated once, right at each.
 */
@Timeout(value = 30, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class SharedTranslationTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int RAM = 8 << 20;
  private static final long PAGE = 4096;
  private static final int CR4_PGE = 1 << 7;

  /** Last bytes of a page, so that code goes on in the next one. */
  private static final int CODE = 0x20_0fc0;

  private static final int STACK = 0x7_0000;

  /** Where memory from 0 on appears again, in pages of 2 MiB. */
  private static final long[] PLACES = {0, 0x4000_0000, 0x8000_0000L, 0xc000_0000L};

  private BareMachine m;

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    m = new BareMachine(RAM, new CpuModel("qemu64"), true);
    m.jit().setPatience(patience);
    m.enterLongMode();
    long directories = m.state().u64(CpuLayout.CR3) + 0x2000;
    for (int place = 1; place < PLACES.length; place++) {
      for (int i = 0; i < RAM >> 21; i++) {
        long entry = directories + place * PAGE + i * 8L;
        m.machine().memory().write(entry, 8, (long) i << 21 | 0xe7);
      }
    }
    m.vcpu().mmu().flushAll();
  }

  @AfterEach
  void close() {
    if (m != null) {
      m.close();
    }
  }

  private void program(int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.assemble(address, code));
  }

  private void run(long place) {
    m.state().setGpr(4, STACK);
    m.state().setRip(place + CODE);
    assertEquals(Interpreter.Stop.HALT, m.run(1_000_000));
  }

  private long register(Gpr register) {
    return m.state().gpr(register.number());
  }

  /** RIP-relative data, a call and a return across pages, an indirect jump to a computed place. */
  private void positionIndependent(X86Assembler asm) {
    Label data = new Label();
    Label far = new Label();
    Label next = new Label();
    Label end = new Label();
    asm.lea(QWORD, Gpr.RBX, Mem.of(data));
    asm.mov(DWORD, Gpr.RSI, Mem.of(data));
    asm.call(far);
    asm.lea(QWORD, Gpr.RDX, Mem.of(end));
    asm.jmp(Gpr.RDX);
    asm.nop((int) PAGE);
    asm.bind(far);
    asm.mov(QWORD, Gpr.RCX, Mem.of(Gpr.RSP));
    asm.call(next);
    asm.bind(next);
    asm.pop(Gpr.RDI);
    asm.ret();
    asm.nop((int) PAGE);
    asm.bind(end);
    asm.op(NullaryOp.HLT);
    asm.bind(data);
    asm.dd(0x1234);
  }

  @Test
  void eachPlaceSeesItsOwnAddresses() {
    program(CODE, this::positionIndependent);
    long[][] seen = new long[PLACES.length][];
    long translations = 0;
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < PLACES.length; i++) {
        run(PLACES[i]);
        assertEquals(0x1234, register(Gpr.RSI));
        long[] now = {
          register(Gpr.RBX) - PLACES[i],
          register(Gpr.RCX) - PLACES[i],
          register(Gpr.RDI) - PLACES[i],
          register(Gpr.RDX) - PLACES[i],
          m.state().rip() - PLACES[i]
        };
        if (i == 0 && round == 0) {
          translations = m.jit().translations();
          seen[0] = now;
        }
        assertArrayEquals(seen[0], now, "at place " + i);
      }
    }
    if (patience != 1) { // otherwise blocks are also left, and entered, in the middle
      assertEquals(translations, m.jit().translations(), "translated once for all places");
    }
  }

  /** A write through any of the addresses is seen at all of them, in both pages of a jump. */
  @Test
  void aWriteThroughOneIsSeenAtAll() {
    for (int value = 1; value < 40; value++) {
      int written = value;
      int changed = CODE + (int) PAGE + 0x100;
      if (value == 1) {
        program(
            CODE,
            asm -> {
              Label next = new Label();
              asm.mov(DWORD, Gpr.RAX, 0);
              asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RSI);
              asm.jmp(next);
              asm.nop(changed - CODE - 1 - asm.position());
              asm.bind(next);
              asm.mov(DWORD, Gpr.RAX, 0);
              asm.op(NullaryOp.HLT);
            });
      }
      long through = PLACES[value % PLACES.length];
      m.state().setGpr(Gpr.RDI.number(), through + changed);
      m.state().setGpr(Gpr.RSI.number(), written);
      for (int i = 0; i < PLACES.length; i++) {
        run(PLACES[(value / 4 + i) % PLACES.length]);
        assertEquals(written, register(Gpr.RAX));
      }
    }
  }

  /** Places are mapped elsewhere one after the other; each executes what is there now. */
  @Test
  void aPlaceMappedElsewhereExecutesWhatIsThere() {
    program(CODE, asm -> returnValue(asm, 1));
    program(CODE + (2 << 20), asm -> returnValue(asm, 2));
    long directories = m.state().u64(CpuLayout.CR3) + 0x2000;
    for (int round = 0; round < 12; round++) {
      int place = round % PLACES.length;
      int expected = 1 + (round / PLACES.length + place) % 2;
      long entry = directories + place * PAGE + (CODE >> 21) * 8L;
      m.machine().memory().write(entry, 8, (long) (CODE >> 21) + expected - 1 << 21 | 0xe7);
      m.vcpu().mmu().flushPage(PLACES[place] + CODE);
      run(PLACES[place]);
      assertEquals(expected, register(Gpr.RAX));
    }
  }

  /**
   * Pages of either half of the addresses, global or not, are mapped elsewhere: code and data are
   * those that are there now, whether the page was flushed or, if it is not global, CR3 written.
   */
  @Test
  void remappedPagesOfEitherHalf() {
    final long upper = 0xffff_ff80_0000_0000L;
    final int data = 0x1000;
    program(CODE, asm -> returnValueAndData(asm, 1, data));
    program(CODE + (2 << 20), asm -> returnValueAndData(asm, 2, data));
    long tables = m.state().u64(CpuLayout.CR3);
    m.machine().memory().write(tables + 511 * 8, 8, tables + 0x1000 | 7);
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | CR4_PGE);
    m.vcpu().mmu().updateMode();
    boolean wasGlobal = true;
    for (int round = 0; round < 64; round++) {
      boolean global = (round & 8) != 0;
      long half = (round & 2) != 0 ? upper : 0;
      int expected = 1 + (round & 1);
      long entry = tables + 0x2000 + 2 * PAGE + (CODE >> 21) * 8L; // of PLACES[2], in both halves
      int target = (CODE >> 21) + expected - 1;
      m.ram().write(target * (2L << 20) + data, new byte[] {(byte) expected}, 0, 1);
      m.machine().memory().write(entry, 8, (long) target << 21 | (global ? 0x1e7 : 0xe7));
      if (wasGlobal || round % 3 == 0) {
        m.vcpu().mmu().flushPage(PLACES[2] + CODE);
        m.vcpu().mmu().flushPage(upper + PLACES[2] + CODE);
      } else {
        m.vcpu().mmu().flushNonGlobal();
      }
      wasGlobal = global;
      for (int n = 0; n < 2; n++) {
        run(half + PLACES[2]);
        assertEquals(expected, register(Gpr.RAX), "code in round " + round);
        assertEquals(expected, register(Gpr.RBX), "data in round " + round);
      }
    }
  }

  /** Also reads the byte at an offset of its own 2 MiB. */
  private static void returnValueAndData(X86Assembler asm, int value, int data) {
    Label here = new Label();
    asm.lea(QWORD, Gpr.RBX, Mem.of(here));
    asm.bind(here);
    asm.and(QWORD, Gpr.RBX, -(2 << 20));
    asm.movzx(DWORD, Gpr.RBX, BYTE, Mem.of(Gpr.RBX, data));
    returnValue(asm, value);
  }

  private static void returnValue(X86Assembler asm, int value) {
    Label function = new Label();
    asm.call(function);
    asm.op(NullaryOp.HLT);
    asm.nop((int) PAGE);
    asm.bind(function);
    asm.mov(DWORD, Gpr.RAX, value);
    asm.ret();
  }
}
