package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.DebugReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.RmOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.StringOp;

/**
 * A program in 64-bit mode with its own tables: all memory below 4 GiB mapped one to one, the page
 * at {@link #PAGE} by an entry of its own that a test may change; every exception is printed and,
 * as the test says, skipped or returned from.
 */
abstract class LongModeProgram extends Program {
  static final int CODE64 = 0x08;
  static final int DATA = 0x10;
  static final int USER_CODE32 = 0x1b;
  static final int USER_DATA = 0x23;
  static final int USER_CODE64 = 0x2b;
  static final int TSS = 0x30;
  static final int CODE32 = 0x40;
  static final int CODE16 = 0x48;
  static final int DATA16 = 0x50;

  /** Number of descriptors in the table. */
  private static final int GDT_ENTRIES = 16;

  // Fixed places in memory that starts as zeros.
  static final int PML4 = 0x40_0000;
  static final int PDPT = 0x40_1000;
  static final int PAGE_DIRECTORIES = 0x40_2000;
  static final int PAGE_TABLE = 0x40_6000;

  /** The root with {@link #fiveLevels}. */
  static final int PML5 = 0x40_7000;

  static final int IDT = 0x40_8000;
  private static final int TSS_BASE = 0x40_9000;
  static final int GDT = 0x40_a000;
  private static final int VARIABLES = 0x40_b000;
  static final int RESUME = VARIABLES;
  static final int RETURN = VARIABLES + 8;
  static final int SAVED_RSP = VARIABLES + 16;
  private static final int STACK_TOP = 0x48_0000;
  static final int IST1_TOP = 0x48_8000;
  static final int USER_STACK_TOP = 0x49_0000;
  static final int RSP0_TOP = 0x49_8000;

  /** Where other processors start. */
  static final int TRAMPOLINE = 0x8000;

  private static final int TRAMPOLINE_GDTR = 0x8f00;

  /** The page that tests remap, and its entry in the page table; the next page follows it. */
  static final int PAGE = 0x60_0000;

  static final int PTE = PAGE_TABLE;

  static final int PRESENT = 1;
  static final int WRITABLE = 2;
  static final int USER = 4;
  static final int ACCESSED = 0x20;
  static final int DIRTY = 0x40;
  private static final int LARGE = 0x80;

  static final int CR4_LA57 = 1 << 12;

  private static final int EFER = 0xc000_0080;
  private static final int STUB_BYTES = 16;

  private final Label stubs = new Label("exception stubs");
  private final Label common = new Label("exception");

  /** True for a program with 5-level paging. */
  boolean fiveLevels() {
    return false;
  }

  /** The test itself, in 64-bit mode at privilege 0. */
  abstract void body();

  @Override
  final void assemble() {
    boot();
    body();
    print("done\n");
    exit();
    handlers();
  }

