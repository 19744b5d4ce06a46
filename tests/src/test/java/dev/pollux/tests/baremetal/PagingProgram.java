package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.StringOp;

/**
 * Page faults and their error codes, accessed and dirty bits, protection keys of CR0 and CR4 (Intel
 * SDM vol. 3, 5.6 and 5.7).
 */
final class PagingProgram extends LongModeProgram {
  private static final long NO_EXECUTE = 1L << 63;
  private static final long RESERVED = 1L << 51;
  private static final int CR0_WP = 1 << 16;
  private static final int CR4_SMEP = 1 << 20;
  private static final int CR4_SMAP = 1 << 21;

  private static final Mem WORD = Mem.absolute(PAGE + 0x10);

  private void read() {
    asm.mov(DWORD, Gpr.RCX, WORD);
  }

  private void write() {
    asm.mov(DWORD, WORD, Gpr.RCX);
  }

  private void attemptAccesses(String what) {
    attempt(what + ", read", this::read);
    attempt(what + ", write", this::write);
    attempt(what + ", execute", this::execute);
    attemptAsUser(what + ", user read", this::read);
    attemptAsUser(what + ", user write", this::write);
    attemptAsUser(what + ", user execute", this::execute);
    printEntry();
  }

  private void execute() {
    asm.mov(QWORD, Gpr.RAX, PAGE);
    asm.call(Gpr.RAX);
  }

  /** The entry as the accesses left it: accessed and dirty bits. */
  private void printEntry() {
    print("  entry", Mem.absolute(PTE));
    newLine();
  }

  @Override
  void body() {
    // RET at the start of the page.
    asm.mov(BYTE, Mem.absolute(PAGE), 0xc3);
    mapPage(0);
    attemptAccesses("not present");
    mapPage(PRESENT);
    attemptAccesses("supervisor, read-only");
    mapPage(PRESENT | WRITABLE);
    attemptAccesses("supervisor, writable");
    mapPage(PRESENT | USER);
    attemptAccesses("user, read-only");
    mapPage(PRESENT | WRITABLE | USER | NO_EXECUTE);
    attemptAccesses("user, no execute");
    // QEMU's error code lacks the present bit here.
    notOnQemu(
        () -> {
          mapPage(PRESENT | WRITABLE | USER | RESERVED);
          attemptAccesses("reserved bit");
        });
    setCr0(0, CR0_WP);
    mapPage(PRESENT);
    attempt("read-only without WP", this::write);
    printEntry();
    setCr0(CR0_WP, 0);
    notOnQemu(this::readAndWrite);
    accessedAndDirty();
    crossings();
    supervisorModes();
  }

  /** Processors ask for the right to write before they read; QEMU reads first. */
  private void readAndWrite() {
    mapPage(0);
    attempt("not present, read and write", () -> asm.alu(AluOp.ADD, DWORD, WORD, 0));
    attempt("not present, comparison and exchange", () -> asm.cmpxchg(DWORD, WORD, Gpr.RCX));
    mapPage(PRESENT);
    attempt("read-only, read and write", () -> asm.alu(AluOp.ADD, DWORD, WORD, 0));
    printEntry();
  }

  private void accessedAndDirty() {
    mapPage(PRESENT | WRITABLE | USER);
    printEntry();
    attempt("accessed by a read", this::read);
    printEntry();
    attempt("dirty by a write", this::write);
    printEntry();
    mapPage(PRESENT | WRITABLE | USER);
    attempt("dirty by a comparison that fails", () -> asm.cmpxchg(DWORD, WORD, Gpr.RCX));
    printEntry();
  }

  /** Operands that lie in two pages, the second of which is missing. */
  private void crossings() {
    mapPage(PRESENT | WRITABLE);
    asm.mov(QWORD, Mem.absolute(PTE + 8), 0);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE + 0x1000));
    Mem across = Mem.absolute(PAGE + 0xffe);
    asm.mov(OpSize.WORD, across, 0x1234);
    attempt("read across the end", () -> asm.mov(DWORD, Gpr.RCX, across));
    attempt("write across the end", () -> asm.mov(QWORD, across, -1));
    asm.movzx(DWORD, Gpr.RCX, OpSize.WORD, across);
    print("  kept", Gpr.RCX);
    newLine();
    asm.mov(DWORD, Gpr.RDI, PAGE + 0xff0);
    asm.mov(DWORD, Gpr.RCX, 8);
    asm.mov(DWORD, Gpr.RAX, 0x5555_5555);
    attempt("string store into the missing page", () -> asm.rep(StringOp.STOS, DWORD));
    print("  rcx", Gpr.RCX);
    print("rdi", Gpr.RDI);
    newLine();
    asm.mov(DWORD, Gpr.RSI, PAGE + 0xff0);
    asm.mov(DWORD, Gpr.RDI, 0x50_0000);
    asm.mov(DWORD, Gpr.RCX, 32);
    attempt("string move out of the missing page", () -> asm.rep(StringOp.MOVS, BYTE));
    print("  rcx", Gpr.RCX);
    print("rsi", Gpr.RSI);
    newLine();
  }

  /** The program itself, its stack and its tables must be out of user code's reach here. */
  private void supervisorModes() {
    for (int address : new int[] {GuestImage.LOAD_ADDRESS, GDT}) {
      asm.alu(AluOp.AND, DWORD, Mem.absolute(PAGE_DIRECTORIES + 8 * (address >> 21)), ~USER);
    }
    asm.mov(Gpr.RAX, ControlReg.CR3);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    mapPage(PRESENT | WRITABLE | USER);
    setCr4(CR4_SMEP, 0);
    attempt("SMEP, supervisor execute", this::execute);
    setCr4(CR4_SMAP, CR4_SMEP);
    attempt("SMAP, supervisor read", this::read);
    attempt("SMAP, supervisor write", this::write);
    attempt(
        "SMAP with AC, supervisor write",
        () -> {
          asm.op(NullaryOp.STAC);
          write();
        });
    asm.op(NullaryOp.CLAC);
    setCr4(0, CR4_SMAP);
  }
}
