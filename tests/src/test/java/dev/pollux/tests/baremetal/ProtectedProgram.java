package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.RmOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.StringOp;

/**
 * 32-bit protected mode without paging: segment limits, call gates, task switches, virtual-8086
 * mode, real mode and back (Intel SDM vol. 3, chapters 3, 5, 7, 20). Exceptions are printed and
 * skip the rest of an attempt.
 */
final class ProtectedProgram extends Program {
  private static final int CODE = 0x08;
  private static final int DATA = 0x10;
  private static final int USER_CODE = 0x1b;
  private static final int USER_DATA = 0x23;
  private static final int TSS = 0x28;
  private static final int OTHER_TSS = 0x30;
  private static final int CODE16 = 0x38;
  private static final int DATA16 = 0x40;
  private static final int SMALL = 0x48;
  private static final int EXPAND_DOWN = 0x50;
  private static final int GATE = 0x58;
  private static final int CONFORMING = 0x60;
  private static final int READ_ONLY = 0x68;
  private static final int TASK_GATE = 0x70;
  private static final int SMALL_STACK = 0x78;
  private static final int GDT_ENTRIES = 16;

  private static final int IDT = 0x40_0000;
  private static final int GDT = 0x40_1000;
  private static final int TSS_BASE = 0x40_2000;
  private static final int OTHER_TSS_BASE = 0x40_3000;
  private static final int RESUME = 0x40_4000;
  private static final int SAVED_ESP = 0x40_4004;
  private static final int MARK = 0x40_4008;
  private static final int STACK_TOP = 0x48_0000;
  private static final int ESP0 = 0x49_0000;
  private static final int USER_STACK = 0x4a_0000;
  private static final int TASK_STACK = 0x4b_0000;
  private static final int SEGMENT_BASE = 0x50_0000;
  private static final int STUB_BYTES = 16;

  /** Where 16-bit code is copied to, within reach of real mode. */
  private static final int LOW = 0x8000;

  private final Label stubs = new Label("exception stubs");
  private final Label common = new Label("exception");

