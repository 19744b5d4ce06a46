package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;

/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS and the bases of FS and GS (Intel SDM vol. 3, 5.8.7
 * and 5.8.8).
 */
final class SystemCallProgram extends LongModeProgram {
  private static final long EFER = 0xc000_0080L;
  private static final long STAR = 0xc000_0081L;
  private static final long LSTAR = 0xc000_0082L;
  private static final long CSTAR = 0xc000_0083L;
  private static final long SFMASK = 0xc000_0084L;
  private static final long FS_BASE = 0xc000_0100L;
  private static final long GS_BASE = 0xc000_0101L;
  private static final long KERNEL_GS_BASE = 0xc000_0102L;
  private static final int SYSENTER_CS = 0x174;
  private static final int SYSENTER_ESP = 0x175;
  private static final int SYSENTER_EIP = 0x176;
  private static final int CR4_FSGSBASE = 1 << 16;

  private final Label entry = new Label("system call");

  private void writeMsr(long msr, Label value) {
    asm.mov(DWORD, Gpr.RCX, msr);
    asm.mov(QWORD, Gpr.RAX, value);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(NullaryOp.WRMSR);
  }

  private void printSegments() {
    asm.mov(DWORD, Gpr.R8, Seg.CS);
    print("  cs", Gpr.R8);
    asm.mov(DWORD, Gpr.R8, Seg.SS);
    print("ss", Gpr.R8);
  }

  @Override
  void body() {
    Label after = new Label();
    asm.jmp(after);
    entryCode();
    asm.bind(after);
    writeMsr(STAR, (long) USER_CODE32 << 48 | (long) CODE64 << 32);
    writeMsr(LSTAR, entry);
    writeMsr(CSTAR, entry);
    writeMsr(SFMASK, 0x4_0000 | 0x400);
    attemptAsUser(
        "SYSCALL and SYSRET to 64-bit code",
        () -> {
          asm.op(NullaryOp.STD);
          asm.op(NullaryOp.SYSCALL);
          asm.pushf();
          asm.pop(Gpr.RBX);
          asm.op(NullaryOp.CLD);
          printSegments();
          print("rflags", Gpr.RBX);
          print("rcx", Gpr.RCX);
          print("r11", Gpr.R11);
          newLine();
        });
    singleStep();
    writeMsr(EFER, 0xd00);
    attemptAsUser("SYSCALL without SCE", () -> asm.op(NullaryOp.SYSCALL));
    attempt("SYSRET without SCE", () -> asm.op(NullaryOp.SYSRETQ));
    writeMsr(EFER, 0xd01);
    attemptAsUser("user SYSRET", () -> asm.op(NullaryOp.SYSRETQ));
    notOnQemu(this::sysenter);
    bases();
  }

  /** SYSCALL and SYSRET look at TF as they leave it. */
  private void singleStep() {
    Label target = new Label("target");
    Label back = new Label("back");
    Label behind = new Label();
    asm.jmp(behind);
    // With R11 as SYSRET finds it: one instruction in user code, then back.
    asm.bind(target);
    asm.nop();
    asm.op(NullaryOp.SYSCALL);
    asm.bind(back);
    asm.mov(QWORD, Gpr.RSP, Mem.absolute(SAVED_RSP));
    asm.jmp(Mem.absolute(RESUME));
    asm.bind(behind);
    returnFromExceptions(true);
    writeMsr(LSTAR, back);
    for (int masked : new int[] {0x4_0500, 0x4_0400}) {
      writeMsr(SFMASK, masked);
      for (int flags : new int[] {0x3002, 0x3102}) {
        attempt(
            "SYSRET with flags %x, SYSCALL that masks %x".formatted(flags, masked),
            () -> {
              asm.mov(QWORD, Gpr.RCX, target);
              asm.mov(DWORD, Gpr.R11, flags);
              asm.op(NullaryOp.SYSRETQ);
            });
        asm.push(2);
        asm.popf();
      }
    }
    attempt(
        "SYSRET into a system call",
        () -> {
          asm.mov(QWORD, Gpr.RCX, target);
          asm.inc(QWORD, Gpr.RCX);
          asm.mov(DWORD, Gpr.R11, 0x3102);
          asm.op(NullaryOp.SYSRETQ);
        });
    asm.push(2);
    asm.popf();
    returnFromExceptions(false);
    writeMsr(LSTAR, entry);
    writeMsr(SFMASK, 0x4_0000 | 0x400);
  }

