package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.DebugReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.StringOp;

/** Debug exceptions: single steps, breakpoints, general detect (Intel SDM vol. 3, chapter 17). */
final class DebugProgram extends LongModeProgram {
  private static final int TF = 8;
  private static final Mem WATCHED = Mem.absolute(PAGE + 0x40);

  @Override
  void body() {
    returnFromExceptions(true);
    notOnQemu(() -> attempt("INT1", () -> asm.op(NullaryOp.INT1)));
    attempt("INT3 returns behind itself", () -> asm.op(NullaryOp.INT3));
    singleStep();
    breakpoints();
    asm.mov(DWORD, Gpr.RAX, 0x400);
    asm.mov(DebugReg.DR7, Gpr.RAX);
    returnFromExceptions(false);
    notOnQemu(this::generalDetect);
    stepThroughKnownCode();
    // QEMU delivers two.
    notOnQemu(this::heldBackByMovSs);
  }

  /** MOV SS holds back its own data breakpoint, which comes together with the next exception. */
  private void heldBackByMovSs() {
    returnFromExceptions(true);
    asm.mov(WORD, WATCHED, DATA);
    asm.mov(DWORD, Gpr.RAX, PAGE + 0x40);
    asm.mov(DebugReg.DR1, Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, 0x00f0_0408);
    asm.mov(DebugReg.DR7, Gpr.RAX);
    attempt(
        "watched MOV SS",
        () -> {
          asm.mov(Seg.SS, WATCHED);
          asm.nop();
        });
    attempt(
        "watched MOV SS and INT1",
        () -> {
          asm.mov(Seg.SS, WATCHED);
          asm.op(NullaryOp.INT1);
        });
    attempt(
        "watched MOV SS and INT3",
        () -> {
          asm.mov(Seg.SS, WATCHED);
          asm.op(NullaryOp.INT3);
        });
    asm.mov(DWORD, Gpr.RAX, 0x400);
    asm.mov(DebugReg.DR7, Gpr.RAX);
    returnFromExceptions(false);
  }

  /** Code that has executed before, and that an engine may run on into. */
  private void stepThroughKnownCode() {
    Label known = new Label("known");
    Label behind = new Label();
    asm.jmp(behind);
    asm.bind(known);
    asm.inc(DWORD, Gpr.RCX);
    asm.ret();
    asm.bind(behind);
    asm.call(known);
    asm.call(known);
    returnFromExceptions(true);
    attempt(
        "single steps through code that has executed before", () -> steps(() -> asm.call(known)));
  }

  private void generalDetect() {
    attempt(
        "general detect",
        () -> {
          asm.mov(DWORD, Gpr.RAX, 0x2400);
          asm.mov(DebugReg.DR7, Gpr.RAX);
          asm.mov(Gpr.RBX, DebugReg.DR0);
        });
    asm.mov(Gpr.RAX, DebugReg.DR7);
    print("  dr7", Gpr.RAX);
    newLine();
  }

  private void steps(Runnable code) {
    asm.pushf();
    asm.bit(BitOp.BTS, DWORD, Mem.of(Gpr.RSP), TF);
    asm.popf();
    code.run();
    asm.pushf();
    asm.bit(BitOp.BTR, DWORD, Mem.of(Gpr.RSP), TF);
    asm.popf();
  }

  private void singleStep() {
    attempt(
        "single steps",
        () ->
            steps(
                () -> {
                  asm.nop();
                  asm.mov(DWORD, Gpr.RCX, 3);
                  asm.inc(DWORD, Gpr.RCX);
                }));
    attempt(
        "single steps over a repeated instruction",
        () -> {
          asm.mov(DWORD, Gpr.RCX, 3);
          asm.mov(DWORD, Gpr.RDI, PAGE + 0x100);
          steps(() -> asm.rep(StringOp.STOS, BYTE));
        });
    attempt(
        "no single step after MOV SS",
        () -> {
          asm.mov(DWORD, Gpr.RAX, DATA);
          steps(
              () -> {
                asm.mov(Seg.SS, Gpr.RAX);
                asm.nop();
                asm.nop();
              });
        });
    attempt("single step into an interrupt", () -> steps(() -> asm.int_(0x40)));
  }

  private void breakpoints() {
    Label place = new Label("breakpoint");
    attempt(
        "breakpoint on execution",
        () -> {
          asm.mov(QWORD, Gpr.RAX, place);
          asm.mov(DebugReg.DR0, Gpr.RAX);
          asm.mov(DWORD, Gpr.RAX, 0x402);
          asm.mov(DebugReg.DR7, Gpr.RAX);
          returnFromExceptions(false);
          asm.bind(place);
          asm.nop();
        });
    returnFromExceptions(true);
    asm.mov(DWORD, Gpr.RAX, PAGE + 0x40);
    asm.mov(DebugReg.DR1, Gpr.RAX);
    // Length 4, on writes, global.
    asm.mov(DWORD, Gpr.RAX, 0x00d0_0408);
    asm.mov(DebugReg.DR7, Gpr.RAX);
    attempt("read of a place watched for writes", () -> asm.mov(DWORD, Gpr.RCX, WATCHED));
    attempt("write of a place watched for writes", () -> asm.mov(DWORD, WATCHED, 1));
    attempt("write of one byte of it", () -> asm.mov(BYTE, WATCHED.plus(3), 1));
    attempt("write beside it", () -> asm.mov(BYTE, WATCHED.plus(4), 1));
    attempt("write across its start", () -> asm.mov(WORD, WATCHED.plus(-1), 1));
    asm.mov(DWORD, Gpr.RAX, 0x00f0_0408);
    asm.mov(DebugReg.DR7, Gpr.RAX);
    attempt("read of a place watched for accesses", () -> asm.mov(DWORD, Gpr.RCX, WATCHED));
  }
}
