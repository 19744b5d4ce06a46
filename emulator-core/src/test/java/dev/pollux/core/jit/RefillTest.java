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
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.core.mmu.RefillLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Generated code that walks page tables must do what the interpreter does: the same accesses reach
 * the same memory, raise the same faults and leave the same page tables behind.
 */
@ParameterizedClass
@ValueSource(ints = {1_000_000, 0, 1, -1})
class RefillTest {
  /** Of generated code: short, quick, and what soon changes from one to the other. */
  @Parameter private int patience;

  private static final int RAM = 8 << 20;
  private static final int READ = 0x10_0000;
  private static final int WRITE = 0x10_1000;
  private static final int JUMP = 0x10_2000;
  private static final int TABLE = 0x20_0000;
  private static final int TARGET = 0x30_0000;
  private static final int OTHER = 0x31_0000;

  /** Where the page under test is mapped, in a directory of its own. */
  private static final long PLACE = 0x4000_0000L;

  private static final long PRESENT = 1;
  private static final long WRITABLE = 1 << 1;
  private static final long USER = 1 << 2;
  private static final long ACCESSED = 1 << 5;
  private static final long DIRTY = 1 << 6;
  private static final long GLOBAL = 1 << 8;
  private static final long NO_EXECUTE = 1L << 63;

  /** Of EFER, and of CR0. */
  private static final long NXE = 1 << 11;

  private static final long WP = 1 << 16;

  /** A bit that is reserved, and one that is the system's own. */
  private static final long RESERVED = 1L << 51;

  private static final long SOFTWARE = 1L << 52;

  private static final long[] BITS = {
    PRESENT, WRITABLE, USER, ACCESSED, DIRTY, GLOBAL, NO_EXECUTE, SOFTWARE
  };

  private final List<BareMachine> machines = new ArrayList<>();

  @BeforeEach
  void open() {
    GeneratorHost.assumeGenerator();
    for (boolean translated : new boolean[] {false, true}) {
      BareMachine m = new BareMachine(RAM, new CpuModel("qemu64"), translated);
      if (translated) {
        m.jit().setPatience(patience);
      }
      machines.add(m);
      m.enterLongMode();
      program(m, READ, asm -> asm.mov(QWORD, Gpr.RAX, Mem.of(Gpr.RSI)));
      program(m, WRITE, asm -> asm.mov(QWORD, Mem.of(Gpr.RSI), Gpr.RDI));
      program(m, JUMP, asm -> asm.jmp(Gpr.RSI));
      write(m, TARGET + 8, 0);
      for (int page : new int[] {TARGET, OTHER}) {
        program(m, page, asm -> asm.lea(QWORD, Gpr.RBX, Mem.of(Gpr.RDI, page >> 16)));
      }
    }
  }

  @AfterEach
  void close() {
    machines.forEach(BareMachine::close);
  }

  private static void program(BareMachine m, int address, Consumer<X86Assembler> code) {
    m.load(address, GuestPrograms.halting(address, code));
  }

  private static void write(BareMachine m, long address, long value) {
    m.machine().memory().write(address, 8, value);
  }

  /** Maps PLACE through a table of its own. */
  private static void map(BareMachine m, long directoryBits, long entry) {
    write(m, directory(), TABLE | directoryBits);
    write(m, TABLE, entry);
  }

  private static long directory() {
    return RAM - BareMachine.PAGE_TABLE_BYTES + 0x2000 + (PLACE >> 30 << 12);
  }

  /** All that can be seen of one access. */
  private static String access(BareMachine m, int program, int cpl) {
    m.setPrivilege(cpl);
    m.vcpu().mmu().updateMode();
    m.vcpu().mmu().flushAll();
    for (Gpr register : new Gpr[] {Gpr.RAX, Gpr.RBX}) {
      m.state().setGpr(register.number(), 0);
    }
    m.state().setGpr(Gpr.RSI.number(), PLACE);
    m.state().setGpr(Gpr.RDI.number(), 0x1234_5678_9abcL);
    m.state().setU64(CpuLayout.CR2, 0);
    m.state().setRip(program);
    Interpreter.Stop stop = m.run(1000);
    return stop
        + " vector "
        + (stop == Interpreter.Stop.EXCEPTION ? m.cpu().exceptionVector() : -1)
        + " rip %x rax %x rbx %x cr2 %x entry %x directory %x target %x"
            .formatted(
                m.state().rip(),
                m.state().gpr(Gpr.RAX.number()),
                m.state().gpr(Gpr.RBX.number()),
                m.state().u64(CpuLayout.CR2),
                m.machine().memory().read(TABLE, 8),
                m.machine().memory().read(directory(), 8),
                m.machine().memory().read(TARGET, 8));
  }

