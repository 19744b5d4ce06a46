package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;

/**
 * What makes a processor forget translations of addresses (Intel SDM vol. 3, 4.10.4): after each a
 * changed entry counts, for data and for code that has often been called. What may be forgotten
 * earlier is not asked for.
 */
final class TlbProgram extends LongModeProgram {
  private static final int GLOBAL = 0x100;
  private static final int LARGE = 0x80;
  private static final int CR4_PGE = 1 << 7;
  private static final int CR4_PCIDE = 1 << 17;
  private static final int CR0_WP = 1 << 16;
  private static final long NO_FLUSH = 1L << 63;

  /**
   * Two frames that {@link #PAGE} may lead to: each starts with a function that gives its number.
   */
  private static final int FIRST = 0x70_0000;

  private static final int SECOND = 0x70_1000;

  /** In a frame: a word that holds its number. */
  private static final int NUMBER = 0x80;

  /** Tables that differ in {@link #PAGE} only. */
  private static final int OTHER_PML4 = 0x71_0000;

  private static final int OTHER_PDPT = 0x71_1000;
  private static final int OTHER_DIRECTORY = 0x71_2000;
  private static final int OTHER_TABLE = 0x71_3000;
  private static final int DESCRIPTOR = 0x71_4000;
  private static final int CALLS = 40;

  @Override
  void body() {
    frame(FIRST, 1);
    frame(SECOND, 2);
    changes("INVLPG", 0, () -> asm.op(MemOp.INVLPG, Mem.absolute(PAGE + 0x123)));
    changes("INVLPG, global", GLOBAL, () -> asm.op(MemOp.INVLPG, Mem.absolute(PAGE)));
    changes("MOV to CR3", 0, this::reloadCr3);
    changes(
        "PGE off and on, global",
        GLOBAL,
        () -> {
          setCr4(0, CR4_PGE);
          setCr4(CR4_PGE, 0);
        });
    changes(
        "PGE on, made global",
        GLOBAL,
        () -> {
          setCr4(0, CR4_PGE);
          reloadCr3();
          setCr4(CR4_PGE, 0);
        });
    notOnQemu(this::largePage);
    rights();
    otherTables("MOV to CR3 of other tables", 0, 0);
    notOnQemu(this::processContexts);
  }

  private void reloadCr3() {
    asm.mov(Gpr.RAX, ControlReg.CR3);
    asm.mov(ControlReg.CR3, Gpr.RAX);
  }

  /** MOV EAX, number; RET; and the number as data. */
  private void frame(int address, int number) {
    asm.mov(DWORD, Mem.absolute(address), 0xb8 | number << 8);
    asm.mov(DWORD, Mem.absolute(address + 4), 0xc300);
    asm.mov(DWORD, Mem.absolute(address + NUMBER), number);
  }

  private void map(int frame, int bits) {
    asm.mov(QWORD, Mem.absolute(PTE), frame | PRESENT | WRITABLE | USER | bits);
  }

  /** Reads and calls what the page leads to, often enough for any engine to remember it. */
  private void use() {
    asm.mov(DWORD, Gpr.R12, CALLS);
    Label again = asm.here();
    asm.mov(DWORD, Gpr.RBX, Mem.absolute(PAGE + NUMBER));
    asm.mov(DWORD, Gpr.RDX, PAGE);
    asm.call(Gpr.RDX);
    asm.dec(DWORD, Gpr.R12);
    asm.jcc(Cond.NE, again);
  }

  private void report() {
    use();
    print("  data", Gpr.RBX);
    print("code", Gpr.RAX);
    newLine();
  }

  private void changes(String what, int bits, Runnable forget) {
    print(what + "\n");
    map(FIRST, bits);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    report();
    map(SECOND, bits);
    forget.run();
    report();
  }