  private void boot() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    pageTables();
    descriptors();
    int cr4 = 0x6b0; // PSE, PAE, PGE, OSFXSR, OSXMMEXCPT
    asm.mov(DWORD, Gpr.RAX, fiveLevels() ? cr4 | CR4_LA57 : cr4);
    asm.mov(ControlReg.CR4, Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, fiveLevels() ? PML5 : PML4);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    asm.mov(DWORD, Gpr.RCX, EFER);
    asm.mov(DWORD, Gpr.RAX, 0x901); // SCE, LME, NXE
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRMSR);
    asm.mov(DWORD, Gpr.RAX, 0x8001_0033L); // PG, WP, NE, ET, MP, PE
    asm.mov(ControlReg.CR0, Gpr.RAX);
    Label pseudo = new Label();
    Label in64 = new Label();
    asm.op(MemOp.LGDT, Mem.of(pseudo));
    asm.jmpFar(DWORD, CODE64, in64);
    asm.bind(pseudo);
    asm.dw(GDT_ENTRIES * 8 - 1);
    asm.dd(GDT);
    asm.bits(CodeMode.BITS64);
    asm.bind(in64);
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
    asm.mov(DWORD, Gpr.RAX, TSS);
    asm.op(RmOp.LTR, Gpr.RAX);
    interruptTable();
  }

  private void store(int address, int value) {
    asm.mov(DWORD, Mem.absolute(address), value);
  }

  private void pageTables() {
    if (fiveLevels()) {
      store(PML5, PML4 | 7);
    }
    store(PML4, PDPT | 7);
    for (int i = 0; i < 4; i++) {
      store(PDPT + 8 * i, (PAGE_DIRECTORIES + 0x1000 * i) | 7);
    }
    // 2 MiB pages, open to user code.
    asm.mov(DWORD, Gpr.RDI, PAGE_DIRECTORIES);
    asm.mov(DWORD, Gpr.RAX, LARGE | 7);
    asm.mov(DWORD, Gpr.RCX, 2048);
    Label next = asm.here();
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.add(DWORD, Gpr.RAX, 1 << 21);
    asm.add(DWORD, Gpr.RDI, 8);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    // The 2 MiB that hold PAGE in small pages.
    store(PAGE_DIRECTORIES + 8 * (PAGE >> 21), PAGE_TABLE | 7);
    asm.mov(DWORD, Gpr.RDI, PAGE_TABLE);
    asm.mov(DWORD, Gpr.RAX, PAGE | 7);
    asm.mov(DWORD, Gpr.RCX, 512);
    Label small = asm.here();
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.add(DWORD, Gpr.RAX, 0x1000);
    asm.add(DWORD, Gpr.RDI, 8);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, small);
  }

  private void descriptor(int selector, long value) {
    store(GDT + (selector & -8), (int) value);
    store(GDT + (selector & -8) + 4, (int) (value >>> 32));
  }

  private void descriptors() {
    descriptor(CODE64, 0x00af_9b00_0000_ffffL);
    descriptor(DATA, 0x00cf_9300_0000_ffffL);
    descriptor(USER_CODE32, 0x00cf_fb00_0000_ffffL);
    descriptor(USER_DATA, 0x00cf_f300_0000_ffffL);
    descriptor(USER_CODE64, 0x00af_fb00_0000_ffffL);
    descriptor(TSS, 0x0000_8900_0000_0067L | (long) (TSS_BASE & 0xff_ffff) << 16);
    descriptor(CODE32, 0x00cf_9b00_0000_ffffL);
    descriptor(CODE16, 0x0000_9b00_0000_ffffL);
    descriptor(DATA16, 0x0000_9300_0000_ffffL);
    store(TSS_BASE + 4, RSP0_TOP);
    store(TSS_BASE + 0x24, IST1_TOP);
    // No I/O permission bitmap.
    store(TSS_BASE + 0x64, 0x68 << 16);
  }

  /**
   * All 256 gates: interrupt gates to the stubs, those of INT3, INTO and 0x80 open to user code.
   */
  private void interruptTable() {
    asm.mov(DWORD, Gpr.RDI, IDT);
    asm.mov(QWORD, Gpr.RAX, stubs);
    asm.mov(DWORD, Gpr.RCX, 256);
    Label next = asm.here();
    asm.mov(WORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.mov(WORD, Mem.of(Gpr.RDI, 2), CODE64);
    asm.mov(WORD, Mem.of(Gpr.RDI, 4), 0x8e00);
    asm.mov(DWORD, Gpr.RDX, Gpr.RAX);
    asm.shr(DWORD, Gpr.RDX, 16);
    asm.mov(WORD, Mem.of(Gpr.RDI, 6), Gpr.RDX);
    asm.add(DWORD, Gpr.RAX, STUB_BYTES);
    asm.add(DWORD, Gpr.RDI, 16);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    for (int open : new int[] {3, 4, 0x80}) {
      asm.mov(BYTE, Mem.absolute(IDT + 16 * open + 5), 0xee);
    }
    loadInterruptTable();
  }

  private void loadInterruptTable() {
    Label pseudo = new Label();
    Label after = new Label();
    asm.op(MemOp.LIDT, Mem.of(pseudo));
    asm.jmp(after);
    asm.bind(pseudo);
    asm.dw(0xfff);
    asm.dq(IDT);
    asm.bind(after);
  }

  /** Gives the gate of {@code vector} an interrupt stack. */
  final void useInterruptStack(int vector, int number) {
    asm.mov(BYTE, Mem.absolute(IDT + 16 * vector + 4), number);
  }

  /** Changes a descriptor; {@code selector}'s privilege bits are ignored. */
  final void setDescriptor(int selector, long value) {
    asm.push(Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, value);
    asm.mov(QWORD, Mem.absolute(GDT + (selector & -8)), Gpr.RAX);
    asm.pop(Gpr.RAX);
  }

  /** Marks the gate of {@code vector} present again. */
  final void restoreGate(int vector) {
    asm.mov(BYTE, Mem.absolute(IDT + 16 * vector + 5), 0x8e);
  }

  /** Marks the gate of {@code vector} absent. */
  final void removeGate(int vector) {
    asm.mov(BYTE, Mem.absolute(IDT + 16 * vector + 5), 0x0e);
  }

  private static boolean pushesErrorCode(int vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
  }

  private void handlers() {
    asm.align(16);
    asm.bind(stubs);
    for (int vector = 0; vector < 256; vector++) {
      int start = asm.position();
      if (!pushesErrorCode(vector)) {
        asm.push(0);
      }
      asm.push(vector);
      asm.jmpNear(common);
      asm.nop(STUB_BYTES - (asm.position() - start));
    }
    asm.bind(common);
    // Above RBP: RBX, RAX, vector, error code, RIP, CS, RFLAGS, RSP, SS.
    asm.push(Gpr.RAX);
    asm.push(Gpr.RBX);
    asm.push(Gpr.RBP);
    asm.mov(QWORD, Gpr.RBP, Gpr.RSP);
    asm.op(NullaryOp.CLD);
    print("  exception");
    print(" vector", Mem.of(Gpr.RBP, 24));
    print("error", Mem.of(Gpr.RBP, 32));
    print("rip", Mem.of(Gpr.RBP, 40));
    print("cs", Mem.of(Gpr.RBP, 48));
    // RF is set by processors but not by all emulators.
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RBP, 56));
    asm.and(DWORD, Gpr.RAX, ~0x1_0000);
    print("rflags", Gpr.RAX);
    print("rsp", Mem.of(Gpr.RBP, 64));
    print("ss", Mem.of(Gpr.RBP, 72));
    asm.cmp(DWORD, Mem.of(Gpr.RBP, 24), 14);
    Label noAddress = new Label();
    asm.jcc(Cond.NE, noAddress);
    asm.mov(Gpr.RAX, ControlReg.CR2);
    print("cr2", Gpr.RAX);
    asm.bind(noAddress);
    asm.cmp(DWORD, Mem.of(Gpr.RBP, 24), 1);
    Label noDebug = new Label();
    asm.jcc(Cond.NE, noDebug);
    asm.mov(Gpr.RAX, DebugReg.DR6);
    print("dr6", Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.mov(DebugReg.DR6, Gpr.RAX);
    asm.bind(noDebug);
    newLine();
    asm.cmp(BYTE, Mem.absolute(RETURN), 0);
    Label resume = new Label();
    asm.jcc(Cond.E, resume);
    asm.pop(Gpr.RBP);
    asm.pop(Gpr.RBX);
    asm.pop(Gpr.RAX);
    asm.add(QWORD, Gpr.RSP, 16);
    asm.iret(QWORD);
    asm.bind(resume);
    asm.mov(DWORD, Gpr.RAX, DATA);
    asm.mov(Seg.SS, Gpr.RAX);
    asm.mov(QWORD, Gpr.RSP, Mem.absolute(SAVED_RSP));
    asm.jmp(Mem.absolute(RESUME));
  }

  // ---- other processors

  /**
   * Puts code at {@link #TRAMPOLINE} that leads another processor from real mode straight into
   * 64-bit mode, to {@code processor}.
   */
  final void copyTrampoline(Label processor) {
    Label code = new Label("trampoline");
    Label end = new Label();
    Label after = new Label();
    asm.jmp(after);
    asm.bind(code);
    asm.bits(CodeMode.BITS16);
    asm.op(NullaryOp.CLI);
    asm.mov(WORD, Gpr.RAX, 0);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.op(MemOp.LGDT, Mem.absolute(TRAMPOLINE_GDTR));
    asm.mov(DWORD, Gpr.RAX, 0x6b0);
    asm.mov(ControlReg.CR4, Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, PML4);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    asm.mov(DWORD, Gpr.RCX, 0xc000_0080L);
    asm.mov(DWORD, Gpr.RAX, 0x901);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRMSR);
    asm.mov(DWORD, Gpr.RAX, 0x8001_0033L);
    asm.mov(ControlReg.CR0, Gpr.RAX);
    asm.jmpFar(DWORD, CODE64, processor);
    asm.bind(end);
    asm.bits(CodeMode.BITS64);
    asm.bind(after);
    asm.mov(QWORD, Gpr.RSI, code);
    asm.mov(DWORD, Gpr.RDI, TRAMPOLINE);
    asm.mov(DWORD, Gpr.RCX, asm.address(end) - asm.address(code));
    asm.op(NullaryOp.CLD);
    asm.rep(StringOp.MOVS, BYTE);
    asm.mov(WORD, Mem.absolute(TRAMPOLINE_GDTR), 0x7f);
    asm.mov(DWORD, Mem.absolute(TRAMPOLINE_GDTR + 2), GDT);
  }

  /**
   * What another processor does first: R15 becomes its APIC id.
   *
   * @param stacks one page for each, growing down from here and each page above
   */
  final void enterProcessor(int stacks) {
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS}) {
      asm.mov(segment, Gpr.RAX);
    }
    asm.mov(DWORD, Gpr.RAX, 1);
    asm.op(NullaryOp.CPUID);
    asm.shr(DWORD, Gpr.RBX, 24);
    asm.mov(DWORD, Gpr.R15, Gpr.RBX);
    asm.mov(DWORD, Gpr.RSP, Gpr.R15);
    asm.shl(DWORD, Gpr.RSP, 12);
    asm.add(DWORD, Gpr.RSP, stacks);
    loadInterruptTable();
  }

  // ---- for tests

  /**
   * Prints {@code what}, runs {@code code}; an exception in it is printed and skips the rest of it.
   */
  final void attempt(String what, Runnable code) {
    print(what + "\n");
    Label resume = new Label("resume");
    asm.push(Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, resume);
    asm.mov(QWORD, Mem.absolute(RESUME), Gpr.RAX);
    asm.pop(Gpr.RAX);
    asm.mov(QWORD, Mem.absolute(SAVED_RSP), Gpr.RSP);
    code.run();
    asm.bind(resume);
  }

  /**
   * As {@link #attempt} at privilege 3; code that comes to its end gets back through vector 0x80.
   */
  final void attemptAsUser(String what, Runnable code) {
    attempt(
        what,
        () -> {
          Label user = new Label("user");
          asm.push(USER_DATA);
          asm.push(USER_STACK_TOP);
          asm.push(0x3002); // IOPL 3, for the debug console
          asm.push(USER_CODE64);
          asm.mov(QWORD, Gpr.RAX, user);
          asm.push(Gpr.RAX);
          asm.iret(QWORD);
          asm.bind(user);
          code.run();
          asm.int_(0x80);
        });
  }

  /** Writes a register of the configuration space of a device on the first PCI bus. */
  final void writeConfig(int slot, int register, int value) {
    asm.mov(DWORD, Gpr.RDX, 0xcf8);
    asm.mov(DWORD, Gpr.RAX, (0x8000_0000 | slot << 11 | register) & 0xffff_ffffL);
    asm.outDx(DWORD);
    asm.mov(DWORD, Gpr.RDX, 0xcfc);
    asm.mov(DWORD, Gpr.RAX, value);
    asm.outDx(DWORD);
  }

  final void writeMsr(long msr, long value) {
    asm.mov(DWORD, Gpr.RCX, msr);
    asm.mov(DWORD, Gpr.RAX, value & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RDX, value >>> 32);
    asm.op(NullaryOp.WRMSR);
  }

  /** Prints bits of one register of a leaf of CPUID. */
  final void printCpuid(int leaf, int subleaf, Gpr register, int mask) {
    asm.mov(DWORD, Gpr.RAX, leaf & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RCX, subleaf);
    asm.op(NullaryOp.CPUID);
    asm.and(DWORD, register, mask);
    print("  cpuid %x.%x %s".formatted(leaf, subleaf, register), register);
    newLine();
  }

  /** Sets whether exceptions are returned from instead of skipping the attempt. */
  final void returnFromExceptions(boolean on) {
    asm.mov(BYTE, Mem.absolute(RETURN), on ? 1 : 0);
  }

  /** Maps {@link #PAGE} to itself with the given bits, and forgets the old translation. */
  final void mapPage(long bits) {
    asm.push(Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, PAGE | bits);
    asm.mov(QWORD, Mem.absolute(PTE), Gpr.RAX);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    asm.pop(Gpr.RAX);
  }

  final void setCr0(long set, long clear) {
    change(ControlReg.CR0, set, clear);
  }

  final void setCr4(long set, long clear) {
    change(ControlReg.CR4, set, clear);
  }

  private void change(ControlReg register, long set, long clear) {
    asm.mov(Gpr.RAX, register);
    asm.mov(QWORD, Gpr.RBX, set);
    asm.or(QWORD, Gpr.RAX, Gpr.RBX);
    asm.mov(QWORD, Gpr.RBX, ~clear);
    asm.and(QWORD, Gpr.RAX, Gpr.RBX);
    asm.mov(register, Gpr.RAX);
  }
}
