package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;

/** 5-level paging and addresses of 57 bits (Intel SDM vol. 3, 5.5; vol. 1, 3.3.7.1). */
final class FiveLevelProgram extends LongModeProgram {
  private static final long FS_BASE = 0xc000_0100L;
  private static final long LSTAR = 0xc000_0082L;
  private static final int CR4_FSGSBASE = 1 << 16;
  private static final int LARGE = 0x80;

  /** Entries of the root whose parts of the address space show the same memory as the first. */
  private static final int[] ALIASES = {1, 255, 256, 511};

  private static long base(int entry) {
    return (long) entry << 55 >> 7;
  }

  private void at(long address) {
    asm.mov(QWORD, Gpr.RDI, address);
  }

  private void read(long address) {
    at(address);
    asm.mov(DWORD, Gpr.RBX, Mem.of(Gpr.RDI));
    print("  read", Gpr.RBX);
    newLine();
  }

  private void write(long address) {
    at(address);
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RSI);
  }

  private void call(long address) {
    at(address);
    asm.call(Gpr.RDI);
  }

  @Override
  boolean fiveLevels() {
    return true;
  }

  @Override
  void body() {
    asm.mov(BYTE, Mem.absolute(PAGE + 0x20), 0xc3);
    asm.mov(DWORD, Mem.absolute(PAGE), 0x1234);
    printCpuid(0x8000_0008, 0, Gpr.RAX, -1);
    for (int entry : ALIASES) {
      map(entry, PML4 | 7);
      attempt(
          "entry " + entry,
          () -> {
            asm.mov(DWORD, Gpr.RSI, entry);
            read(base(entry) + PAGE);
            write(base(entry) + PAGE);
            call(base(entry) + PAGE + 0x20);
          });
      print("  now", Mem.absolute(PAGE));
      newLine();
    }
    absent();
    notCanonical();
    registers();
    attempt("no other mode while it is in use", () -> setCr4(0, CR4_LA57));
  }

  private void map(int entry, int value) {
    asm.mov(QWORD, Mem.absolute(PML5 + 8 * entry), value);
    asm.mov(QWORD, Gpr.RDI, base(entry) + PAGE);
    asm.op(MemOp.INVLPG, Mem.of(Gpr.RDI));
  }

  private void absent() {
    long address = base(3) + PAGE;
    attempt("absent entry, read", () -> read(address));
    attempt("absent entry, write", () -> write(address));
    attempt("absent entry, call", () -> call(address));
    map(3, PML4 | PRESENT | WRITABLE);
    attemptAsUser("supervisor's entry", () -> read(address));
    map(3, PML4 | PRESENT | USER);
    attempt("read-only entry", () -> write(address));
    print("  entry", Mem.absolute(PML5 + 24));
    newLine();
    // QEMU's error code lacks the present bit here.
    notOnQemu(
        () -> {
          map(3, PML4 | 7 | LARGE);
          attempt("entry of the root with bit 7", () -> read(address));
          map(3, PML4 | 7);
          asm.mov(QWORD, Mem.absolute(PML4 + 8), PDPT | 7 | LARGE);
          attempt("entry of the second level with bit 7", () -> read(address + (1L << 39)));
        });
  }

  private void notCanonical() {
    for (long address :
        new long[] {1L << 56, 1L << 57, Long.MIN_VALUE, -1L << 57, (1L << 56) - 2}) {
      attempt("read of " + Long.toHexString(address), () -> read(address));
      // QEMU branches first, and faults there.
      notOnQemu(() -> attempt("call of " + Long.toHexString(address), () -> call(address)));
    }
    notOnQemu(
        () ->
            attempt(
                "push to an address that is not canonical",
                () -> {
                  useInterruptStack(12, 1);
                  asm.mov(QWORD, Gpr.RSP, 1L << 57);
                  asm.push(Gpr.RAX);
                }));
    attempt(
        "push at an address of 57 bits",
        () -> {
          asm.mov(QWORD, Gpr.RSP, base(255) + PAGE + 0x800);
          asm.push(0x77);
          asm.pop(Gpr.RBX);
          asm.mov(QWORD, Gpr.RSP, Mem.absolute(SAVED_RSP));
          print("  popped", Gpr.RBX);
          newLine();
        });
    attempt(
        "return to an address of 57 bits",
        () -> {
          Label back = new Label("back");
          asm.mov(QWORD, Gpr.RAX, back);
          asm.push(Gpr.RAX);
          asm.mov(QWORD, Gpr.RDI, base(256) + PAGE + 0x20);
          asm.push(Gpr.RDI);
          asm.ret();
          asm.bind(back);
          print("  back\n");
        });
  }

  private void registers() {
    attempt(
        "bases of 57 bits",
        () -> {
          writeMsr(FS_BASE, base(255) + PAGE);
          asm.mov(DWORD, Gpr.RBX, Mem.absolute(0).in(Seg.FS));
          print("  fs:0", Gpr.RBX);
          setCr4(CR4_FSGSBASE, 0);
          asm.mov(QWORD, Gpr.RAX, base(256) + PAGE);
          asm.wrsegbase(QWORD, Seg.GS, Gpr.RAX);
          asm.mov(DWORD, Gpr.RBX, Mem.absolute(0).in(Seg.GS));
          print("gs:0", Gpr.RBX);
          newLine();
        });
    // QEMU takes any address.
    notOnQemu(
        () -> {
          attempt("FS base that is not canonical", () -> writeMsr(FS_BASE, 1L << 56));
          attempt("LSTAR that is not canonical", () -> writeMsr(LSTAR, 1L << 57));
        });
    writeMsr(LSTAR, base(511) + PAGE);
    asm.mov(DWORD, Gpr.RCX, LSTAR);
    asm.op(NullaryOp.RDMSR);
    print("  lstar", Gpr.RDX);
    print("low", Gpr.RAX);
    newLine();
  }
}