  private void assertSame(long directoryBits, long bits, int program, int cpl) {
    String[] seen = new String[2];
    for (int i = 0; i < 2; i++) {
      BareMachine m = machines.get(i);
      byte[] target = m.memory(TARGET, 16);
      map(m, directoryBits, TARGET | bits);
      seen[i] = access(m, program, cpl);
      m.load(TARGET, target);
    }
    assertEquals(
        seen[0],
        seen[1],
        "directory %x entry %x program %x level %d".formatted(directoryBits, bits, program, cpl));
  }

  @Test
  void anyEntryIsWhatTheInterpreterMakesOfIt() {
    assertAnyEntry();
  }

  private void assertAnyEntry() {
    long all = PRESENT | WRITABLE | USER | ACCESSED;
    for (int set = 0; set < 1 << BITS.length; set++) {
      long bits = 0;
      for (int i = 0; i < BITS.length; i++) {
        bits |= (set >> i & 1) != 0 ? BITS[i] : 0;
      }
      for (int program : new int[] {READ, WRITE, JUMP}) {
        for (int cpl : new int[] {0, 3}) {
          assertSame(all, bits, program, cpl);
        }
      }
    }
  }

  /** As while a boot loader unpacks a kernel: the bit against execution is reserved. */
  @Test
  void earlyPagingIsWhatTheInterpreterMakesOfIt() {
    for (BareMachine m : machines) {
      m.state().setU64(CpuLayout.EFER, m.state().efer() & ~NXE);
      m.state().setU64(CpuLayout.CR0, m.state().cr0() & ~WP);
      m.vcpu().mmu().updateMode();
    }
    assertEquals(4, machines.get(1).state().u32(RefillLayout.LEVELS));
    assertAnyEntry();
    assertAnyDirectory();
  }

  @Test
  void anyDirectoryIsWhatTheInterpreterMakesOfIt() {
    assertAnyDirectory();
  }

  private void assertAnyDirectory() {
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    long[] directories = {
      0,
      PRESENT,
      PRESENT | USER,
      PRESENT | WRITABLE,
      all ^ ACCESSED,
      all | NO_EXECUTE,
      all | SOFTWARE,
      all | RESERVED
    };
    for (long directory : directories) {
      for (long entry : new long[] {all, all | RESERVED, all | NO_EXECUTE, all ^ WRITABLE}) {
        for (int program : new int[] {READ, WRITE, JUMP}) {
          assertSame(directory, entry, program, 0);
          assertSame(directory, entry, program, 3);
        }
      }
    }
  }

  private void setCr4(long bit) {
    for (BareMachine m : machines) {
      m.state().setU64(CpuLayout.CR4, m.state().cr4() | bit);
      m.vcpu().mmu().updateMode();
    }
  }

  @Test
  void protectionKeysDenyWhatTheyDenyTheInterpreter() {
    setCr4(ControlRegisters.CR4_PKE);
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    for (int rights : new int[] {0, 1, 2, 4, 8, 0xc}) {
      machines.forEach(m -> m.state().setU32(CpuLayout.PKRU, rights));
      for (long key = 0; key < 3; key++) {
        for (int program : new int[] {READ, WRITE, JUMP}) {
          assertSame(all, all | key << 59, program, 0);
          assertSame(all, all | key << 59, program, 3);
        }
      }
    }
  }

  /** A change of the first key's rights is seen although generated code has filled the entry. */
  @Test
  void theFirstKeysRightsMayChange() {
    setCr4(ControlRegisters.CR4_PKE);
    BareMachine m = machines.get(1);
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    map(m, all, TARGET | all);
    for (int round = 0; round < 3; round++) {
      m.state().setU32(CpuLayout.PKRU, 0);
      assertTrue(access(m, READ, 3).startsWith("EXCEPTION vector 13"), "ends with HLT");
      m.state().setU32(CpuLayout.PKRU, 1);
      m.vcpu().mmu().updateMode();
      m.state().setRip(READ);
      assertEquals(Interpreter.Stop.EXCEPTION, m.run(1000));
      assertEquals(14, m.cpu().exceptionVector());
      assertEquals(READ, m.state().rip());
    }
  }

  @Test
  void fiveLevelsAreWhatTheInterpreterMakesOfThem() {
    for (BareMachine m : machines) {
      write(m, TABLE + 0x1000, m.state().u64(CpuLayout.CR3) | PRESENT | WRITABLE | USER);
      m.state().setU64(CpuLayout.CR3, TABLE + 0x1000);
    }
    setCr4(ControlRegisters.CR4_LA57);
    assertEquals(5, machines.get(1).state().u32(RefillLayout.LEVELS));
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    for (long bits : new long[] {all, all ^ WRITABLE, all ^ DIRTY, all ^ USER, all ^ PRESENT}) {
      for (int program : new int[] {READ, WRITE, JUMP}) {
        assertSame(all, bits, program, 0);
        assertSame(all, bits, program, 3);
      }
    }
  }

