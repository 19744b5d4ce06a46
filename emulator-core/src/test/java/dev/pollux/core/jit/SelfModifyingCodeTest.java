package dev.pollux.core.jit;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.machine.BareMachine;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Code that changes while it is executed, written by itself, through other addresses, by devices
 * and by whoever replaces memory: both engines must execute what memory holds. x86 processors need
 * no serializing instruction between such a write and the execution on the same processor (Intel
 * SDM vol. 3, 12.6 and 13.1.3).
 */
@Timeout(value = 30, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class SelfModifyingCodeTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int CODE = 0x10_0000;
  private static final int OTHER = 0x18_0000;
  private static final int RAM = 8 << 20;
  private static final int DEVICE = 0xf000_0000;

  /** Not backed by an identity mapping's RAM, so free for other mappings; in pages of 2 MiB. */
  private static final int ALIAS = 0x4000_0000;

  private static final int BIG_PAGE = 2 << 20;
  private static final int BIG_PAGE_FLAGS = 0xe7;
  private static final int GLOBAL = 1 << 8;
  private static final int CR4_PGE = 1 << 7;
  private static final int CODE_64 = 0xa09b;
  private static final int CODE_32 = 0xc09b;
  private static final int CODE_16 = 0x009b;
  private static final int ROUNDS = 50;

  private BareMachine m;

  private void open(boolean translated) {
    if (translated) {
      GeneratorHost.assumeGenerator();
    }
    m = new BareMachine(RAM, new CpuModel("qemu64"), translated);
    if (translated) {
      m.jit().setPatience(patience);
    }
    m.enterLongMode();
    m.state().setGpr(4, 0x7_0000);
  }

  @AfterEach
  void close() {
    if (m != null) {
      boolean nothing = m.jit() != null && m.jit().translations() == 0;
      m.close();
      assertFalse(nothing, "nothing was translated");
    }
  }

  private void program(int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.assemble(address, code));
  }

  /** Executes from {@code address} to HLT; RAX. */
  private long run(int address) {
    m.state().setRip(address);
    assertEquals(Interpreter.Stop.HALT, m.run(1_000_000), "RIP " + m.state().rip());
    return m.state().gpr(0);
  }

  /** A function that returns {@code value} in EAX; the value is at offset 1. */
  private static void function(X86Assembler asm, int value) {
    asm.mov(DWORD, Gpr.RAX, value);
    asm.ret();
  }

  // ---- by itself ----

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aheadInTheSameBlock(boolean translated) {
    open(translated);
    for (int round = 1; round < 4; round++) {
      int value = round;
      program(
          CODE,
          asm -> {
            Label target = new Label();
            asm.mov(BYTE, Mem.absolute(CODE + 15), value);
            asm.nop(15 - 1 - asm.position());
            asm.bind(target);
            asm.mov(DWORD, Gpr.RAX, 0x77);
            asm.op(NullaryOp.HLT);
          });
      assertEquals(value, run(CODE));
    }
  }

  /** Of NOPs nothing is executed, but what has replaced them is. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aNopBehindTheStore(boolean translated) {
    open(translated);
    for (int nops = 1; nops < 4; nops++) {
      int count = nops;
      program(
          CODE,
          asm -> {
            asm.mov(DWORD, Gpr.RAX, 1);
            asm.mov(DWORD, Gpr.RDI, CODE + 32);
            asm.nop(32 - 3 - asm.position());
            asm.mov(BYTE, Mem.of(Gpr.RDI), 0xf4); // HLT
            assertEquals(32, asm.position());
            for (int i = 0; i < count; i++) {
              asm.nop(1);
            }
            asm.mov(DWORD, Gpr.RAX, 2);
            asm.op(NullaryOp.HLT);
          });
      assertEquals(1, run(CODE), "before " + nops);
      assertEquals(CODE + 33, m.state().rip());
    }
  }

  /** RBX sums up the immediate of an instruction that each round counts up. */
  private void countingLoop(int address, int immediate) {
    program(
        address,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
          asm.nop(immediate - 1 - address - asm.position());
          Label again = asm.here();
          asm.mov(DWORD, Gpr.RAX, 1);
          asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          asm.alu(AluOp.ADD, DWORD, Mem.absolute(immediate), 1);
          asm.dec(DWORD, Gpr.RCX);
          asm.jcc(Cond.NE, again);
          asm.mov(DWORD, Gpr.RAX, Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(ROUNDS * (ROUNDS + 1) / 2, run(address));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void behindInTheSameBlock(boolean translated) {
    open(translated);
    countingLoop(CODE, CODE + 32);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anInstructionInTwoPages(boolean translated) {
    open(translated);
    for (int inSecond = 0; inSecond <= 5; inSecond++) {
      countingLoop(CODE, CODE + 0x1000 - 4 + inSecond);
    }
  }

  /** What has not changed is not translated again. */
  @Test
  void besideCodeOfTheSamePage() {
    open(true);
    int changing = OTHER + 0x40;
    program(OTHER, asm -> function(asm, 1));
    program(changing, asm -> function(asm, 0));
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
          Label again = asm.here();
          for (int function : new int[] {OTHER, changing}) {
            asm.mov(DWORD, Gpr.RDX, function);
            asm.call(Gpr.RDX);
            asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          }
          asm.alu(AluOp.ADD, DWORD, Mem.absolute(changing + 1), 1);
          asm.dec(DWORD, Gpr.RCX);
          asm.jcc(Cond.NE, again);
          asm.mov(DWORD, Gpr.RAX, Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(ROUNDS + ROUNDS * (ROUNDS - 1) / 2, run(CODE));
    long translations = m.jit().translations();
    assertTrue(translations < ROUNDS + 20, () -> translations + " translations");
    for (int value : new int[] {1000, ROUNDS}) {
      // As a device writes, and the value that was there.
      m.load(changing + 1, new byte[] {(byte) value, (byte) (value >> 8)});
      assertEquals(value, run(callOf(changing)));
    }
  }

  /** Code that calls a function and halts. */
  private int callOf(int function) {
    int at = OTHER + 0x2000;
    program(
        at,
        asm -> {
          asm.mov(DWORD, Gpr.RDX, function);
          asm.call(Gpr.RDX);
          asm.op(NullaryOp.HLT);
        });
    return at;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void inAnotherPage(boolean translated) {
    open(translated);
    program(OTHER, asm -> function(asm, 1));
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
          Label again = asm.here();
          asm.mov(DWORD, Gpr.RDX, OTHER);
          asm.call(Gpr.RDX);
          asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          asm.alu(AluOp.ADD, DWORD, Mem.absolute(OTHER + 1), 1);
          asm.dec(DWORD, Gpr.RCX);
          asm.jcc(Cond.NE, again);
          asm.mov(DWORD, Gpr.RAX, Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(ROUNDS * (ROUNDS + 1) / 2, run(CODE));
  }

  /** Calls OTHER, writes to it with {@code write}, calls it again. */
  private long callWriteCall(int first, Consumer<X86Assembler> write) {
    program(OTHER, asm -> function(asm, first));
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RDX, OTHER);
          asm.call(Gpr.RDX);
          asm.mov(DWORD, Gpr.RBX, Gpr.RAX);
          write.accept(asm);
          asm.mov(DWORD, Gpr.RDX, OTHER);
          asm.call(Gpr.RDX);
          asm.op(NullaryOp.HLT);
        });
    long second = run(CODE);
    assertEquals(first, m.state().gpr(3), "before the write");
    return second;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void byAllKindsOfStores(boolean translated) {
    open(translated);
    byte[] replacement = {
      (byte) 0xb8, 0x44, 0x33, 0x22, 0x11, (byte) 0xc3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    };
    int source = 0x5_0000;
    m.load(source, replacement);
    long word = 0xc3_1122_3344b8L;
    assertEquals(
        0x1122_3344,
        callWriteCall(
            1,
            asm -> {
              asm.mov(QWORD, Gpr.RSI, word);
              asm.mov(QWORD, Mem.absolute(OTHER), Gpr.RSI);
            }));
    assertEquals(
        0x1122_3344,
        callWriteCall(
            2,
            asm -> {
              asm.op(NullaryOp.FNINIT);
              asm.op(MemOp.FILD64, Mem.absolute(source));
              asm.op(MemOp.FISTP64, Mem.absolute(OTHER));
            }));
    assertEquals(
        0x1122_3344,
        callWriteCall(
            3,
            asm -> {
              asm.mov(DWORD, Gpr.RSI, source);
              asm.mov(DWORD, Gpr.RDI, OTHER);
              asm.mov(DWORD, Gpr.RCX, 16);
              asm.rep(StringOp.MOVS, BYTE);
            }));
    assertEquals(
        0x1122_3344,
        callWriteCall(
            4,
            asm -> {
              asm.mov(DWORD, Gpr.RBP, Gpr.RSP);
              asm.mov(DWORD, Gpr.RSP, OTHER + 8);
              asm.mov(QWORD, Gpr.RSI, word);
              asm.push(Gpr.RSI);
              asm.mov(DWORD, Gpr.RSP, Gpr.RBP);
            }));
    assertEquals(
        6,
        callWriteCall(
            5,
            asm -> {
              asm.mov(DWORD, Gpr.RSI, 1);
              asm.lock();
              asm.xadd(BYTE, Mem.absolute(OTHER + 1), Gpr.RSI);
            }));
  }

  /** Processors finish a repeated instruction that replaces its own bytes, and go on behind it. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void byARepeatedInstructionOverItself(boolean translated) {
    open(translated);
    int source = 0x5_0000;
    int elements = 64;
    byte[] halts = new byte[elements * 8];
    Arrays.fill(halts, (byte) 0xf4);
    m.load(source, halts);
    for (StringOp op : new StringOp[] {StringOp.MOVS, StringOp.STOS}) {
      for (OpSize size : new OpSize[] {BYTE, DWORD, QWORD}) {
        program(
            CODE,
            asm -> {
              asm.mov(DWORD, Gpr.RSI, source);
              asm.mov(DWORD, Gpr.RDI, CODE);
              asm.mov(QWORD, Gpr.RAX, 0xf4f4_f4f4_f4f4_f4f4L);
              asm.mov(DWORD, Gpr.RCX, elements);
              asm.rep(op, size);
              asm.op(NullaryOp.UD2);
            });
        run(CODE);
        assertEquals(0, m.state().gpr(1), "elements that are left of " + op + " " + size);
        assertEquals(CODE + elements * size.bytes(), m.state().gpr(7));
      }
    }
  }

  /** A call whose return address changes the code behind it. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void byAPushedReturnAddress(boolean translated) {
    open(translated);
    program(OTHER, X86Assembler::ret);
    program(
        CODE,
        asm -> {
          Label value = new Label();
          asm.mov(DWORD, Gpr.RDX, OTHER);
          asm.mov(DWORD, Gpr.RSP, CODE + 64 + 2 + 8);
          asm.call(Gpr.RDX);
          asm.nop(64 - asm.position());
          asm.bind(value);
          asm.movAbsolute(Gpr.RAX, -1);
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 3; i++) {
      long value = run(CODE);
      assertTrue(value > CODE && value < CODE + 64, Long.toHexString(value));
    }
  }

  // ---- through other addresses ----

  private void mapAlias(int physical, int flags) {
    long tables = m.state().u64(CpuLayout.CR3);
    long entry = tables + 0x2000 + 8L * (ALIAS / BIG_PAGE);
    m.machine().memory().write(entry, 8, physical | BIG_PAGE_FLAGS | flags);
    m.vcpu().mmu().flushAll();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void throughAnAlias(boolean translated) {
    open(translated);
    mapAlias(0, 0);
    assertEquals(7, callWriteCall(1, asm -> asm.mov(DWORD, Mem.absolute(ALIAS + OTHER + 1), 7)));
    // Executed through the alias, written through the other address.
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RDX, ALIAS + OTHER);
          asm.call(Gpr.RDX);
          asm.alu(AluOp.ADD, DWORD, Mem.absolute(OTHER + 1), 1);
          asm.call(Gpr.RDX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(8, run(CODE));
    assertEquals(9, run(CODE));
  }

  private static final int FIRST_PAGE = BIG_PAGE;
  private static final int SECOND_PAGE = 2 * BIG_PAGE;

  /** Calls ALIAS, maps the second page there, makes that known, calls it again. */
  private void remap(int flags, Consumer<X86Assembler> makeKnown) {
    program(FIRST_PAGE, asm -> function(asm, 0x11));
    program(SECOND_PAGE, asm -> function(asm, 0x22));
    mapAlias(FIRST_PAGE, flags);
    long entry = m.state().u64(CpuLayout.CR3) + 0x2000 + 8L * (ALIAS / BIG_PAGE);
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RDX, ALIAS);
          asm.call(Gpr.RDX);
          asm.mov(DWORD, Gpr.RBX, Gpr.RAX);
          asm.mov(DWORD, Mem.absolute((int) entry), SECOND_PAGE | BIG_PAGE_FLAGS | flags);
          makeKnown.accept(asm);
          asm.mov(DWORD, Gpr.RDX, ALIAS);
          asm.call(Gpr.RDX);
          asm.op(NullaryOp.HLT);
        });
    for (int i = 0; i < 3; i++) {
      mapAlias(FIRST_PAGE, flags);
      assertEquals(0x22, run(CODE));
      assertEquals(0x11, m.state().gpr(3));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void remappedAndMadeKnown(boolean translated) {
    open(translated);
    remap(0, asm -> asm.op(MemOp.INVLPG, Mem.absolute(ALIAS)));
    remap(
        0,
        asm -> {
          asm.mov(Gpr.RSI, ControlReg.CR3);
          asm.mov(ControlReg.CR3, Gpr.RSI);
        });
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | CR4_PGE);
    m.vcpu().mmu().updateMode();
    remap(GLOBAL, asm -> asm.op(MemOp.INVLPG, Mem.absolute(ALIAS)));
    remap(
        GLOBAL,
        asm -> {
          asm.mov(Gpr.RSI, ControlReg.CR4);
          asm.alu(AluOp.XOR, DWORD, Gpr.RSI, CR4_PGE);
          asm.mov(ControlReg.CR4, Gpr.RSI);
          asm.alu(AluOp.XOR, DWORD, Gpr.RSI, CR4_PGE);
          asm.mov(ControlReg.CR4, Gpr.RSI);
        });
  }

  /** Two address spaces with different code at one address. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void inTwoAddressSpaces(boolean translated) {
    open(translated);
    program(FIRST_PAGE, asm -> function(asm, 0x11));
    program(SECOND_PAGE, asm -> function(asm, 0x22));
    mapAlias(FIRST_PAGE, 0);
    int first = (int) m.state().u64(CpuLayout.CR3);
    int second = 0x60_0000;
    byte[] tables = m.memory(first, BareMachine.PAGE_TABLE_BYTES);
    m.load(second, tables);
    m.machine().memory().write(second, 8, second + 0x1000 | 7);
    for (long i = 0; i < 4; i++) {
      m.machine().memory().write(second + 0x1000 + i * 8, 8, second + 0x2000 + i * 0x1000 | 7);
    }
    m.machine()
        .memory()
        .write(second + 0x2000 + 8L * (ALIAS / BIG_PAGE), 8, SECOND_PAGE | BIG_PAGE_FLAGS);
    program(
        CODE,
        asm -> {
          asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.mov(DWORD, Gpr.RDX, ALIAS);
          Label again = asm.here();
          for (int space : new int[] {first, second}) {
            asm.mov(DWORD, Gpr.RSI, space);
            asm.mov(ControlReg.CR3, Gpr.RSI);
            asm.call(Gpr.RDX);
            asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          }
          asm.dec(DWORD, Gpr.RCX);
          asm.jcc(Cond.NE, again);
          asm.mov(DWORD, Gpr.RAX, Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(ROUNDS * 0x33, run(CODE));
  }

  // ---- by others ----

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void writtenFromOutsideBetweenRuns(boolean translated) {
    open(translated);
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RAX, 1);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(1, run(CODE));
    m.ram().write(CODE + 1, new byte[] {2}, 0, 1);
    assertEquals(2, run(CODE));
    m.machine().memory().write(CODE + 1, 4, 3);
    assertEquals(3, run(CODE));
    // A page that arrives whole, as in a migration: told before, then copied.
    byte[] page = m.memory(CODE, 4096);
    page[1] = 4;
    m.ram().beforeWrite(CODE, page.length);
    RawMemory.copyIn(page, 0, m.ram().hostAddress() + CODE, page.length);
    assertEquals(4, run(CODE));
    // All of memory replaced behind everybody's back, as for a snapshot: the engine is told.
    RawMemory.putByte(m.ram().hostAddress() + CODE + 1, (byte) 5);
    m.vcpu().engine().flushCode();
    assertEquals(5, run(CODE));
  }

  /** A device that counts up a byte of the code when it is written to, as one with DMA could. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void writtenByADeviceInTheMidst(boolean translated) {
    open(translated);
    BusDevice device =
        new BusDevice() {
          @Override
          public long read(long offset, int size) {
            return 0;
          }

          @Override
          public void write(long offset, int size, long value) {
            byte[] now = m.memory(value, 1);
            now[0]++;
            m.ram().write(value, now, 0, 1);
          }
        };
    m.machine()
        .memory()
        .map(DEVICE & 0xffff_ffffL, new Region.DeviceRegion("writer", 0x1000, 1, 8, device));
    // Behind the writing instruction in its own block, and in another page.
    program(OTHER, asm -> function(asm, 0));
    program(
        CODE,
        asm -> {
          asm.mov(DWORD, Gpr.RCX, ROUNDS);
          asm.alu(AluOp.XOR, DWORD, Gpr.RBX, Gpr.RBX);
          asm.mov(DWORD, Gpr.RDI, DEVICE);
          asm.mov(DWORD, Gpr.RDX, OTHER);
          Label again = asm.here();
          asm.mov(DWORD, Mem.of(Gpr.RDI), OTHER + 1);
          asm.call(Gpr.RDX);
          asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          asm.mov(DWORD, Mem.of(Gpr.RDI), CODE + 65);
          asm.nop(64 - asm.position());
          asm.mov(DWORD, Gpr.RAX, 0);
          asm.add(DWORD, Gpr.RBX, Gpr.RAX);
          asm.dec(DWORD, Gpr.RCX);
          asm.jcc(Cond.NE, again);
          asm.mov(DWORD, Gpr.RAX, Gpr.RBX);
          asm.op(NullaryOp.HLT);
        });
    assertEquals(ROUNDS * (ROUNDS + 1), run(CODE));
  }

  // ---- the same bytes in other modes ----

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSameBytesInThreeModes(boolean translated) {
    open(translated);
    // 64: inc rax; mov ecx, 0xf4f41234. 32: dec eax, inc eax and the same. 16: mov cx, 0x1234.
    byte[] code = {
      0x48, (byte) 0xff, (byte) 0xc0, (byte) 0xb9, 0x34, 0x12, (byte) 0xf4, (byte) 0xf4, (byte) 0xf4
    };
    int low = 0x4000;
    m.load(low, code);
    for (int round = 0; round < 3; round++) {
      for (int[] mode :
          new int[][] {
            {CODE_64, 1, 0xf4f4_1234}, {CODE_32, 0, 0xf4f4_1234}, {CODE_16, 0, 0x1234}
          }) {
        m.state().setSeg(CpuLayout.CS, 8, 0, 0xffff_ffffL, mode[0]);
        m.state().setGpr(0, 0);
        m.state().setGpr(1, 0);
        m.state().setRip(low);
        assertEquals(Interpreter.Stop.HALT, m.run(100));
        assertEquals(mode[1], m.state().gpr(0), "RAX in mode " + Integer.toHexString(mode[0]));
        assertEquals(
            mode[2], (int) m.state().gpr(1), "RCX in mode " + Integer.toHexString(mode[0]));
      }
    }
  }
}
