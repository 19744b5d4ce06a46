package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.RmOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.VectorOp;
import dev.pollux.core.jit.asm.Xmm;

/** Exceptions other than page faults, with their error codes (Intel SDM vol. 3, chapter 6). */
final class ExceptionProgram extends LongModeProgram {
  private static final int SPARE = 0x58;
  private static final int RPL3 = 3;

  @Override
  void body() {
    arithmetic();
    softwareInterrupts();
    addresses();
    selectors();
    systemRegisters();
    privilege();
    interruptStack();
    doubleFault();
  }

  private void arithmetic() {
    asm.mov(DWORD, Gpr.RCX, 0);
    attempt("division by zero", () -> asm.unary(UnaryOp.DIV, DWORD, Gpr.RCX));
    asm.mov(DWORD, Gpr.RDX, 5);
    asm.mov(DWORD, Gpr.RCX, 4);
    attempt("quotient too large", () -> asm.unary(UnaryOp.DIV, DWORD, Gpr.RCX));
    asm.mov(DWORD, Gpr.RDX, -1);
    asm.mov(DWORD, Gpr.RAX, 0x8000_0000L);
    asm.mov(DWORD, Gpr.RCX, -1);
    attempt("most negative by minus one", () -> asm.unary(UnaryOp.IDIV, DWORD, Gpr.RCX));
    attempt("undefined opcode", () -> asm.op(NullaryOp.UD2));
    attempt("LOCK before a register", () -> asm.db(0xf0, 0x01, 0xc8));
    attempt("opcode without a meaning in 64-bit code", () -> asm.db(0x06));
    attempt("fifteen prefixes", () -> asm.db(PREFIXES));
    setCr0(8, 0);
    attempt("x87 with TS", () -> asm.op(NullaryOp.FLD1));
    attempt("SSE with TS", () -> asm.sse(VectorOp.ADDPS, Xmm.XMM0, Xmm.XMM1));
    setCr0(0, 8);
    setCr4(0, 1 << 9);
    attempt("SSE without OSFXSR", () -> asm.sse(VectorOp.ADDPS, Xmm.XMM0, Xmm.XMM1));
    setCr4(1 << 9, 0);
    attempt("unaligned MOVAPS", () -> asm.sse(VectorMove.MOVAPS, Xmm.XMM0, Mem.absolute(PAGE + 8)));
  }

  private static final int[] PREFIXES = {
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
  };

  private void softwareInterrupts() {
    attempt("INT3", () -> asm.op(NullaryOp.INT3));
    attempt("INT 0x40", () -> asm.int_(0x40));
    // QEMU's error code counts gates of 16 bytes.
    removeGate(0x41);
    notOnQemu(() -> attempt("INT through an absent gate", () -> asm.int_(0x41)));
    attemptAsUser("user INT3", () -> asm.op(NullaryOp.INT3));
    notOnQemu(() -> attemptAsUser("user INT 0x40", () -> asm.int_(0x40)));
    attemptAsUser("user INT 0x80", () -> asm.int_(0x80));
  }

  private void addresses() {
    asm.mov(QWORD, Gpr.RBX, 0x8000_0000_0000L);
    attempt("address not canonical", () -> asm.mov(DWORD, Gpr.RCX, Mem.of(Gpr.RBX)));
    notOnQemu(
        () ->
            attempt(
                "stack address not canonical",
                () -> {
                  asm.mov(QWORD, Gpr.RBP, Gpr.RBX);
                  asm.mov(DWORD, Gpr.RCX, Mem.of(Gpr.RBP));
                }));
    notOnQemu(() -> attempt("jump to an address not canonical", () -> asm.jmp(Gpr.RBX)));
  }

  private void load(String what, Seg segment, int selector) {
    attempt(
        what,
        () -> {
          asm.mov(DWORD, Gpr.RAX, selector);
          asm.mov(segment, Gpr.RAX);
        });
  }

  private void selectors() {
    load("DS beyond the table", Seg.DS, 0x1000);
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.op(RmOp.LLDT, Gpr.RAX);
    load("DS from an absent local table", Seg.DS, 0xc);
    load("SS of another privilege", Seg.SS, USER_DATA);
    load("SS code", Seg.SS, CODE64);
    load("SS null", Seg.SS, 0);
    setDescriptor(SPARE, 0x00cf_1300_0000_ffffL);
    load("DS not present", Seg.DS, SPARE);
    load("SS not present", Seg.SS, SPARE);
    setDescriptor(SPARE, 0x00af_9900_0000_ffffL);
    load("DS execute-only", Seg.DS, SPARE);
    setDescriptor(SPARE, 0x0000_8900_0000_0067L);
    load("DS system descriptor", Seg.DS, SPARE);
    attempt("LTR busy", () -> loadTask(TSS));
    attempt("LTR data", () -> loadTask(DATA));
    notOnQemu(() -> attempt("LTR null", () -> loadTask(0)));
    attempt(
        "LLDT of a TSS",
        () -> {
          asm.mov(DWORD, Gpr.RAX, SPARE);
          asm.op(RmOp.LLDT, Gpr.RAX);
        });
    farReturn("RETF to data", DATA);
    farReturn("RETF to a null selector", 0);
    setDescriptor(SPARE, 0x00af_1b00_0000_ffffL);
    farReturn("RETF to a segment that is not present", SPARE);
    setDescriptor(SPARE, 0x00ef_9b00_0000_ffffL);
    notOnQemu(() -> farReturn("RETF to code with L and D", SPARE));
  }