  @Override
  void assemble() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    descriptors();
    limits();
    callGates();
    tasks();
    virtual8086();
    realMode();
    print("done\n");
    exit();
    handlers();
  }

  private void store(int address, int value) {
    asm.mov(DWORD, Mem.absolute(address), value);
  }

  private void descriptor(int selector, int base, int limit, int attributes) {
    store(GDT + (selector & -8), (limit & 0xffff) | base << 16);
    int high = (base & 0xff00_0000) | (base >>> 16 & 0xff) | (limit & 0xf_0000);
    store(GDT + (selector & -8) + 4, high | (attributes & 0xf0ff) << 8);
  }

  private void descriptors() {
    descriptor(CODE, 0, 0xf_ffff, 0xc09b);
    descriptor(DATA, 0, 0xf_ffff, 0xc093);
    descriptor(USER_CODE, 0, 0xf_ffff, 0xc0fb);
    descriptor(USER_DATA, 0, 0xf_ffff, 0xc0f3);
    descriptor(TSS, TSS_BASE, 0x67, 0x89);
    descriptor(OTHER_TSS, OTHER_TSS_BASE, 0x67, 0x89);
    descriptor(CODE16, 0, 0xffff, 0x9b);
    descriptor(DATA16, 0, 0xffff, 0x93);
    descriptor(SMALL, SEGMENT_BASE, 0xfff, 0x4093);
    descriptor(SMALL_STACK, 0, 0xfff, 0x4093);
    descriptor(EXPAND_DOWN, SEGMENT_BASE, 0xfff, 0x4097);
    descriptor(CONFORMING, 0, 0xf_ffff, 0xc09f);
    descriptor(READ_ONLY, SEGMENT_BASE, 0xf_ffff, 0xc091);
    store(TSS_BASE + 4, ESP0);
    store(TSS_BASE + 8, DATA);
    store(TSS_BASE + 0x64, 0x68 << 16);
    Label gdt = new Label();
    Label idt = new Label();
    Label reload = new Label();
    asm.op(MemOp.LGDT, Mem.of(gdt));
    asm.jmpFar(DWORD, CODE, reload);
    asm.bind(gdt);
    asm.dw(GDT_ENTRIES * 8 - 1);
    asm.dd(GDT);
    asm.bind(idt);
    asm.dw(0x7ff);
    asm.dd(IDT);
    asm.bind(reload);
    loadData();
    asm.mov(DWORD, Gpr.RAX, TSS);
    asm.op(RmOp.LTR, Gpr.RAX);
    asm.mov(DWORD, Gpr.RDI, IDT);
    asm.mov(DWORD, Gpr.RAX, stubs);
    asm.mov(DWORD, Gpr.RCX, 256);
    Label next = asm.here();
    asm.mov(WORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.mov(WORD, Mem.of(Gpr.RDI, 2), CODE);
    asm.mov(WORD, Mem.of(Gpr.RDI, 4), 0xee00);
    asm.mov(DWORD, Gpr.RDX, Gpr.RAX);
    asm.shr(DWORD, Gpr.RDX, 16);
    asm.mov(WORD, Mem.of(Gpr.RDI, 6), Gpr.RDX);
    asm.add(DWORD, Gpr.RAX, STUB_BYTES);
    asm.add(DWORD, Gpr.RDI, 8);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    asm.op(MemOp.LIDT, Mem.of(idt));
  }

  private void loadData() {
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
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
    // Above EBP: its old value, vector, error code, EIP, CS, EFLAGS and, from an outer level, ESP
    // and SS.
    asm.push(Gpr.RBP);
    asm.mov(DWORD, Gpr.RBP, Gpr.RSP);
    asm.op(NullaryOp.CLD);
    loadSegmentsOfHandler();
    print("  exception");
    print(" vector", Mem.of(Gpr.RBP, 4));
    print("error", Mem.of(Gpr.RBP, 8));
    print("eip", Mem.of(Gpr.RBP, 12));
    asm.movzx(DWORD, Gpr.RAX, WORD, Mem.of(Gpr.RBP, 16));
    print("cs", Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, Mem.of(Gpr.RBP, 20));
    asm.and(DWORD, Gpr.RAX, ~0x1_0000);
    print("eflags", Gpr.RAX);
    print("esp", Gpr.RBP);
    newLine();
    asm.mov(DWORD, Gpr.RSP, Mem.absolute(SAVED_ESP));
    asm.jmp(Mem.absolute(RESUME));
  }

  private void loadSegmentsOfHandler() {
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
  }

  private void attempt(String what, Runnable code) {
    print(what + "\n");
    Label resume = new Label("resume");
    asm.mov(DWORD, Mem.absolute(SAVED_ESP), Gpr.RSP);
    asm.mov(DWORD, Gpr.RAX, resume);
    asm.mov(DWORD, Mem.absolute(RESUME), Gpr.RAX);
    code.run();
    asm.bind(resume);
  }

  /** Runs code at privilege 3; its end comes back through vector 0x80. */
  private void attemptAsUser(String what, Runnable code) {
    attempt(
        what,
        () -> {
          Label user = new Label("user");
          asm.push(USER_DATA);
          asm.push(USER_STACK);
          asm.push(0x3002);
          asm.push(USER_CODE);
          asm.mov(DWORD, Gpr.RAX, user);
          asm.push(Gpr.RAX);
          asm.iret(DWORD);
          asm.bind(user);
          asm.mov(DWORD, Gpr.RAX, USER_DATA);
          asm.mov(Seg.DS, Gpr.RAX);
          code.run();
          asm.int_(0x80);
        });
  }

  // ---- segments

  private void load(Seg segment, int selector) {
    asm.mov(DWORD, Gpr.RAX, selector);
    asm.mov(segment, Gpr.RAX);
  }

  private void limits() {
    // QEMU does not check limits and types at each access.
    notOnQemu(this::accesses);
    attempt(
        "BOUND",
        () -> {
          store(SEGMENT_BASE, 5);
          store(SEGMENT_BASE + 4, 9);
          asm.mov(DWORD, Gpr.RCX, 9);
          asm.bound(DWORD, Gpr.RCX, Mem.absolute(SEGMENT_BASE));
          asm.mov(DWORD, Gpr.RCX, 10);
          asm.bound(DWORD, Gpr.RCX, Mem.absolute(SEGMENT_BASE));
        });
    attempt(
        "INTO",
        () -> {
          asm.mov(BYTE, Gpr.RAX, 0x7f);
          asm.op(NullaryOp.INTO);
          asm.inc(BYTE, Gpr.RAX);
          asm.op(NullaryOp.INTO);
        });
    attemptAsUser("user load of privilege 0", () -> load(Seg.ES, DATA));
    attemptAsUser("user call of a conforming segment", this::callConforming);
  }

  /** The handler reloads all segments, so each attempt loads its own. */
  private void attemptIn(int selector, String what, Runnable access) {
    attempt(
        what,
        () -> {
          load(Seg.FS, selector);
          access.run();
        });
  }

  private void accesses() {
    attemptIn(SMALL, "last dword", () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(0xffc).in(Seg.FS)));
    attemptIn(
        SMALL, "across the limit", () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(0xffd).in(Seg.FS)));
    attemptIn(SMALL, "beyond the limit", () -> asm.mov(BYTE, Mem.absolute(0x1000).in(Seg.FS), 1));
    attemptIn(DATA, "across 4 GiB", () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(-2).in(Seg.FS)));
    attemptIn(
        EXPAND_DOWN,
        "expand-down, below",
        () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(0xffc).in(Seg.FS)));
    attemptIn(
        EXPAND_DOWN,
        "expand-down, first",
        () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(0x1000).in(Seg.FS)));
    attemptIn(
        READ_ONLY,
        "write to a read-only segment",
        () -> asm.mov(BYTE, Mem.absolute(0).in(Seg.FS), 1));
    attempt("write to the code segment", () -> asm.mov(BYTE, Mem.absolute(0).in(Seg.CS), 1));
    attemptIn(0, "null segment", () -> asm.mov(DWORD, Gpr.RCX, Mem.absolute(0).in(Seg.FS)));
    attempt(
        "stack limit",
        () -> {
          load(Seg.SS, SMALL_STACK);
          asm.mov(DWORD, Gpr.RSP, 0xffe);
          asm.pop(Gpr.RCX);
        });
  }

  private void callConforming() {
    Label target = new Label("conforming");
    Label after = new Label();
    asm.callFar(DWORD, CONFORMING, target);
    asm.jmp(after);
    asm.bind(target);
    asm.mov(DWORD, Gpr.RCX, Seg.CS);
    print("  cs", Gpr.RCX);
    newLine();
    asm.retf(DWORD);
    asm.bind(after);
  }

  // ---- call gates

  private void gate(int selector, Label target, int type, int parameters) {
    asm.mov(DWORD, Gpr.RAX, target);
    asm.mov(WORD, Mem.absolute(GDT + selector), Gpr.RAX);
    asm.mov(WORD, Mem.absolute(GDT + selector + 2), CODE);
    asm.mov(WORD, Mem.absolute(GDT + selector + 4), type << 8 | parameters);
    asm.shr(DWORD, Gpr.RAX, 16);
    asm.mov(WORD, Mem.absolute(GDT + selector + 6), Gpr.RAX);
  }

  private void callGates() {
    Label service = new Label("service");
    Label after = new Label();
    asm.jmp(after);
    asm.bind(service);
    asm.mov(DWORD, Gpr.RBP, Gpr.RSP);
    asm.mov(DWORD, Gpr.RCX, Seg.CS);
    print("  in the gate: cs", Gpr.RCX);
    asm.mov(DWORD, Gpr.RCX, Seg.SS);
    print("ss", Gpr.RCX);
    print("esp", Gpr.RBP);
    print("caller's cs", Mem.of(Gpr.RBP, 4));
    print("parameters", Mem.of(Gpr.RBP, 8));
    print("", Mem.of(Gpr.RBP, 12));
    print("its esp", Mem.of(Gpr.RBP, 16));
    newLine();
    asm.db(0xca, 8, 0); // RETF 8
    asm.bind(after);
    gate(GATE, service, 0xec, 2);
    attemptAsUser(
        "call gate with two parameters",
        () -> {
          asm.push(0x1111);
          asm.push(0x2222);
          asm.callFar(DWORD, GATE | 3, service);
          print("  back: esp", Gpr.RSP);
          newLine();
        });
    gate(GATE, service, 0x8c, 0);
    attemptAsUser("gate of privilege 0", () -> asm.callFar(DWORD, GATE | 3, service));
    gate(GATE, service, 0x6c, 0);
    attemptAsUser("gate that is not present", () -> asm.callFar(DWORD, GATE | 3, service));
    attemptAsUser("far call of privilege 0 code", () -> asm.callFar(DWORD, CODE, service));
    attemptAsUser("far jump to data", () -> asm.jmpFar(DWORD, USER_DATA, service));
  }

  // ---- tasks

  private void tasks() {
    Label task = new Label("task");
    Label after = new Label();
    asm.jmp(after);
    asm.bind(task);
    // Entered again behind the IRET.
    Label again = asm.here();
    asm.pushf();
    asm.pop(Gpr.RCX);
    print("  in the task: ebx", Gpr.RBX);
    asm.op(RmOp.STR, Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, WORD, Gpr.RAX);
    print("tr", Gpr.RAX);
    print("eflags", Gpr.RCX);
    asm.movzx(DWORD, Gpr.RAX, WORD, Mem.absolute(OTHER_TSS_BASE));
    print("link", Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, Mem.absolute(GDT + TSS + 4));
    print("descriptors", Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, Mem.absolute(GDT + OTHER_TSS + 4));
    print("", Gpr.RAX);
    asm.mov(Gpr.RAX, ControlReg.CR0);
    asm.and(DWORD, Gpr.RAX, 8);
    print("ts", Gpr.RAX);
    newLine();
    asm.op(NullaryOp.CLTS);
    asm.inc(DWORD, Gpr.RBX);
    asm.iret(DWORD);
    asm.jmp(again);
    asm.bind(after);
    prepareTask(task);
    attempt(
        "call of a task",
        () -> {
          asm.mov(DWORD, Gpr.RBX, 0x77);
          asm.callFar(DWORD, OTHER_TSS, task);
          printTaskState("  back");
        });
    attempt(
        "call of it again",
        () -> {
          asm.callFar(DWORD, OTHER_TSS, task);
          printTaskState("  back");
        });
    store(GDT + TASK_GATE, OTHER_TSS << 16);
    store(GDT + TASK_GATE + 4, 0xe500);
    attemptAsUser(
        "call through a task gate",
        () -> {
          asm.callFar(DWORD, TASK_GATE | 3, task);
          print("  back\n");
        });
    attempt("call of the busy task", () -> asm.callFar(DWORD, TSS, task));
    descriptor(OTHER_TSS, OTHER_TSS_BASE, 0x66, 0x89);
    attempt("task state too short", () -> asm.callFar(DWORD, OTHER_TSS, task));
    descriptor(OTHER_TSS, OTHER_TSS_BASE, 0x67, 0x09);
    attempt("task state not present", () -> asm.callFar(DWORD, OTHER_TSS, task));
    descriptor(OTHER_TSS, OTHER_TSS_BASE, 0x67, 0x89);
  }

  private void printTaskState(String where) {
    asm.op(RmOp.STR, Gpr.RAX);
    asm.movzx(DWORD, Gpr.RAX, WORD, Gpr.RAX);
    print(where + ": tr", Gpr.RAX);
    print("ebx", Gpr.RBX);
    asm.pushf();
    asm.pop(Gpr.RAX);
    asm.and(DWORD, Gpr.RAX, 0x4000);
    print("nt", Gpr.RAX);
    newLine();
  }

  private void prepareTask(Label entry) {
    asm.mov(DWORD, Gpr.RAX, entry);
    asm.mov(DWORD, Mem.absolute(OTHER_TSS_BASE + 0x20), Gpr.RAX);
    store(OTHER_TSS_BASE + 0x24, 2);
    store(OTHER_TSS_BASE + 0x34, 0x1000);
    store(OTHER_TSS_BASE + 0x38, TASK_STACK);
    for (int at = 0x48; at <= 0x5c; at += 4) {
      store(OTHER_TSS_BASE + at, at == 0x4c ? CODE : DATA);
    }
    store(OTHER_TSS_BASE + 0x64, 0x68 << 16);
  }

  // ---- 16-bit code

  /** Copies the code between two labels to low memory. */
  private void copyLow(Label from, Label to) {
    asm.mov(DWORD, Gpr.RSI, from);
    asm.mov(DWORD, Gpr.RDI, LOW);
    asm.mov(DWORD, Gpr.RCX, to);
    asm.sub(DWORD, Gpr.RCX, Gpr.RSI);
    asm.rep(StringOp.MOVS, BYTE);
  }

  private void virtual8086() {
    Label from = new Label();
    Label to = new Label();
    Label after = new Label();
    asm.jmp(after);
    asm.bits(CodeMode.BITS16);
    asm.bind(from);
    asm.mov(WORD, Gpr.RAX, 0xb800);
    asm.mov(Seg.ES, Gpr.RAX);
    asm.mov(WORD, Gpr.RBX, Seg.ES);
    asm.push(WORD, 0x1234);
    asm.pop(WORD, Gpr.RDX);
    asm.int_(0x80);
    asm.bind(to);
    asm.bits(CodeMode.BITS32);
    asm.bind(after);
    copyLow(from, to);
    attempt("virtual-8086 mode with IOPL 3", () -> enterVirtual(0x2_3002));
    print("  ebx", Gpr.RBX);
    print("edx", Gpr.RDX);
    newLine();
    attempt("virtual-8086 mode with IOPL 0", () -> enterVirtual(0x2_0002));
  }

  private void enterVirtual(int flags) {
    for (int i = 0; i < 4; i++) {
      asm.push(0); // GS, FS, DS, ES
    }
    asm.push(0x900); // SS
    asm.push(0x1000); // ESP
    asm.push(flags);
    asm.push(LOW >> 4); // CS
    asm.push(0); // EIP
    asm.iret(DWORD);
  }

  private void realMode() {
    Label from = new Label("low code");
    Label to = new Label();
    Label after = new Label();
    Label back = new Label("protected mode again");
    print("real mode\n");
    asm.jmp(after);
    lowCode(from, back);
    asm.bind(to);
    asm.bits(CodeMode.BITS32);
    asm.bind(after);
    copyLow(from, to);
    Label realTable = new Label();
    Label skip = new Label();
    asm.mov(DWORD, Mem.absolute(SAVED_ESP), Gpr.RSP);
    asm.op(MemOp.LIDT, Mem.of(realTable));
    load(Seg.SS, DATA16);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
    // The far jump's target is in the copy.
    asm.db(0xea);
    asm.dd(LOW);
    asm.dw(CODE16);
    asm.jmp(skip);
    asm.bind(realTable);
    asm.dw(0x3ff);
    asm.dd(0);
    asm.bind(skip);
    asm.bind(back);
    loadData();
    asm.mov(DWORD, Gpr.RSP, Mem.absolute(SAVED_ESP));
    asm.mov(DWORD, Gpr.RAX, Mem.absolute(MARK));
    print("  mark", Gpr.RAX);
    print("ebx", Gpr.RBX);
    print("ecx", Gpr.RCX);
    print("edx", Gpr.RDX);
    print("esi", Gpr.RSI);
    newLine();
  }

  /**
   * Position-dependent only in the two far jumps, whose targets are given as addresses of the copy.
   */
  private void lowCode(Label from, Label back) {
    asm.bits(CodeMode.BITS16);
    asm.bind(from);
    int start = asm.position();
    asm.mov(Gpr.RAX, ControlReg.CR0);
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, ~1);
    asm.mov(ControlReg.CR0, Gpr.RAX);
    int next = asm.position() - start + 5;
    asm.db(0xea);
    asm.dw(next, LOW >> 4); // now CS is LOW >> 4
    asm.mov(WORD, Gpr.RAX, 0);
    asm.mov(Seg.DS, Gpr.RAX);
    asm.mov(Seg.SS, Gpr.RAX);
    asm.mov(WORD, Gpr.RSP, 0x7000);
    // INT 0x60 through the table at 0.
    int handlerField = asm.position() + 4;
    asm.mov(WORD, Mem.absolute(4 * 0x60), 0x7777);
    asm.mov(WORD, Mem.absolute(4 * 0x60 + 2), LOW >> 4);
    asm.mov(WORD, Gpr.RBX, 1);
    asm.int_(0x60);
    asm.mov(WORD, Gpr.RCX, Seg.CS);
    asm.mov(DWORD, Gpr.RDX, Gpr.RSP);
    // A 32-bit offset beyond 64 KiB of a segment of 64 KiB: #GP, vector 13.
    asm.mov(WORD, Mem.absolute(4 * 13), 0x7777);
    int limitField = asm.position() - 2;
    asm.mov(WORD, Mem.absolute(4 * 13 + 2), LOW >> 4);
    asm.mov(DWORD, Gpr.RSI, 0x1_0000);
    int faulting = asm.position() - start;
    notOnQemu(() -> asm.mov(BYTE, Gpr.RAX, Mem.of(Gpr.RSI).addressed(32)));
    int resumed = asm.position() - start;
    asm.mov(DWORD, Gpr.RAX, 0x1234_5678);
    asm.mov(Gpr.RAX, ControlReg.CR0);
    asm.alu(AluOp.OR, DWORD, Gpr.RAX, 1);
    asm.mov(ControlReg.CR0, Gpr.RAX);
    asm.db(0x66, 0xea);
    asm.dd(back);
    asm.dw(CODE);
    int handler = asm.position() - start;
    asm.inc(WORD, Gpr.RBX);
    asm.iret(WORD);
    int limitHandler = asm.position() - start;
    asm.pop(WORD, Gpr.RSI);
    asm.sub(WORD, Gpr.RSI, faulting - 0x5a);
    asm.push(WORD, resumed);
    asm.iret(WORD);
    asm.code().patch(handlerField, 2, handler);
    asm.code().patch(limitField, 2, limitHandler);
  }
}
