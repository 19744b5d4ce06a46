package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;

/**
 * Protection keys of user and of supervisor pages (Intel SDM vol. 3, 5.6.2), the instructions that
 * read and write PKRU, and PKRU as a component of XSAVE's area.
 */
final class ProtectionKeyProgram extends LongModeProgram {
  private static final int CR0_WP = 1 << 16;
  private static final int CR4_OSXSAVE = 1 << 18;
  private static final int CR4_PKE = 1 << 22;
  private static final int CR4_PKS = 1 << 24;
  private static final int PKRS = 0x6e1;

  /** PKU, OSPKE, PKS in leaf 7's ECX. */
  private static final int FEATURES = 1 << 3 | 1 << 4 | 1 << 31;

  private static final int KEY_SHIFT = 59;

  /** The key of {@link #PAGE} in most attempts. */
  private static final int KEY = 5;

  private static final int NO_ACCESS = 1 << 2 * KEY;
  private static final int NO_WRITE = 2 << 2 * KEY;

  private static final Mem WORD = Mem.absolute(PAGE + 0x10);
  private static final Mem AREA = Mem.absolute(PAGE + 0x1000);
  private static final int PKRU_COMPONENT = 1 << 9;
  private static final int HEADER = 512;
  private static final int STANDARD_OFFSET = 2688;

  private void read() {
    asm.mov(DWORD, Gpr.RBX, WORD);
  }

  private void write() {
    asm.mov(DWORD, WORD, Gpr.RBX);
  }

  private void execute() {
    asm.mov(QWORD, Gpr.RAX, PAGE);
    asm.call(Gpr.RAX);
  }

  private void writePkru(int value) {
    asm.mov(DWORD, Gpr.RAX, value & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRPKRU);
  }

  private void printPkru() {
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.mov(DWORD, Gpr.RDX, -1);
    asm.op(NullaryOp.RDPKRU);
    print("  pkru", Gpr.RAX);
    print("edx", Gpr.RDX);
    newLine();
  }

  private void attemptAccesses(String what) {
    attempt(what + ", read", this::read);
    attempt(what + ", write", this::write);
    attempt(what + ", execute", this::execute);
    attemptAsUser(what + ", user read", this::read);
    attemptAsUser(what + ", user write", this::write);
    attemptAsUser(what + ", user execute", this::execute);
  }

  private static long key(int number) {
    return (long) number << KEY_SHIFT;
  }

  @Override
  void body() {
    asm.mov(BYTE, Mem.absolute(PAGE), 0xc3);
    printCpuid(7, 0, Gpr.RCX, FEATURES);
    attempt("RDPKRU without PKE", () -> asm.op(NullaryOp.RDPKRU));
    attempt("WRPKRU without PKE", () -> writePkru(0));
    mapPage(PRESENT | WRITABLE | USER | key(KEY));
    attemptAccesses("a key without PKE");
    setCr4(CR4_PKE, 0);
    printCpuid(7, 0, Gpr.RCX, FEATURES);
    instructions();
    userPages();
    supervisorPages();
    extendedState();
  }

  private void instructions() {
    printPkru();
    writePkru(0x8765_4320);
    printPkru();
    asm.mov(DWORD, Gpr.RCX, 1);
    attempt("RDPKRU of another register", () -> asm.op(NullaryOp.RDPKRU));
    asm.mov(DWORD, Gpr.RDX, 0);
    attempt("WRPKRU of another register", () -> asm.op(NullaryOp.WRPKRU));
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.mov(DWORD, Gpr.RDX, 1);
    attempt("WRPKRU of more than 32 bits", () -> asm.op(NullaryOp.WRPKRU));
    writePkru(0);
    attemptAsUser(
        "a user's WRPKRU and RDPKRU",
        () -> {
          writePkru(NO_WRITE);
          printPkru();
        });
  }