  private void loadTask(int selector) {
    asm.mov(DWORD, Gpr.RAX, selector);
    asm.op(RmOp.LTR, Gpr.RAX);
  }

  private void farReturn(String what, int selector) {
    attempt(
        what,
        () -> {
          asm.push(selector);
          asm.push(GuestImage.LOAD_ADDRESS);
          asm.retf(QWORD);
        });
  }

  private void systemRegisters() {
    notOnQemu(this::reservedControlBits);
  }

  private void reservedControlBits() {
    attempt(
        "CR4 reserved bit",
        () -> {
          asm.mov(Gpr.RAX, ControlReg.CR4);
          asm.mov(QWORD, Gpr.RBX, 1L << 40);
          asm.or(QWORD, Gpr.RAX, Gpr.RBX);
          asm.mov(ControlReg.CR4, Gpr.RAX);
        });
    attempt("CR4 without PAE", () -> setCr4(0, 1 << 5));
    attempt("CR0 with NW but not CD", () -> setCr0(1 << 29, 1 << 30));
    attempt("CR0 with PG but not PE", () -> setCr0(0, 1));
    attempt(
        "unknown MSR",
        () -> {
          asm.mov(DWORD, Gpr.RCX, 0x4000_0123L);
          asm.op(NullaryOp.RDMSR);
        });
    attempt(
        "EFER reserved bit",
        () -> {
          asm.mov(DWORD, Gpr.RCX, 0xc000_0080L);
          asm.op(NullaryOp.RDMSR);
          asm.or(DWORD, Gpr.RDX, 1 << 20);
          asm.op(NullaryOp.WRMSR);
        });
    attempt(
        "LSTAR not canonical",
        () -> {
          asm.mov(DWORD, Gpr.RCX, 0xc000_0082L);
          asm.mov(DWORD, Gpr.RDX, 0x1234_5678);
          asm.op(NullaryOp.WRMSR);
        });
  }

  private void privilege() {
    attemptAsUser("user HLT", () -> asm.op(NullaryOp.HLT));
    attemptAsUser("user RDMSR", () -> asm.op(NullaryOp.RDMSR));
    attemptAsUser("user MOV from CR0", () -> asm.mov(Gpr.RAX, ControlReg.CR0));
    attemptAsUser("user LGDT", () -> asm.op(MemOp.LGDT, Mem.absolute(PAGE)));
    attemptAsUser("user INVLPG", () -> asm.op(MemOp.INVLPG, Mem.absolute(PAGE)));
    attemptAsUser("user CLTS", () -> asm.op(NullaryOp.CLTS));
    attemptAsUser("user CLI with IOPL 3", () -> asm.op(NullaryOp.CLI));
    attemptWithoutIopl("user OUT with IOPL 0", () -> asm.out(BYTE, 0x80));
    attemptWithoutIopl("user STI with IOPL 0", () -> asm.op(NullaryOp.STI));
    attemptAsUser(
        "user segment of privilege 0",
        () -> {
          asm.mov(DWORD, Gpr.RAX, DATA | RPL3);
          asm.mov(Seg.DS, Gpr.RAX);
        });
    notOnQemu(this::alignmentCheck);
  }

  private void alignmentCheck() {
    setCr0(1 << 18, 0);
    attemptAsUser(
        "user unaligned with AC",
        () -> {
          asm.pushf();
          asm.bit(BitOp.BTS, DWORD, Mem.of(Gpr.RSP), 18);
          asm.popf();
          asm.mov(DWORD, Gpr.RCX, Mem.absolute(PAGE + 1));
        });
    setCr0(0, 1 << 18);
  }

  private void attemptWithoutIopl(String what, Runnable code) {
    attempt(
        what,
        () -> {
          Label user = new Label("user");
          asm.push(USER_DATA);
          asm.push(USER_STACK_TOP);
          asm.push(2);
          asm.push(USER_CODE64);
          asm.mov(QWORD, Gpr.RAX, user);
          asm.push(Gpr.RAX);
          asm.iret(QWORD);
          asm.bind(user);
          code.run();
          asm.int_(0x80);
        });
  }

  private void interruptStack() {
    useInterruptStack(0x42, 1);
    attempt(
        "interrupt with a stack of its own",
        () -> {
          asm.mov(QWORD, Gpr.RSP, 0x47_ff05);
          asm.int_(0x42);
        });
    attempt(
        "interrupt aligns the stack",
        () -> {
          asm.mov(QWORD, Gpr.RSP, 0x47_ff05);
          asm.int_(0x43);
        });
  }

  private void doubleFault() {
    removeGate(13);
    asm.mov(QWORD, Gpr.RBX, 0x8000_0000_0000L);
    attempt("#GP whose gate is absent: #DF", () -> asm.mov(DWORD, Gpr.RCX, Mem.of(Gpr.RBX)));
    removeGate(11);
    attempt(
        "#GP and #NP whose gates are absent: #DF", () -> asm.mov(DWORD, Gpr.RCX, Mem.of(Gpr.RBX)));
    restoreGate(11);
    restoreGate(13);
  }
}
