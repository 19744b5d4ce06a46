package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.RmOp;
import dev.pollux.core.jit.asm.Seg;

/**
 * 32-bit paging with 4 KiB and 4 MiB pages, then PAE paging with 4 KiB and 2 MiB pages and
 * execute-disable (Intel SDM vol. 3, 4.3 and 4.4).
 */
final class LegacyPagingProgram extends Program {
  private static final int CODE = 0x08;
  private static final int DATA = 0x10;
  private static final int USER_CODE = 0x1b;
  private static final int USER_DATA = 0x23;
  private static final int TSS = 0x28;

  // Fixed places in memory that starts as zeros.
  private static final int DIRECTORY = 0x40_0000;
  private static final int TABLE = 0x40_1000;
  private static final int POINTERS = 0x40_2000;
  private static final int PAE_DIRECTORY = 0x40_3000;
  private static final int PAE_TABLE = 0x40_4000;
  private static final int HIGH_DIRECTORY = 0x40_5000;
  private static final int IDT = 0x40_8000;
  private static final int TSS_BASE = 0x40_9000;
  private static final int RESUME = 0x40_a000;
  private static final int SAVED_ESP = 0x40_a004;
  private static final int STACK_TOP = 0x48_0000;
  private static final int ESP0 = 0x49_0000;
  private static final int USER_STACK = 0x4a_0000;

  /** The page that tests remap; its first byte is RET. */
  private static final int PAGE = 0x60_0000;

  /** Another frame. */
  private static final int OTHER = 0x70_0000;

  /** Mapped by a page of 4 MiB, with PAE of 2 MiB. */
  private static final int LARGE_PAGE = 0x100_0000;

  /** Where PAE's second page-directory pointer counts. */
  private static final int HIGH = 0x4000_0000;

  private static final int PRESENT = 1;
  private static final int WRITABLE = 2;
  private static final int USER = 4;
  private static final int LARGE = 0x80;
  private static final int EFER = 0xc000_0080;
  private static final int CR0_PG_WP = 0x8001_0000;
  private static final int CR4_PSE = 0x10;
  private static final int CR4_PAE = 0x20;
  private static final int BACK_GATE = 0x80;
  private static final Mem WORD = Mem.absolute(PAGE + 0x10);

  private final Label common = new Label("exception");

  /** Where the entries of {@link #PAGE} and {@link #LARGE_PAGE} are now. */
  private int pageEntry;

  private int largeEntry;

