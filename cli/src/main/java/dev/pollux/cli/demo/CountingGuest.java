package dev.pollux.cli.demo;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;

import dev.pollux.core.jit.asm.AluOp;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.Seg;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * A guest that notices when it is not continued exactly: 32-bit protected mode without an operating
 * system, a multiboot kernel for {@code -kernel}.
 *
 * <p>A timer interrupt wakes it {@link #TICKS_PER_SECOND} times a second. Each time it counts on by
 * a number of steps; step <i>n</i> writes <i>n</i>, in three spellings, to page <i>n</i> modulo the
 * number of pages. Then it checks all pages: what must be in each follows from the count alone,
 * which is in a register. So a page that is older or newer than the processor, or torn, is found.
 * It prints {@code tick 00000042 steps 00021504 sum 91a0b2c3 ok} on the first serial port, or
 * {@code BAD} and stops.
 */
public final class CountingGuest {
  /** Timer interrupts a second. */
  public static final int TICKS_PER_SECOND = 50;

  /** Where the pages lie in its memory. */
  public static final int TABLE = 0x40_0000;

  private static final int LOAD_ADDRESS = 0x10_0000;
  private static final int STACK_TOP = 0x9_0000;
  private static final int PAGE = 4096;

  /** The second and third word of a page, and how they are spelt. */
  private static final int MIDDLE = 2044;

  private static final int LAST = 4092;
  private static final int MASK = 0x5a5a_5a5a;

  private static final int MULTIBOOT_MAGIC = 0x1bad_b002;
  private static final int ADDRESSES_IN_HEADER = 1 << 16;
  private static final int CODE_SELECTOR = 8;
  private static final int DATA_SELECTOR = 16;
  private static final int TIMER_VECTOR = 0x20;
  private static final int PIT_HERTZ = 1_193_182;
  private static final int SERIAL = 0x3f8;

  /** Step number. */
  private static final Gpr COUNT = Gpr.RBX;

  /** Where a print goes on. */
  private static final Gpr TEXT = Gpr.RSI;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS32);
  private final Label end = new Label("end");
  private final Label ticks = new Label("ticks");
  private final Label printDecimal = new Label("printDecimal");
  private final Label printHex = new Label("printHex");
  private final int pages;
  private final int stepsPerTick;

  private CountingGuest(int pages, int stepsPerTick) {
    this.pages = pages;
    this.stepsPerTick = stepsPerTick;
  }

  /**
   * The kernel's file.
   *
   * @param pages pages of memory that it writes, a power of two; memory from 4 MiB on
   * @param stepsPerTick pages that it writes at each timer interrupt
   */
  public static byte[] image(int pages, int stepsPerTick) {
    if (Integer.bitCount(pages) != 1 || stepsPerTick < 1) {
      throw new IllegalArgumentException(pages + " pages, " + stepsPerTick + " steps");
    }
    return new CountingGuest(pages, stepsPerTick).assemble();
  }

  private byte[] assemble() {
    asm.org(LOAD_ADDRESS);
    Label entry = new Label("entry");
    // Multiboot Specification 0.6.96, 3.1: the header says where everything goes.
    asm.dd(MULTIBOOT_MAGIC, ADDRESSES_IN_HEADER, -(MULTIBOOT_MAGIC + ADDRESSES_IN_HEADER));
    asm.dd(LOAD_ADDRESS, LOAD_ADDRESS);
    asm.dd(end);
    asm.dd(end);
    asm.dd(entry);
    Label gdt = asm.here();
    asm.dq(0, 0x00cf_9b00_0000_ffffL, 0x00cf_9300_0000_ffffL);
    Label gdtPointer = asm.here();
    asm.dw(3 * 8 - 1);
    asm.dd(gdt);
    Label idtPointer = new Label("idtPointer");
    Label idt = new Label("idt");
    Label timer = new Label("timer");

    asm.bind(entry);
    asm.op(NullaryOp.CLI);
    asm.op(MemOp.LGDT, Mem.of(gdtPointer));
    Label flat = new Label("flat");
    asm.jmpFar(DWORD, CODE_SELECTOR, flat);
    asm.bind(flat);
    asm.mov(DWORD, Gpr.RAX, DATA_SELECTOR);
    for (Seg segment : new Seg[] {Seg.DS, Seg.ES, Seg.SS}) {
      asm.mov(segment, Gpr.RAX);
    }
    asm.mov(DWORD, Gpr.RSP, STACK_TOP);
    asm.op(MemOp.LIDT, Mem.of(idtPointer));
    startTimer();
    Label bad = new Label("bad");
    asm.mov(DWORD, COUNT, -1);
    steps(pages); // steps 0 to pages - 1
    asm.alu(AluOp.XOR, DWORD, Gpr.RBP, Gpr.RBP);
    Label loop = asm.here();
    awaitTick();
    steps(stepsPerTick);
    check(bad);
    report();
    asm.jmp(loop);

    asm.bind(bad);
    print("BAD\n");
    Label stopped = asm.here();
    asm.op(NullaryOp.HLT);
    asm.jmp(stopped);

    asm.bind(timer);
    asm.push(Gpr.RAX);
    asm.inc(DWORD, Mem.of(ticks));
    asm.mov(DWORD, Gpr.RAX, 0x20);
    asm.out(BYTE, 0x20);
    asm.pop(Gpr.RAX);
    asm.iret(DWORD);
    printers();

    asm.alignData(8);
    asm.bind(ticks);
    asm.dd(0);
    asm.bind(idtPointer);
    asm.dw((TIMER_VECTOR + 1) * 8 - 1);
    asm.dd(idt);
    asm.alignData(8);
    asm.bind(idt);
    asm.zeros(TIMER_VECTOR * 8);
    // A 32-bit interrupt gate (Intel SDM vol. 3, figure 7-2).
    long handler = asm.address(timer);
    asm.dq(handler & 0xffff | CODE_SELECTOR << 16 | (handler >> 16) << 48 | 0x8e00L << 32);
    asm.bind(end);
    return asm.finish();
  }

  private void out(int port, int value) {
    asm.mov(DWORD, Gpr.RAX, value);
    asm.out(BYTE, port);
  }

  /** Both 8259s with vectors from 0x20 on, all lines but the timer's masked; the 8254 ticking. */
  private void startTimer() {
    for (int port : new int[] {0x20, 0xa0}) {
      out(port, 0x11);
      out(port + 1, port == 0x20 ? TIMER_VECTOR : TIMER_VECTOR + 8);
      out(port + 1, port == 0x20 ? 4 : 2);
      out(port + 1, 1);
    }
    out(0x21, 0xfe);
    out(0xa1, 0xff);
    int divisor = PIT_HERTZ / TICKS_PER_SECOND;
    out(0x43, 0x34);
    out(0x40, divisor & 0xff);
    out(0x40, divisor >> 8);
  }

  /** Sleeps until the tick after the one that EBP names. */
  private void awaitTick() {
    Label sleep = new Label();
    Label woken = new Label();
    asm.bind(sleep);
    asm.op(NullaryOp.CLI);
    asm.cmp(DWORD, Gpr.RBP, Mem.of(ticks));
    asm.jcc(Cond.NE, woken);
    asm.op(NullaryOp.STI);
    asm.op(NullaryOp.HLT);
    asm.jmp(sleep);
    asm.bind(woken);
    asm.op(NullaryOp.STI);
    asm.inc(DWORD, Gpr.RBP);
  }

  private void steps(int number) {
    asm.mov(DWORD, Gpr.RCX, number);
    Label again = asm.here();
    asm.inc(DWORD, COUNT);
    asm.mov(DWORD, Gpr.RDI, COUNT);
    asm.alu(AluOp.AND, DWORD, Gpr.RDI, pages - 1);
    asm.shl(DWORD, Gpr.RDI, 12);
    asm.mov(DWORD, Mem.of(Gpr.RDI, TABLE), COUNT);
    asm.mov(DWORD, Gpr.RAX, COUNT);
    asm.unary(UnaryOp.NOT, DWORD, Gpr.RAX);
    asm.mov(DWORD, Mem.of(Gpr.RDI, TABLE + MIDDLE), Gpr.RAX);
    asm.xor(DWORD, Gpr.RAX, MASK);
    asm.mov(DWORD, Mem.of(Gpr.RDI, TABLE + LAST), Gpr.RAX);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, again);
  }

  /** Checks every page against the count; leaves the sum of all in EDX. */
  private void check(Label bad) {
    asm.alu(AluOp.XOR, DWORD, Gpr.RCX, Gpr.RCX);
    asm.alu(AluOp.XOR, DWORD, Gpr.RDX, Gpr.RDX);
    asm.mov(DWORD, Gpr.RDI, TABLE);
    Label again = asm.here();
    // The last step that wrote page ECX: COUNT - ((COUNT - ECX) mod pages).
    asm.mov(DWORD, Gpr.RAX, COUNT);
    asm.alu(AluOp.SUB, DWORD, Gpr.RAX, Gpr.RCX);
    asm.alu(AluOp.AND, DWORD, Gpr.RAX, pages - 1);
    asm.unary(UnaryOp.NEG, DWORD, Gpr.RAX);
    asm.alu(AluOp.ADD, DWORD, Gpr.RAX, COUNT);
    asm.alu(AluOp.ADD, DWORD, Gpr.RDX, Gpr.RAX);
    asm.cmp(DWORD, Gpr.RAX, Mem.of(Gpr.RDI));
    asm.jcc(Cond.NE, bad);
    asm.unary(UnaryOp.NOT, DWORD, Gpr.RAX);
    asm.cmp(DWORD, Gpr.RAX, Mem.of(Gpr.RDI, MIDDLE));
    asm.jcc(Cond.NE, bad);
    asm.xor(DWORD, Gpr.RAX, MASK);
    asm.cmp(DWORD, Gpr.RAX, Mem.of(Gpr.RDI, LAST));
    asm.jcc(Cond.NE, bad);
    asm.alu(AluOp.ADD, DWORD, Gpr.RDI, PAGE);
    asm.inc(DWORD, Gpr.RCX);
    asm.cmp(DWORD, Gpr.RCX, pages);
    asm.jcc(Cond.NE, again);
  }

  private void report() {
    asm.mov(DWORD, Gpr.RDI, Gpr.RDX);
    print("tick ");
    asm.mov(DWORD, Gpr.RAX, Gpr.RBP);
    asm.call(printDecimal);
    print(" steps ");
    asm.mov(DWORD, Gpr.RAX, COUNT);
    asm.call(printDecimal);
    print(" sum ");
    asm.mov(DWORD, Gpr.RAX, Gpr.RDI);
    asm.call(printHex);
    print(" ok\n");
  }

  private void print(String text) {
    asm.mov(DWORD, Gpr.RDX, SERIAL);
    for (int i = 0; i < text.length(); i++) {
      asm.mov(DWORD, Gpr.RAX, text.charAt(i));
      asm.outDx(BYTE);
    }
  }

  private void printers() {
    asm.bind(printDecimal);
    digits(10, 8);
    asm.bind(printHex);
    digits(16, 8);
  }

  /** Prints EAX with leading zeros: the digits go to the stack, last one first. */
  private void digits(int base, int width) {
    asm.mov(DWORD, TEXT, width);
    Label divide = asm.here();
    asm.alu(AluOp.XOR, DWORD, Gpr.RDX, Gpr.RDX);
    asm.mov(DWORD, Gpr.RCX, base);
    asm.unary(UnaryOp.DIV, DWORD, Gpr.RCX);
    asm.push(Gpr.RDX);
    asm.dec(DWORD, TEXT);
    asm.jcc(Cond.NE, divide);
    asm.mov(DWORD, TEXT, width);
    asm.mov(DWORD, Gpr.RDX, SERIAL);
    Label show = asm.here();
    asm.pop(Gpr.RAX);
    asm.cmp(DWORD, Gpr.RAX, 10);
    Label digit = new Label();
    asm.jcc(Cond.B, digit);
    asm.alu(AluOp.ADD, DWORD, Gpr.RAX, 'a' - '0' - 10);
    asm.bind(digit);
    asm.alu(AluOp.ADD, DWORD, Gpr.RAX, '0');
    asm.outDx(BYTE);
    asm.dec(DWORD, TEXT);
    asm.jcc(Cond.NE, show);
    asm.ret();
  }
}