  private void userPages() {
    for (int rights :
        new int[] {0, NO_ACCESS, NO_WRITE, NO_ACCESS | NO_WRITE, ~(3 << 2 * KEY) & ~3}) {
      writePkru(rights);
      attemptAccesses("PKRU " + Integer.toHexString(rights));
    }
    writePkru(NO_WRITE);
    setCr0(0, CR0_WP);
    attempt("no write, without WP", this::write);
    writePkru(NO_ACCESS);
    attempt("no access, without WP", this::write);
    setCr0(CR0_WP, 0);
    writePkru(NO_WRITE);
    mapPage(PRESENT | USER | key(KEY));
    attemptAccesses("read-only and no write");
    mapPage(PRESENT | WRITABLE | key(KEY));
    writePkru(NO_ACCESS);
    attemptAccesses("a supervisor page with a user's key");
    mapPage(PRESENT | WRITABLE | USER | key(KEY) | 1 << 8);
    writePkru(0);
    attemptAccesses("global page, allowed");
    writePkru(NO_ACCESS);
    attemptAccesses("global page, denied");
    mapPage(PRESENT | WRITABLE | USER | key(15));
    attempt("another key", this::write);
    writePkru(1 << 30);
    attempt("the last key", this::read);
    // Read and modify: asks for the right to write first.
    writePkru(1 << 31);
    notOnQemu(() -> attempt("read and write", () -> asm.alu(AluOp.ADD, DWORD, WORD, 1)));
    writePkru(0);
  }

  private void supervisorPages() {
    attempt("PKRS of more than 32 bits", () -> writeMsr(PKRS, 1L << 32));
    writeMsr(PKRS, NO_ACCESS);
    mapPage(PRESENT | WRITABLE | key(KEY));
    attemptAccesses("PKRS without PKS");
    setCr4(CR4_PKS, 0);
    for (int rights : new int[] {0, NO_ACCESS, NO_WRITE, NO_ACCESS | NO_WRITE}) {
      writeMsr(PKRS, rights);
      attemptAccesses("PKRS " + Integer.toHexString(rights));
    }
    asm.mov(DWORD, Gpr.RCX, PKRS);
    asm.op(NullaryOp.RDMSR);
    print("  pkrs", Gpr.RAX);
    print("edx", Gpr.RDX);
    newLine();
    mapPage(PRESENT | WRITABLE | USER | key(KEY));
    attemptAccesses("a user page with a supervisor's key");
    setCr0(0, CR0_WP);
    mapPage(PRESENT | WRITABLE | key(KEY));
    writeMsr(PKRS, NO_WRITE);
    attempt("no write, without WP", this::write);
    setCr0(CR0_WP, 0);
    attempt("no write, with WP", this::write);
    writeMsr(PKRS, 0);
    setCr4(0, CR4_PKS);
  }

  /** PKRU in XSAVE's area: written, initialised, restored; what it denies is denied at once. */
  private void extendedState() {
    setCr4(CR4_OSXSAVE, 0);
    printCpuid(0xd, 0, Gpr.RAX, PKRU_COMPONENT | 7);
    printCpuid(0xd, 9, Gpr.RAX, -1);
    printCpuid(0xd, 9, Gpr.RBX, -1);
    printCpuid(0xd, 9, Gpr.RCX, -1);
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.mov(DWORD, Gpr.RAX, PKRU_COMPONENT | 7);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.XSETBV);
    printCpuid(0xd, 0, Gpr.RBX, -1);
    printCpuid(0xd, 0, Gpr.RCX, -1);
    mapPage(PRESENT | WRITABLE | USER | key(KEY));
    writePkru(NO_ACCESS);
    save("saved");
    writePkru(0);
    attempt("allowed", this::read);
    ask();
    asm.op(MemOp.XRSTOR, AREA);
    printPkru();
    attempt("denied after XRSTOR", this::read);
    // QEMU never counts PKRU as being in its initial state.
    notOnQemu(this::initialState);
  }

  private void initialState() {
    writePkru(0);
    save("saved in its initial state");
    writePkru(NO_WRITE);
    ask();
    asm.op(MemOp.XRSTOR, AREA);
    printPkru();
    attempt("allowed after XRSTOR", this::write);
  }

  /** Asks XSAVE and XRSTOR for PKRU alone. */
  private void ask() {
    asm.mov(DWORD, Gpr.RAX, PKRU_COMPONENT);
    asm.mov(DWORD, Gpr.RDX, 0);
  }

  private void save(String what) {
    asm.mov(QWORD, AREA.plus(STANDARD_OFFSET), -1);
    ask();
    asm.op(MemOp.XSAVE, AREA);
    print("  " + what, AREA.plus(STANDARD_OFFSET));
    print("components", AREA.plus(HEADER));
    newLine();
  }
}