  @Override
  void assemble() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    handlers();
    descriptors();
    asm.mov(BYTE, Mem.absolute(PAGE), 0xc3);
    asm.mov(DWORD, WORD, 0x11);
    asm.mov(BYTE, Mem.absolute(OTHER), 0xc3);
    asm.mov(DWORD, Mem.absolute(OTHER + 0x10), 0x22);
    twoLevels();
    pae();
    print("done\n");
    exit();
  }

  private void store(int address, int value) {
    asm.mov(DWORD, Mem.absolute(address), value);
  }

  private void descriptors() {
    Label gdt = new Label();
    Label gdtPointer = new Label();
    Label idtPointer = new Label();
    Label flat = new Label();
    asm.op(MemOp.LGDT, Mem.of(gdtPointer));
    asm.op(MemOp.LIDT, Mem.of(idtPointer));
    asm.jmpFar(DWORD, CODE, flat);
    asm.alignData(8);
    asm.bind(gdt);
    asm.dq(0, 0x00cf_9b00_0000_ffffL, 0x00cf_9300_0000_ffffL);
    asm.dq(0x00cf_fb00_0000_ffffL, 0x00cf_f300_0000_ffffL);
    asm.dq(0x0000_8900_0000_0067L | (long) (TSS_BASE & 0xff_ffff) << 16);
    asm.bind(gdtPointer);
    asm.dw(6 * 8 - 1);
    asm.dd(gdt);
    asm.bind(idtPointer);
    asm.dw((BACK_GATE + 1) * 8 - 1);
    asm.dd(IDT);
    asm.bind(flat);
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
    store(TSS_BASE + 4, ESP0);
    store(TSS_BASE + 8, DATA);
    asm.mov(DWORD, Gpr.RAX, TSS);
    asm.op(RmOp.LTR, Gpr.RAX);
  }

  /** Sets gates for #GP, #PF and the way back from user code, and jumps over their code. */
  private void handlers() {
    Label behind = new Label();
    for (int vector : new int[] {13, 14, BACK_GATE}) {
      Label stub = new Label();
      Label next = new Label();
      asm.mov(DWORD, Gpr.RAX, stub);
      asm.mov(DWORD, Mem.absolute(IDT + 8 * vector), Gpr.RAX);
      asm.mov(DWORD, Mem.absolute(IDT + 8 * vector + 4), Gpr.RAX);
      asm.mov(BYTE, Mem.absolute(IDT + 8 * vector + 2), CODE);
      asm.mov(BYTE, Mem.absolute(IDT + 8 * vector + 3), 0);
      asm.mov(BYTE, Mem.absolute(IDT + 8 * vector + 4), 0);
      asm.mov(BYTE, Mem.absolute(IDT + 8 * vector + 5), vector == BACK_GATE ? 0xee : 0x8e);
      asm.jmpNear(next);
      asm.bind(stub);
      if (vector == BACK_GATE) {
        asm.push(0);
      }
      asm.push(vector);
      asm.jmpNear(common);
      asm.bind(next);
    }
    asm.jmpNear(behind);
    asm.bind(common);
    // Above ESP: vector, error code, EIP, CS.
    asm.mov(DWORD, Gpr.RBP, Gpr.RSP);
    asm.cmp(DWORD, Mem.of(Gpr.RBP), BACK_GATE);
    Label silent = new Label();
    asm.jcc(Cond.E, silent);
    print("  exception vector", Mem.of(Gpr.RBP));
    print("error", Mem.of(Gpr.RBP, 4));
    print("cs", Mem.of(Gpr.RBP, 12));
    asm.mov(Gpr.RAX, ControlReg.CR2);
    print("cr2", Gpr.RAX);
    newLine();
    asm.bind(silent);
    asm.mov(DWORD, Gpr.RAX, DATA);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.mov(Seg.ES, Gpr.RAX);
    asm.mov(DWORD, Gpr.RSP, Mem.absolute(SAVED_ESP));
    asm.jmp(Mem.absolute(RESUME));
    asm.bind(behind);
  }

  private void attempt(String what, Runnable code) {
    print(what + "\n");
    Label resume = new Label("resume");
    asm.mov(DWORD, Gpr.RAX, resume);
    asm.mov(DWORD, Mem.absolute(RESUME), Gpr.RAX);
    asm.mov(DWORD, Mem.absolute(SAVED_ESP), Gpr.RSP);
    code.run();
    asm.bind(resume);
  }

  private void attemptAsUser(String what, Runnable code) {
    attempt(
        what,
        () -> {
          Label user = new Label("user");
          asm.push(USER_DATA);
          asm.push(USER_STACK);
          asm.push(2);
          asm.push(USER_CODE);
          asm.mov(DWORD, Gpr.RAX, user);
          asm.push(Gpr.RAX);
          asm.mov(DWORD, Gpr.RAX, USER_DATA);
          asm.mov(Seg.DS, Gpr.RAX);
          asm.mov(Seg.ES, Gpr.RAX);
          asm.iret(DWORD);
          asm.bind(user);
          code.run();
          asm.int_(BACK_GATE);
        });
  }

  private void fill(int address, int count, int first, int step, int entryBytes) {
    asm.mov(DWORD, Gpr.RDI, address);
    asm.mov(DWORD, Gpr.RAX, first);
    asm.mov(DWORD, Gpr.RCX, count);
    Label next = asm.here();
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.add(DWORD, Gpr.RAX, step);
    asm.add(DWORD, Gpr.RDI, entryBytes);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
  }

  private void load(ControlReg register, int value) {
    asm.mov(DWORD, Gpr.RAX, value & 0xffff_ffffL);
    asm.mov(register, Gpr.RAX);
  }

  private void setPaging(boolean on) {
    asm.mov(Gpr.RAX, ControlReg.CR0);
    if (on) {
      asm.or(DWORD, Gpr.RAX, CR0_PG_WP);
    } else {
      asm.and(DWORD, Gpr.RAX, ~CR0_PG_WP);
    }
    asm.mov(ControlReg.CR0, Gpr.RAX);
  }

  // ---- the same for both

  private void map(int bits) {
    store(pageEntry, bits == 0 ? 0 : PAGE | bits);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
  }

  private void read() {
    asm.mov(DWORD, Gpr.RCX, WORD);
  }

  private void write() {
    asm.mov(DWORD, WORD, Gpr.RCX);
  }

  private void execute() {
    asm.mov(DWORD, Gpr.RAX, PAGE);
    asm.call(Gpr.RAX);
  }

  private void attemptAccesses(String what) {
    attempt(what + ", read", this::read);
    attempt(what + ", write", this::write);
    attempt(what + ", execute", this::execute);
    attemptAsUser(what + ", user read", this::read);
    attemptAsUser(what + ", user write", this::write);
    attemptAsUser(what + ", user execute", this::execute);
    print("  entry", Mem.absolute(pageEntry));
    newLine();
  }

  private void bothSizes() {
    map(0);
    attemptAccesses("not present");
    map(PRESENT);
    attemptAccesses("supervisor, read-only");
    map(PRESENT | WRITABLE);
    attemptAccesses("supervisor, writable");
    map(PRESENT | USER);
    attemptAccesses("user, read-only");
    map(PRESENT | WRITABLE | USER);
    attemptAccesses("user, writable");
    asm.mov(DWORD, WORD, 0x11);
    read();
    store(pageEntry, OTHER | PRESENT | WRITABLE | USER);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE + 0xfff));
    read();
    print("remapped, INVLPG", Gpr.RCX);
    newLine();
    store(pageEntry, PAGE | PRESENT | WRITABLE | USER);
    asm.mov(Gpr.RAX, ControlReg.CR3);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    read();
    print("remapped, MOV to CR3", Gpr.RCX);
    newLine();
    Mem large = Mem.absolute(LARGE_PAGE + 0x1_2340);
    attempt("large page, read", () -> asm.mov(DWORD, Gpr.RCX, large));
    print("  entry", Mem.absolute(largeEntry));
    newLine();
    attempt("large page, write", () -> asm.mov(DWORD, large, 1));
    print("  entry", Mem.absolute(largeEntry));
    newLine();
    asm.and(DWORD, Mem.absolute(largeEntry), ~WRITABLE);
    asm.op(MemOp.INVLPG, Mem.absolute(LARGE_PAGE));
    attempt("large page, read-only, write", () -> asm.mov(DWORD, large, 1));
    attemptAsUser("large page, user read", () -> asm.mov(DWORD, Gpr.RCX, large));
    asm.and(DWORD, Mem.absolute(largeEntry), ~USER);
    asm.op(MemOp.INVLPG, Mem.absolute(LARGE_PAGE));
    attemptAsUser("large page, supervisor, user read", () -> asm.mov(DWORD, Gpr.RCX, large));
  }

  // ---- 32-bit paging

  private void twoLevels() {
    print("32-bit paging\n");
    fill(DIRECTORY, 16, LARGE | PRESENT | WRITABLE | USER, 1 << 22, 4);
    fill(TABLE, 1024, PAGE & -(1 << 22) | PRESENT | WRITABLE | USER, 0x1000, 4);
    store(DIRECTORY + 4 * (PAGE >> 22), TABLE | PRESENT | WRITABLE | USER);
    pageEntry = TABLE + 4 * (PAGE >> 12 & 1023);
    largeEntry = DIRECTORY + 4 * (LARGE_PAGE >> 22);
    load(ControlReg.CR4, CR4_PSE);
    load(ControlReg.CR3, DIRECTORY);
    setPaging(true);
    bothSizes();
    // Rights of the directory's entry count, too.
    map(PRESENT | WRITABLE | USER);
    asm.and(DWORD, Mem.absolute(DIRECTORY + 4 * (PAGE >> 22)), ~USER);
    asm.mov(Gpr.RAX, ControlReg.CR3);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    asm.or(DWORD, Mem.absolute(DIRECTORY + 4 * (PAGE >> 22)), USER);
    asm.and(DWORD, Mem.absolute(DIRECTORY + 4 * (PAGE >> 22)), ~WRITABLE);
    asm.or(DWORD, Mem.absolute(DIRECTORY + 4 * (PAGE >> 22)), WRITABLE);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    attemptAsUser("rights restored, user write", this::write);
    notOnQemu(
        () -> {
          asm.or(DWORD, Mem.absolute(largeEntry), 1 << 21);
          asm.op(MemOp.INVLPG, Mem.absolute(LARGE_PAGE));
          attempt(
              "large page, reserved bit", () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(LARGE_PAGE)));
        });
    setPaging(false);
  }

  // ---- PAE

  private void pae() {
    print("PAE paging\n");
    store(POINTERS, PAE_DIRECTORY | PRESENT);
    store(POINTERS + 8, HIGH_DIRECTORY | PRESENT);
    fill(PAE_DIRECTORY, 32, LARGE | PRESENT | WRITABLE | USER, 1 << 21, 8);
    fill(HIGH_DIRECTORY, 1, LARGE | PRESENT | WRITABLE | USER, 1 << 21, 8);
    fill(PAE_TABLE, 512, PAGE | PRESENT | WRITABLE | USER, 0x1000, 8);
    store(PAE_DIRECTORY + 8 * (PAGE >> 21), PAE_TABLE | PRESENT | WRITABLE | USER);
    pageEntry = PAE_TABLE; // PAGE is where the table starts
    largeEntry = PAE_DIRECTORY + 8 * (LARGE_PAGE >> 21);
    load(ControlReg.CR4, CR4_PAE);
    load(ControlReg.CR3, POINTERS);
    asm.mov(DWORD, Gpr.RCX, EFER & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RAX, 0x800); // NXE
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRMSR);
    setPaging(true);
    bothSizes();
    map(PRESENT | WRITABLE | USER);
    store(pageEntry + 4, 1 << 31);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    attemptAccesses("no execute");
    store(pageEntry + 4, 0);
    notOnQemu(this::pointers);
    setPaging(false);
  }

  /** The four page-directory pointers are registers, loaded with CR3 (Intel SDM vol. 3, 4.4.1). */
  private void pointers() {
    Mem high = Mem.absolute(HIGH + 0x10_0000);
    attempt("through the second pointer", () -> asm.mov(DWORD, Gpr.RCX, high));
    store(POINTERS + 8, 0);
    asm.op(MemOp.INVLPG, high);
    attempt("pointer taken from memory", () -> asm.mov(DWORD, Gpr.RCX, high));
    load(ControlReg.CR3, POINTERS);
    attempt("pointer taken, CR3 loaded", () -> asm.mov(DWORD, Gpr.RCX, high));
    store(POINTERS + 8, HIGH_DIRECTORY | PRESENT | WRITABLE);
    attempt("pointer with a reserved bit", () -> load(ControlReg.CR3, POINTERS));
    attempt("pointers stay", () -> asm.mov(DWORD, Gpr.RCX, high));
  }
}