  /** INVLPG of any address in a large page forgets all of it; QEMU still calls the old code. */
  private void largePage() {
    print("INVLPG in a large page\n");
    int entry = PAGE_DIRECTORIES + 8 * (PAGE >> 21);
    asm.mov(QWORD, Gpr.R13, Mem.absolute(entry));
    frame(0x80_0000, 3);
    frame(0xa0_0000, 4);
    asm.mov(QWORD, Mem.absolute(entry), 0x80_0000 | LARGE | PRESENT | WRITABLE | USER);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    report();
    asm.mov(QWORD, Mem.absolute(entry), 0xa0_0000 | LARGE | PRESENT | WRITABLE | USER);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE + 0x12_3456));
    report();
    asm.mov(QWORD, Mem.absolute(entry), Gpr.R13);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
  }

  /** Rights that are taken away count after the translation was forgotten, WP at once. */
  private void rights() {
    Mem word = Mem.absolute(PAGE + NUMBER);
    mapPage(PRESENT | WRITABLE);
    attempt("write", () -> asm.mov(DWORD, word, 5));
    asm.mov(QWORD, Mem.absolute(PTE), PAGE | PRESENT);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    attempt("write after the right was taken", () -> asm.mov(DWORD, word, 6));
    setCr0(0, CR0_WP);
    attempt("write without WP", () -> asm.mov(DWORD, word, 7));
    setCr0(CR0_WP, 0);
    attempt("write with WP again", () -> asm.mov(DWORD, word, 8));
    asm.mov(QWORD, Mem.absolute(PTE), 0);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    attempt("read of a page that was taken", () -> asm.mov(DWORD, Gpr.RCX, word));
    // What was absent is never remembered: no invalidation.
    asm.mov(QWORD, Mem.absolute(PTE), PAGE | PRESENT);
    attempt("read of a page that was given", () -> asm.mov(DWORD, Gpr.RCX, word));
  }

  /**
   * Goes to tables that map the page to another frame, and back.
   *
   * @param here added to CR3 for the own tables
   * @param there added to CR3 for the others
   */
  private void otherTables(String what, long here, long there) {
    print(what + "\n");
    map(FIRST, 0);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    copyTable(PML4, OTHER_PML4);
    copyTable(PDPT, OTHER_PDPT);
    copyTable(PAGE_DIRECTORIES, OTHER_DIRECTORY);
    copyTable(PAGE_TABLE, OTHER_TABLE);
    asm.mov(QWORD, Mem.absolute(OTHER_PML4), OTHER_PDPT | PRESENT | WRITABLE | USER);
    asm.mov(QWORD, Mem.absolute(OTHER_PDPT), OTHER_DIRECTORY | PRESENT | WRITABLE | USER);
    asm.mov(
        QWORD,
        Mem.absolute(OTHER_DIRECTORY + 8 * (PAGE >> 21)),
        OTHER_TABLE | PRESENT | WRITABLE | USER);
    asm.mov(QWORD, Mem.absolute(OTHER_TABLE), SECOND | PRESENT | WRITABLE | USER);
    for (int i = 0; i < 3; i++) {
      loadCr3(PML4 | here);
      report();
      loadCr3(OTHER_PML4 | there);
      report();
    }
    loadCr3(PML4);
  }

  private void loadCr3(long value) {
    asm.mov(QWORD, Gpr.RAX, value);
    asm.mov(ControlReg.CR3, Gpr.RAX);
  }

  private void copyTable(int from, int to) {
    asm.mov(DWORD, Gpr.RCX, 512);
    Label next = asm.here();
    asm.mov(QWORD, Gpr.RAX, Mem.indexed(Gpr.RCX, 8, from - 8));
    asm.mov(QWORD, Mem.indexed(Gpr.RCX, 8, to - 8), Gpr.RAX);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
  }

  /** Process-context identifiers and INVPCID. */
  private void processContexts() {
    attempt("INVPCID of a context without PCIDE", () -> invpcid(1, 3, PAGE));
    attempt("NO_FLUSH without PCIDE", () -> loadCr3(PML4 | NO_FLUSH));
    loadCr3(PML4 | 1 << 3);
    attempt("PCIDE with bits 0 to 11 of CR3 set", () -> setCr4(CR4_PCIDE, 0));
    loadCr3(PML4);
    setCr4(CR4_PCIDE, 0);
    asm.mov(Gpr.RAX, ControlReg.CR4);
    print("cr4", Gpr.RAX);
    newLine();
    attempt("paging off with PCIDE", () -> setCr0(0, 1L << 31));
    otherTables("two contexts", 1, 2);
    otherTables("two contexts, kept", NO_FLUSH | 1, NO_FLUSH | 2);
    asm.mov(Gpr.RAX, ControlReg.CR3);
    print("cr3", Gpr.RAX);
    newLine();
    loadCr3(PML4 | 5);
    changes("INVPCID, one address", 0, () -> invpcid(0, 5, PAGE + 0x10));
    changes("INVPCID, one context", 0, () -> invpcid(1, 5, 0));
    changes("INVPCID, all and global ones", GLOBAL, () -> invpcid(2, 0, 0));
    changes("INVPCID, all but global ones", 0, () -> invpcid(3, 0, 0));
    changes("INVLPG in a context", 0, () -> asm.op(MemOp.INVLPG, Mem.absolute(PAGE)));
    changes("MOV to CR3 of the same context", 0, () -> loadCr3(PML4 | 5));
    otherContext();
    attempt("INVPCID, unknown kind", () -> invpcid(4, 0, 0));
    for (int kind = 0; kind < 4; kind++) {
      long descriptor = 0x1000;
      int type = kind;
      attempt("INVPCID, reserved bit, kind " + kind, () -> invpcid(type, descriptor, PAGE));
    }
    attempt("INVPCID, address not canonical", () -> invpcid(0, 5, 1L << 62));
    attempt("INVPCID, address not canonical but not used", () -> invpcid(1, 5, 1L << 62));
    attemptAsUser("INVPCID by user code", () -> invpcid(2, 0, 0));
    loadCr3(PML4);
    changes("PCIDE off", 0, () -> setCr4(0, CR4_PCIDE));
  }

  /** A context that is not the present one is forgotten from afar. */
  private void otherContext() {
    print("INVPCID of another context\n");
    map(FIRST, 0);
    loadCr3(PML4 | 6);
    report();
    loadCr3(PML4 | 7);
    map(SECOND, 0);
    invpcid(1, 6, 0);
    loadCr3(PML4 | 6 | NO_FLUSH);
    report();
  }

  private void invpcid(int kind, long context, long address) {
    asm.mov(QWORD, Gpr.RAX, context);
    asm.mov(QWORD, Mem.absolute(DESCRIPTOR), Gpr.RAX);
    asm.mov(QWORD, Gpr.RAX, address);
    asm.mov(QWORD, Mem.absolute(DESCRIPTOR + 8), Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, kind);
    asm.invpcid(Gpr.RAX, Mem.absolute(DESCRIPTOR));
  }
}
