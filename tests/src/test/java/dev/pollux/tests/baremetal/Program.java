package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.ArrayList;
import java.util.List;

/**
 * What all bare-metal programs share: text and numbers written to the debug console at port 0xe9,
 * and the end through isa-debug-exit. The printing routines are assembled once for 32- and once for
 * 64-bit code; 16-bit code uses the latter's port directly.
 */
abstract class Program {
  static final int DEBUG_CONSOLE = 0xe9;

  /** Port of isa-debug-exit as the harness configures it. */
  static final int EXIT_PORT = 0xf4;

  /** Value written to it by a program that has come to its end: exit status 2 * 0 + 1. */
  static final int DONE = 0;

  final GuestImage image = new GuestImage();
  final X86Assembler asm = image.asm();

  private boolean comparedWithQemu;
  private final List<Text> texts = new ArrayList<>();
  private final Routines routines32 = new Routines();
  private final Routines routines64 = new Routines();

  private record Text(Label label, String text) {}

  private static final class Routines {
    final Label printText = new Label("print text");
    final Label printHex = new Label("print hex");
  }

  private Routines routines() {
    return asm.mode() == CodeMode.BITS64 ? routines64 : routines32;
  }

  private OpSize word() {
    return asm.mode() == CodeMode.BITS64 ? QWORD : DWORD;
  }

  /** Prints {@code text}; registers and flags survive, the stack must work. */
  final void print(String text) {
    Label label = new Label("text");
    texts.add(new Text(label, text));
    asm.pushf();
    asm.push(Gpr.RSI);
    asm.mov(word(), Gpr.RSI, label);
    asm.call(routines().printText);
    asm.pop(Gpr.RSI);
    asm.popf();
  }

  /** Prints {@code name=} and a register in hexadecimal without leading zeros, then a blank. */
  final void print(String name, Gpr register) {
    print(name + "=");
    asm.pushf();
    asm.push(Gpr.RAX);
    asm.mov(word(), Gpr.RAX, register);
    asm.call(routines().printHex);
    asm.pop(Gpr.RAX);
    asm.popf();
    print(" ");
  }

  /** As {@link #print(String, Gpr)} with a word in memory. */
  final void print(String name, Mem source) {
    asm.push(Gpr.RBX);
    asm.mov(word(), Gpr.RBX, source);
    print(name, Gpr.RBX);
    asm.pop(Gpr.RBX);
  }

  final void newLine() {
    print("\n");
  }

  /** Ends the run. */
  final void exit() {
    asm.mov(DWORD, Gpr.RAX, DONE);
    asm.out(DWORD, EXIT_PORT);
    Label halt = asm.here();
    asm.op(NullaryOp.HLT);
    asm.jmp(halt);
  }

  /**
   * Code in which QEMU's processor is known to differ from the manual: left out of the image that
   * is compared with QEMU.
   */
  final void notOnQemu(Runnable code) {
    if (!comparedWithQemu) {
      code.run();
    }
  }

  /** Assembles the program. */
  abstract void assemble();

  /**
   * The finished image.
   *
   * @param forQemu without what {@link #notOnQemu} says
   */
  final byte[] build(boolean forQemu) {
    comparedWithQemu = forQemu;
    assemble();
    asm.bits(CodeMode.BITS32);
    emit(routines32);
    asm.bits(CodeMode.BITS64);
    emit(routines64);
    for (Text text : texts) {
      asm.bind(text.label());
      asm.ascii(text.text());
      asm.db(0);
    }
    return image.elf();
  }

  private void emit(Routines routines) {
    asm.bind(routines.printText);
    asm.push(Gpr.RAX);
    Label next = asm.here();
    Label end = new Label();
    asm.mov(BYTE, Gpr.RAX, Mem.of(Gpr.RSI));
    asm.test(BYTE, Gpr.RAX, Gpr.RAX);
    asm.jccShort(Cond.E, end);
    asm.out(BYTE, DEBUG_CONSOLE);
    asm.inc(word(), Gpr.RSI);
    asm.jmp(next);
    asm.bind(end);
    asm.pop(Gpr.RAX);
    asm.ret();
    emitPrintHex(routines);
  }

  /** Number in (E/R)AX: skips leading zeros, always prints the last digit. */
  private void emitPrintHex(Routines routines) {
    int digits = word().bytes() * 2;
    asm.bind(routines.printHex);
    asm.push(Gpr.RCX);
    asm.push(Gpr.RDX);
    asm.mov(word(), Gpr.RDX, Gpr.RAX);
    asm.mov(DWORD, Gpr.RCX, digits);
    Label skip = asm.here();
    asm.cmp(DWORD, Gpr.RCX, 1);
    Label digit = new Label();
    asm.jccShort(Cond.E, digit);
    asm.mov(word(), Gpr.RAX, Gpr.RDX);
    asm.shr(word(), Gpr.RAX, digits * 4 - 4);
    asm.jccShort(Cond.NE, digit);
    asm.shl(word(), Gpr.RDX, 4);
    asm.dec(DWORD, Gpr.RCX);
    asm.jmp(skip);
    asm.bind(digit);
    asm.mov(word(), Gpr.RAX, Gpr.RDX);
    asm.shr(word(), Gpr.RAX, digits * 4 - 4);
    asm.cmp(DWORD, Gpr.RAX, 10);
    Label decimal = new Label();
    asm.jccShort(Cond.B, decimal);
    asm.add(DWORD, Gpr.RAX, 'a' - '0' - 10);
    asm.bind(decimal);
    asm.add(DWORD, Gpr.RAX, '0');
    asm.out(BYTE, DEBUG_CONSOLE);
    asm.shl(word(), Gpr.RDX, 4);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, digit);
    asm.pop(Gpr.RDX);
    asm.pop(Gpr.RCX);
    asm.ret();
  }
}