  /** What was filled is forgotten with the rest: by INVLPG, and by a write to CR3 unless global. */
  @Test
  void whatIsFilledIsForgotten() {
    BareMachine m = machines.get(1);
    m.state().setU64(CpuLayout.CR4, m.state().cr4() | 1 << 7);
    m.vcpu().mmu().updateMode();
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    for (int round = 0; round < 4; round++) {
      for (long global : new long[] {0, GLOBAL}) {
        map(m, all, TARGET | all | global);
        assertEquals(TARGET >> 16, jump(m, m.vcpu().mmu()::flushAll));
        write(m, TABLE, OTHER | all | global);
        assertEquals(OTHER >> 16, jump(m, () -> m.vcpu().mmu().flushPage(PLACE)));
        write(m, TABLE, TARGET | all | global);
        int stays = global != 0 ? OTHER : TARGET;
        assertEquals(stays >> 16, jump(m, m.vcpu().mmu()::flushNonGlobal));
      }
    }
    assertTrue(m.state().u32(RefillLayout.LEVELS) != 0);
  }

  /** Jumps to PLACE several times; what the code there tells. */
  private static long jump(BareMachine m, Runnable forget) {
    forget.run();
    long told = 0;
    for (int i = 0; i < 3; i++) {
      m.state().setGpr(Gpr.RSI.number(), PLACE);
      m.state().setGpr(Gpr.RDI.number(), 0);
      m.state().setRip(JUMP);
      assertEquals(Interpreter.Stop.HALT, m.run(1000));
      told = m.state().gpr(Gpr.RBX.number());
    }
    return told;
  }

  /** A page whose writes are watched is never written unseen, whoever has filled its entry. */
  @Test
  void watchedPagesStayWatched() {
    BareMachine m = machines.get(1);
    RamBlock ram = m.ram();
    AtomicInteger told = new AtomicInteger();
    ram.setWatcher(WriteClient.MIGRATION, (block, page) -> told.incrementAndGet());
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    map(m, all, TARGET | all);
    for (int round = 1; round < 5; round++) {
      access(m, READ, 0);
      ram.watch(WriteClient.MIGRATION, TARGET >> 12);
      m.vcpu().mmu().protectAll();
      m.state().setRip(READ);
      m.run(1000);
      access(m, WRITE, 0);
      assertEquals(round, told.get());
      m.state().setRip(WRITE);
      m.run(1000);
      assertEquals(round, told.get(), "told once");
    }
  }

  /** How often generated code was entered for an access. */
  private static long entries(BareMachine m, int program, int cpl) {
    long before = m.jit().entries();
    access(m, program, cpl);
    return m.jit().entries() - before;
  }

  @Test
  void accessedAndDirtyAreSetInGeneratedCode() {
    BareMachine m = machines.get(1);
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    long none = PRESENT | WRITABLE | USER;
    map(m, all, TARGET | none);
    m.ram().allowDirectWrites(TABLE >> 12); // as a system's stores do
    for (int program : new int[] {READ, WRITE, JUMP, WRITE}) {
      int page = program == JUMP ? OTHER : TARGET;
      write(m, TABLE, page | all);
      access(m, program, 3);
      for (long before : new long[] {none, none | ACCESSED}) {
        write(m, TABLE, page | before);
        assertEquals(1, entries(m, program, 3), "program %x, entry %x".formatted(program, before));
        long after = program == WRITE ? all : none | ACCESSED;
        assertEquals(page | after, m.machine().memory().read(TABLE, 8));
      }
    }
  }

  @Test
  void theFirstWriteToAPageIsInGeneratedCode() {
    BareMachine m = machines.get(1);
    long all = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
    map(m, all, TARGET | all);
    access(m, WRITE, 0);
    for (int page = OTHER + 0x1000; page < OTHER + 0x8000; page += 0x1000) {
      write(m, TABLE, page | all);
      assertEquals(1, entries(m, WRITE, 0));
      assertEquals(0x1234_5678_9abcL, m.machine().memory().read(page, 8));
      assertTrue(m.ram().allowDirectWrites(page >> 12));
    }
  }

  /** Bits of an entry are never set unseen in a table that somebody watches. */
  @Test
  void watchedTablesStayWatched() {
    BareMachine m = machines.get(1);
    RamBlock ram = m.ram();
    AtomicInteger told = new AtomicInteger();
    ram.setWatcher(WriteClient.MIGRATION, (block, page) -> told.incrementAndGet());
    long none = PRESENT | WRITABLE | USER;
    map(m, none | ACCESSED, TARGET | none);
    ram.allowDirectWrites(TABLE >> 12);
    for (int round = 1; round < 5; round++) {
      write(m, TABLE, TARGET | none);
      ram.watch(WriteClient.MIGRATION, TABLE >> 12);
      access(m, round % 2 == 0 ? READ : WRITE, 0);
      assertEquals(round, told.get());
    }
  }
}