  private void entryCode() {
    asm.bind(entry);
    asm.pushf();
    asm.pop(Gpr.RBX);
    print("  in the system:");
    printSegments();
    print("rflags", Gpr.RBX);
    print("rcx", Gpr.RCX);
    print("r11", Gpr.R11);
    newLine();
    asm.op(NullaryOp.SYSRETQ);
  }

  /** AMD's processors have no SYSENTER in 64-bit mode; QEMU follows the vendor of its model. */
  private void sysenter() {
    Label target = new Label("sysenter");
    Label back = new Label("sysexit");
    writeMsr(SYSENTER_CS, 0);
    attemptAsUser("SYSENTER with a null selector", this::enter);
    writeMsr(SYSENTER_CS, CODE64);
    writeMsr(SYSENTER_ESP, RSP0_TOP);
    writeMsr(SYSENTER_EIP, target);
    attemptAsUser(
        "SYSENTER",
        () -> {
          enter();
          asm.bind(target);
          printSegments();
          print("rsp", Gpr.RSP);
          newLine();
          asm.mov(QWORD, Gpr.RDX, back);
          asm.mov(DWORD, Gpr.RCX, USER_STACK_TOP);
          asm.op(NullaryOp.SYSEXITQ);
          asm.bind(back);
        });
  }

  private void enter() {
    asm.op(NullaryOp.SYSENTER);
  }

  private void bases() {
    writeMsr(FS_BASE, PAGE);
    writeMsr(GS_BASE, PAGE + 0x100);
    writeMsr(KERNEL_GS_BASE, PAGE + 0x200);
    asm.mov(DWORD, Mem.absolute(PAGE), 0xf5);
    asm.mov(DWORD, Mem.absolute(PAGE + 0x100), 0x65);
    asm.mov(DWORD, Mem.absolute(PAGE + 0x200), 0x6e);
    asm.mov(DWORD, Gpr.R8, Mem.absolute(0).in(Seg.FS));
    print("  fs:0", Gpr.R8);
    asm.mov(DWORD, Gpr.R8, Mem.absolute(0).in(Seg.GS));
    print("gs:0", Gpr.R8);
    asm.op(NullaryOp.SWAPGS);
    asm.mov(DWORD, Gpr.R8, Mem.absolute(0).in(Seg.GS));
    print("swapped gs:0", Gpr.R8);
    newLine();
    attemptAsUser("user SWAPGS", () -> asm.op(NullaryOp.SWAPGS));
    attempt("RDFSBASE without FSGSBASE", () -> asm.rdsegbase(QWORD, Seg.FS, Gpr.RAX));
    setCr4(CR4_FSGSBASE, 0);
    attempt(
        "RDFSBASE and WRGSBASE",
        () -> {
          asm.rdsegbase(QWORD, Seg.FS, Gpr.RAX);
          print("  fs", Gpr.RAX);
          asm.wrsegbase(QWORD, Seg.GS, Gpr.RAX);
          asm.mov(DWORD, Gpr.R8, Mem.absolute(0).in(Seg.GS));
          print("gs:0", Gpr.R8);
          newLine();
        });
    asm.mov(QWORD, Gpr.RBX, 1L << 50);
    notOnQemu(() -> attempt("WRFSBASE not canonical", () -> asm.wrsegbase(QWORD, Seg.FS, Gpr.RBX)));
    attempt(
        "a null selector and the base of FS",
        () -> {
          asm.mov(DWORD, Gpr.RAX, DATA);
          asm.mov(Seg.FS, Gpr.RAX);
          asm.rdsegbase(QWORD, Seg.FS, Gpr.RAX);
          print("  fs", Gpr.RAX);
          newLine();
        });
    compatibility();
  }

  /** 32-bit code in long mode: operand and address sizes, what a far return brings back. */
  private void compatibility() {
    Label in32 = new Label("32-bit code");
    Label in64 = new Label("64-bit code");
    print("compatibility mode\n");
    asm.push(CODE32);
    asm.mov(QWORD, Gpr.RAX, in32);
    asm.push(Gpr.RAX);
    asm.mov(QWORD, Gpr.RBX, 0x1_2345_6789L);
    asm.retf(QWORD);
    asm.bits(CodeMode.BITS32);
    asm.bind(in32);
    // The returns to user code have left null selectors.
    asm.mov(DWORD, Gpr.RAX, DATA);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.inc(DWORD, Gpr.RBX);
    print("  ebx", Gpr.RBX);
    asm.db(0x40); // INC EAX here, a prefix in 64-bit code
    newLine();
    asm.jmpFar(DWORD, CODE64, in64);
    asm.bits(CodeMode.BITS64);
    asm.bind(in64);
    print("back in 64-bit mode\n");
  }
}
