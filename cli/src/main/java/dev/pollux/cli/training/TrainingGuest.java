package dev.pollux.cli.training;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.BitOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.RmOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.StringOp;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.VectorOp;
import dev.pollux.core.jit.asm.X86Assembler;
import dev.pollux.core.jit.asm.Xmm;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A guest that does for some seconds what a kernel does while it boots: runs much code a few times
 * each, writes to its own code, takes page faults, timer interrupts and system calls, changes page
 * tables, prints on the serial port. It is for the JVM to learn which methods a boot needs, and
 * what they are called with; what it computes is of no interest, but the code is the same each
 * time.
 *
 * <p>A multiboot kernel for {@code -kernel}, 64-bit; it ends through {@code isa-debug-exit}.
 */
public final class TrainingGuest {
  /** Port of {@code isa-debug-exit} that it writes 0 to at the end. */
  public static final int EXIT_PORT = 0xf4;

  /** Memory in MiB that it needs at least. */
  public static final int MEBIBYTES = 64;

  private static final int FUNCTIONS = 4000;

  /** The first functions call no others. */
  private static final int LEAVES = 500;

  private static final int ROUNDS = 4;
  private static final int SEED = 8086;

  private static final int LOAD_ADDRESS = 0x10_0000;
  private static final int MULTIBOOT_MAGIC = 0x1bad_b002;
  private static final int ADDRESSES_IN_HEADER = 1 << 16;

  // Memory that starts as zeros.
  private static final int PML4 = 0x80_0000;
  private static final int PDPT = 0x80_1000;
  private static final int LOW_DIRECTORY = 0x80_2000;
  private static final int HEAP_DIRECTORY = 0x80_3000;
  private static final int HEAP_TABLES = 0x80_8000;
  private static final int IDT = 0x81_0000;
  private static final int TSS_BASE = 0x81_1000;
  private static final int TICKS = 0x81_2000;
  private static final int STACK_TOP = 0x82_0000;
  private static final int INTERRUPT_STACK_TOP = 0x83_0000;
  private static final int USER_STACK_TOP = 0x84_0000;

  /** Small pages, at 1 GiB. */
  private static final int HEAP = 0x4000_0000;

  private static final int HEAP_PAGES = 2048;
  private static final int HEAP_MEMORY = 0x100_0000;

  private static final int PRESENT_WRITABLE_USER = 7;
  private static final int LARGE = 0x80;
  private static final int GLOBAL = 0x100;

  private static final int CODE64 = 0x08;
  private static final int DATA = 0x10;
  private static final int USER_DATA = 0x23;
  private static final int USER_CODE64 = 0x2b;
  private static final int TSS = 0x30;
  private static final int TIMER_VECTOR = 0x20;
  private static final int PAGE_FAULT = 14;
  private static final int BACK_GATE = 0x80;
  private static final int PIT_DIVISOR = 1193; // about 1,000 Hz
  private static final int SERIAL = 0x3f8;

  private static final int EFER = 0xc000_0080;
  private static final int STAR = 0xc000_0081;
  private static final int LSTAR = 0xc000_0082;
  private static final int SFMASK = 0xc000_0084;

  /** Registers that the functions compute in. */
  private static final Gpr[] REGISTERS = {
    Gpr.RAX, Gpr.RCX, Gpr.RDX, Gpr.RSI, Gpr.RDI, Gpr.R8, Gpr.R9, Gpr.R10, Gpr.R11, Gpr.R14
  };

