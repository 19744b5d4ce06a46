package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.StringOp;

/** Linear-address masking: metadata in addresses of data (Intel SDM vol. 3, 4.4). */
final class AddressMaskingProgram extends LongModeProgram {
  private static final long LAM_U57 = 1L << 61;
  private static final long LAM_U48 = 1L << 62;
  private static final int CR4_LAM_SUP = 1 << 28;

  private final boolean fiveLevels;

  AddressMaskingProgram(boolean fiveLevels) {
    this.fiveLevels = fiveLevels;
  }

  @Override
  boolean fiveLevels() {
    return fiveLevels;
  }

  private long root() {
    return fiveLevels ? PML5 : PML4;
  }

  private void writeCr3(long bits) {
    asm.mov(QWORD, Gpr.RAX, root() | bits);
    asm.mov(ControlReg.CR3, Gpr.RAX);
  }

  private void access(long address) {
    asm.mov(QWORD, Gpr.RDI, address);
    asm.mov(DWORD, Gpr.RBX, Mem.of(Gpr.RDI));
    asm.inc(DWORD, Mem.of(Gpr.RDI));
    print("  read", Gpr.RBX);
    newLine();
  }

  /** Addresses of user kind that differ from that of the page in ever lower bits of metadata. */
  private void attemptUserAddresses(String what) {
    for (int bit : new int[] {62, 57, 56, 50, 48, 47}) {
      attempt(what + ", bit " + bit, () -> access(PAGE | 1L << bit));
    }
    attempt(what + ", all of 57 to 62", () -> access(PAGE | 0x3fL << 57));
    attempt(what + ", all of 48 to 62", () -> access(PAGE | 0x7fffL << 48));
  }

  private void attemptSupervisorAddresses(String what) {
    for (int bit : new int[] {62, 57, 56, 50, 48}) {
      attempt(what + ", bit " + bit, () -> access(-1L << 47 & ~(1L << bit) | PAGE));
    }
  }

  @Override
  void body() {
    asm.mov(DWORD, Mem.absolute(PAGE), 0x100);
    asm.mov(BYTE, Mem.absolute(PAGE + 0x20), 0xc3);
    // The upper half shows the same memory.
    asm.mov(QWORD, Mem.absolute(PML4 + 8 * 256), PDPT | 7);
    asm.mov(QWORD, Mem.absolute(PML4 + 8 * 511), PDPT | 7);
    asm.mov(QWORD, Mem.absolute(PML5 + 8 * 511), PML4 | 7);
    printCpuid(7, 1, Gpr.RAX, 1 << 26);
    attemptUserAddresses("off");
    attemptSupervisorAddresses("off");
    writeCr3(LAM_U57);
    asm.mov(Gpr.RBX, ControlReg.CR3);
    print("  cr3", Gpr.RBX);
    newLine();
    attemptUserAddresses("U57");
    writeCr3(LAM_U48);
    attemptUserAddresses("U48");
    writeCr3(LAM_U48 | LAM_U57);
    attemptUserAddresses("U57 before U48");
    attemptSupervisorAddresses("user only");
    writeCr3(LAM_U57);
    faults();
    setCr4(CR4_LAM_SUP, 0);
    attemptSupervisorAddresses("supervisor");
    setCr4(0, CR4_LAM_SUP);
    attemptSupervisorAddresses("off again");
    writeCr3(0);
    attemptUserAddresses("off again");
    attempt("another high bit of CR3", () -> writeCr3(1L << 60));
  }

  private void faults() {
    long tagged = PAGE | 1L << 60;
    attempt(
        "no mask for code",
        () -> {
          asm.mov(QWORD, Gpr.RDI, tagged + 0x20);
          asm.mov(DWORD, Gpr.RBX, Mem.of(Gpr.RDI));
          asm.call(Gpr.RDI);
        });
    attempt(
        "string of tagged addresses",
        () -> {
          asm.mov(QWORD, Gpr.RSI, tagged);
          asm.mov(QWORD, Gpr.RDI, tagged + 0xff8);
          asm.mov(DWORD, Gpr.RCX, 16);
          asm.rep(StringOp.MOVS, BYTE);
          print("  rsi", Gpr.RSI);
          print("rdi", Gpr.RDI);
          newLine();
        });
    mapPage(0);
    attempt("page fault", () -> access(tagged));
    mapPage(PRESENT | USER);
    attempt("write fault", () -> access(tagged));
    mapPage(PRESENT | WRITABLE | USER);
    attempt("allowed again", () -> access(tagged));
    // The translation of the tagged address goes with that of the page.
    asm.mov(QWORD, Mem.absolute(PTE), 0);
    asm.op(MemOp.INVLPG, Mem.absolute(PAGE));
    attempt("after INVLPG of the page", () -> access(tagged));
    mapPage(PRESENT | WRITABLE | USER);
    attempt(
        "push at a tagged address",
        () -> {
          asm.mov(QWORD, Gpr.RSP, tagged + 0x800);
          asm.push(0x55);
          asm.pop(Gpr.RBX);
          asm.mov(QWORD, Gpr.RSP, Mem.absolute(SAVED_RSP));
          print("  popped", Gpr.RBX);
          newLine();
        });
    attempt(
        "stack address that is not canonical",
        () -> {
          useInterruptStack(12, 1);
          asm.mov(QWORD, Gpr.RSP, tagged | 1L << 56);
          asm.push(0x55);
        });
  }
}