  /** Points to the middle of the heap while functions run. */
  private static final Gpr DATA_POINTER = Gpr.RBX;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS32);
  private final RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
  private final List<Label> functions = new ArrayList<>();
  private final Label table = new Label("table");

  /** Behind an immediate operand that is overwritten while its code executes. */
  private final Label patched = new Label("patched");

  private final Label timer = new Label("timer");
  private final Label fault = new Label("fault");
  private final Label systemCall = new Label("system call");
  private final Label back = new Label("back from user code");

  private TrainingGuest() {}

  /** The kernel's file. */
  public static byte[] image() {
    return new TrainingGuest().assemble();
  }

  private byte[] assemble() {
    asm.org(LOAD_ADDRESS);
    Label entry = new Label("entry");
    Label end = new Label("end");
    // Multiboot Specification 0.6.96, 3.1: the header says where everything goes.
    asm.dd(MULTIBOOT_MAGIC, ADDRESSES_IN_HEADER, -(MULTIBOOT_MAGIC + ADDRESSES_IN_HEADER));
    asm.dd(LOAD_ADDRESS, LOAD_ADDRESS);
    asm.dd(end);
    asm.dd(end);
    asm.dd(entry);
    asm.bits(CodeMode.BITS64);
    for (int i = 0; i < FUNCTIONS; i++) {
      function(i);
    }
    handlers();
    asm.alignData(8);
    asm.bind(table);
    functions.forEach(asm::dq);
    asm.bits(CodeMode.BITS32);
    asm.bind(entry);
    enterLongMode();
    interrupts();
    print("training\n");
    asm.op(NullaryOp.STI);
    runFunctions();
    pageFaults();
    strings();
    userCode();
    sleep();
    asm.mov(DWORD, Gpr.RAX, 0);
    asm.out(DWORD, EXIT_PORT);
    Label stopped = asm.here();
    asm.op(NullaryOp.HLT);
    asm.jmp(stopped);
    asm.bind(end);
    return asm.finish();
  }

  // ---- the machine

  private void store(int address, long value) {
    asm.mov(DWORD, Mem.absolute(address), (int) value);
    asm.mov(DWORD, Mem.absolute(address + 4), (int) (value >>> 32));
  }

  /** Fills a table with entries of eight bytes, of which the upper half stays 0. */
  private void fill(int address, int count, int first, int step) {
    asm.mov(DWORD, Gpr.RDI, address);
    asm.mov(DWORD, Gpr.RAX, first);
    asm.mov(DWORD, Gpr.RCX, count);
    Label next = asm.here();
    asm.mov(DWORD, Mem.of(Gpr.RDI), Gpr.RAX);
    asm.add(DWORD, Gpr.RAX, step);
    asm.add(DWORD, Gpr.RDI, 8);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
  }

  private void enterLongMode() {
    asm.op(NullaryOp.CLI);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    store(PML4, PDPT | PRESENT_WRITABLE_USER);
    store(PDPT, LOW_DIRECTORY | PRESENT_WRITABLE_USER);
    store(PDPT + 8, HEAP_DIRECTORY | PRESENT_WRITABLE_USER);
    fill(LOW_DIRECTORY, 512, PRESENT_WRITABLE_USER | LARGE | GLOBAL, 1 << 21);
    fill(HEAP_DIRECTORY, HEAP_PAGES / 512, HEAP_TABLES | PRESENT_WRITABLE_USER, 0x1000);
    fill(HEAP_TABLES, HEAP_PAGES, HEAP_MEMORY | PRESENT_WRITABLE_USER, 0x1000);
    asm.mov(DWORD, Gpr.RAX, 0x6b0); // PSE, PAE, PGE, OSFXSR, OSXMMEXCPT
    asm.mov(ControlReg.CR4, Gpr.RAX);
    asm.mov(DWORD, Gpr.RAX, PML4);
    asm.mov(ControlReg.CR3, Gpr.RAX);
    writeMsr(EFER, 0x901, 0); // SCE, LME, NXE
    asm.mov(DWORD, Gpr.RAX, 0x8001_0033L); // PG, WP, NE, ET, MP, PE
    asm.mov(ControlReg.CR0, Gpr.RAX);
    Label gdt = new Label("gdt");
    Label pointer = new Label("gdt pointer");
    Label in64 = new Label("64-bit code");
    asm.op(MemOp.LGDT, Mem.of(pointer));
    asm.jmpFar(DWORD, CODE64, in64);
    asm.alignData(8);
    asm.bind(gdt);
    asm.dq(0, 0x00af_9b00_0000_ffffL, 0x00cf_9300_0000_ffffL, 0);
    asm.dq(0x00cf_f300_0000_ffffL, 0x00af_fb00_0000_ffffL);
    asm.dq(0x0000_8900_0000_0067L | (long) TSS_BASE << 16, 0);
    asm.bind(pointer);
    asm.dw(8 * 8 - 1);
    asm.dd(gdt);
    asm.bits(CodeMode.BITS64);
    asm.bind(in64);
    asm.mov(DWORD, Gpr.RAX, DATA);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS, Seg.FS, Seg.GS}) {
      asm.mov(segment, Gpr.RAX);
    }
    store(TSS_BASE + 4, INTERRUPT_STACK_TOP);
    asm.mov(DWORD, Gpr.RAX, TSS);
    asm.op(RmOp.LTR, Gpr.RAX);
    writeMsr(STAR, 0, (USER_DATA - 8) << 16 | CODE64);
    writeMsr(LSTAR, (int) asm.address(systemCall), 0);
    writeMsr(SFMASK, 0x200, 0);
  }

  private void writeMsr(int number, int low, int high) {
    asm.mov(DWORD, Gpr.RCX, number & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RAX, low & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RDX, high & 0xffff_ffffL);
    asm.op(NullaryOp.WRMSR);
  }

  private void out(int port, int value) {
    asm.mov(DWORD, Gpr.RAX, value);
    asm.out(BYTE, port);
  }

  private void gate(int vector, Label handler, int attributes) {
    store(IDT + 16 * vector, asm.address(handler) & 0xffff | CODE64 << 16);
    store(IDT + 16 * vector + 4, asm.address(handler) & 0xffff_0000L | attributes);
  }

  /** Both 8259s with all lines but the timer's masked, the 8254 ticking. */
  private void interrupts() {
    gate(PAGE_FAULT, fault, 0x8e00);
    gate(TIMER_VECTOR, timer, 0x8e00);
    gate(BACK_GATE, back, 0xee00);
    Label pointer = new Label("idt pointer");
    Label behind = new Label();
    asm.op(MemOp.LIDT, Mem.of(pointer));
    asm.jmp(behind);
    asm.bind(pointer);
    asm.dw(0xfff);
    asm.dq(IDT);
    asm.bind(behind);
    for (int port : new int[] {0x20, 0xa0}) {
      out(port, 0x11);
      out(port + 1, port == 0x20 ? TIMER_VECTOR : TIMER_VECTOR + 8);
      out(port + 1, port == 0x20 ? 4 : 2);
      out(port + 1, 1);
    }
    out(0x21, 0xfe);
    out(0xa1, 0xff);
    out(0x43, 0x34);
    out(0x40, PIT_DIVISOR & 0xff);
    out(0x40, PIT_DIVISOR >> 8);
  }

  private void handlers() {
    asm.align(16);
    asm.bind(timer);
    asm.push(Gpr.RAX);
    asm.inc(DWORD, Mem.absolute(TICKS));
    out(0x20, 0x20);
    asm.pop(Gpr.RAX);
    asm.iret(QWORD);

    // Maps the page of the heap that CR2 names again.
    asm.align(16);
    asm.bind(fault);
    asm.push(Gpr.RAX);
    asm.mov(Gpr.RAX, ControlReg.CR2);
    asm.shr(QWORD, Gpr.RAX, 12);
    asm.and(DWORD, Gpr.RAX, HEAP_PAGES - 1);
    asm.or(DWORD, Mem.indexed(Gpr.RAX, 8, HEAP_TABLES), PRESENT_WRITABLE_USER);
    asm.pop(Gpr.RAX);
    asm.add(QWORD, Gpr.RSP, 8);
    asm.iret(QWORD);

    asm.align(16);
    asm.bind(systemCall);
    asm.op(NullaryOp.SWAPGS);
    asm.mov(QWORD, Gpr.R8, Gpr.RSP);
    asm.mov(DWORD, Gpr.RSP, INTERRUPT_STACK_TOP);
    asm.push(Gpr.R8);
    asm.push(Gpr.R11);
    asm.push(Gpr.RCX);
    asm.op(NullaryOp.STI);
    asm.inc(QWORD, Gpr.RAX);
    asm.op(NullaryOp.CLI);
    asm.pop(Gpr.RCX);
    asm.pop(Gpr.R11);
    asm.pop(Gpr.RSP);
    asm.op(NullaryOp.SWAPGS);
    asm.op(NullaryOp.SYSRETQ);

    asm.align(16);
    asm.bind(back);
    asm.mov(DWORD, Gpr.RAX, DATA);
    asm.mov(Seg.SS, Gpr.RAX);
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    asm.op(NullaryOp.STI);
    asm.jmp(Gpr.R15);
  }

  private void print(String text) {
    for (int character : text.chars().toArray()) {
      asm.mov(DWORD, Gpr.RDX, SERIAL + 5);
      Label busy = asm.here();
      asm.inDx(BYTE);
      asm.test(BYTE, Gpr.RAX, 0x20);
      asm.jcc(Cond.E, busy);
      asm.mov(DWORD, Gpr.RDX, SERIAL);
      asm.mov(DWORD, Gpr.RAX, character);
      asm.outDx(BYTE);
    }
  }

  // ---- the work

  private void repeat(Gpr counter, int times, Runnable body) {
    asm.mov(DWORD, counter, times);
    Label again = asm.here();
    body.run();
    asm.dec(DWORD, counter);
    asm.jcc(Cond.NE, again);
  }

  /** Every function a few times; in between what makes translations of addresses or code go. */
  private void runFunctions() {
    repeat(
        Gpr.R13,
        ROUNDS,
        () -> {
          print("round\n");
          repeat(
              Gpr.R12,
              FUNCTIONS,
              () -> {
                asm.mov(DWORD, DATA_POINTER, HEAP + HEAP_PAGES / 2 * 0x1000);
                asm.call(Mem.indexed(Gpr.R12, 8, (int) asm.address(table) - 8));
                Label calm = new Label();
                asm.test(DWORD, Gpr.R12, 7);
                asm.jcc(Cond.NE, calm);
                asm.mov(Gpr.RAX, ControlReg.CR3);
                asm.mov(ControlReg.CR3, Gpr.RAX);
                asm.op(MemOp.INVLPG, Mem.of(DATA_POINTER));
                asm.mov(BYTE, Mem.of(patched, -1), Gpr.R12);
                asm.op(NullaryOp.CPUID);
                asm.op(NullaryOp.RDTSC);
                asm.bind(calm);
              });
        });
  }

  private void pageFaults() {
    repeat(
        Gpr.R13,
        4,
        () -> {
          asm.mov(DWORD, DATA_POINTER, HEAP);
          asm.mov(DWORD, Gpr.RDI, HEAP_TABLES);
          repeat(
              Gpr.R12,
              HEAP_PAGES,
              () -> {
                asm.and(DWORD, Mem.of(Gpr.RDI), -0x68); // absent, neither accessed nor dirty
                asm.op(MemOp.INVLPG, Mem.of(DATA_POINTER));
                asm.mov(QWORD, Gpr.RAX, Mem.of(DATA_POINTER));
                asm.mov(QWORD, Mem.of(DATA_POINTER, 8), Gpr.RAX);
                asm.add(DWORD, DATA_POINTER, 0x1000);
                asm.add(DWORD, Gpr.RDI, 8);
              });
        });
  }

  private void strings() {
    repeat(
        Gpr.R12,
        HEAP_PAGES,
        () -> {
          asm.mov(DWORD, Gpr.RDI, Gpr.R12);
          asm.shl(DWORD, Gpr.RDI, 12);
          asm.add(DWORD, Gpr.RDI, HEAP - 0x1000);
          asm.mov(DWORD, Gpr.RCX, 512);
          asm.xor(DWORD, Gpr.RAX, Gpr.RAX);
          asm.rep(StringOp.STOS, QWORD);
          asm.lea(QWORD, Gpr.RSI, Mem.of(Gpr.RDI, -0x1000));
          asm.mov(DWORD, Gpr.RDI, HEAP);
          asm.mov(DWORD, Gpr.RCX, 512);
          asm.rep(StringOp.MOVS, QWORD);
        });
  }

  /** Functions and system calls at privilege 3; a gate leads back. */
  private void userCode() {
    Label user = new Label("user");
    Label resume = new Label("resume");
    asm.mov(QWORD, Gpr.R15, resume);
    asm.push(USER_DATA);
    asm.push(USER_STACK_TOP);
    asm.push(0x202);
    asm.push(USER_CODE64);
    asm.mov(QWORD, Gpr.RAX, user);
    asm.push(Gpr.RAX);
    asm.iret(QWORD);
    asm.bind(user);
    repeat(
        Gpr.R12,
        FUNCTIONS,
        () -> {
          asm.mov(DWORD, DATA_POINTER, HEAP + HEAP_PAGES / 2 * 0x1000);
          asm.call(Mem.indexed(Gpr.R12, 8, (int) asm.address(table) - 8));
          asm.op(NullaryOp.SYSCALL);
        });
    asm.int_(BACK_GATE);
    asm.bind(resume);
  }

  private void sleep() {
    repeat(Gpr.R12, 20, () -> asm.op(NullaryOp.HLT));
  }

  // ---- code for the translator

  private Gpr register() {
    return REGISTERS[random.nextInt(REGISTERS.length)];
  }

  private OpSize size() {
    return random.nextBoolean() ? QWORD : DWORD;
  }

  private Mem memory() {
    return Mem.of(DATA_POINTER, random.nextInt(-0x8000, 0x8000) & -8);
  }

  private void function(int number) {
    Label start = new Label("function");
    functions.add(start);
    asm.align(16);
    asm.bind(start);
    asm.push(Gpr.RBP);
    asm.mov(QWORD, Gpr.RBP, Gpr.RSP);
    if (number == 0) {
      asm.mov(DWORD, Gpr.RAX, 0x1234_5678);
      asm.bind(patched);
    }
    int blocks = random.nextInt(2, 8);
    Label out = new Label();
    for (int i = 0; i < blocks; i++) {
      int instructions = random.nextInt(2, 7);
      for (int j = 0; j < instructions; j++) {
        instruction();
      }
      if (number >= LEAVES && random.nextInt(4) == 0) {
        asm.call(functions.get(random.nextInt(LEAVES)));
      }
      Label next = random.nextInt(6) == 0 ? out : new Label();
      asm.cmp(size(), register(), random.nextInt());
      asm.jcc(Cond.of(random.nextInt(16)), next);
      instruction();
      if (next != out) {
        asm.bind(next);
      }
    }
    asm.bind(out);
    asm.pop(Gpr.RBP);
    asm.ret();
  }

  private void instruction() {
    Gpr a = register();
    Gpr b = register();
    OpSize size = size();
    AluOp op = AluOp.values()[random.nextInt(AluOp.values().length)];
    switch (random.nextInt(20)) {
      case 0 -> asm.alu(op, size, a, b);
      case 1 -> asm.alu(op, size, a, random.nextInt(256));
      case 2 -> asm.alu(op, size, a, memory());
      case 3 -> asm.alu(op, size, memory(), b);
      case 4, 5, 6 -> asm.mov(size, a, memory());
      case 7, 8 -> asm.mov(size, memory(), b);
      case 9 -> asm.mov(size, a, b);
      case 10 -> asm.mov(size, a, random.nextInt(1 << 20));
      case 11 -> asm.lea(size, a, Mem.of(a, b, 1 << random.nextInt(4), random.nextInt(4096)));
      case 12 -> asm.shift(ShiftOp.values()[random.nextInt(7)], size, a, random.nextInt(1, 31));
      case 13 -> {
        asm.test(size, a, b);
        asm.setcc(Cond.of(random.nextInt(16)), a);
      }
      case 14 -> {
        asm.test(size, a, b);
        asm.cmov(Cond.of(random.nextInt(16)), size, a, b);
      }
      case 15 -> asm.movzx(DWORD, a, random.nextBoolean() ? BYTE : WORD, memory());
      case 16 -> {
        asm.push(a);
        asm.op(GprOp.IMUL, size, a, b);
        asm.pop(a);
      }
      case 17 -> asm.bit(BitOp.BT, size, a, random.nextInt(32));
      case 18 -> {
        asm.lock();
        asm.xadd(size, memory(), b);
      }
      default -> {
        Xmm vector = Xmm.of(random.nextInt(16));
        asm.sse(VectorMove.MOVUPS, vector, memory());
        asm.sse(VectorOp.PXOR, vector, Xmm.of(random.nextInt(16)));
        asm.sse(VectorMove.MOVUPS, memory(), vector);
      }
    }
  }
}
