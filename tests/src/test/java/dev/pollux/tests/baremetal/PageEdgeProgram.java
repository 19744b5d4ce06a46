package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;

/**
 * An instruction that lies in two pages, executed until it is translated; then either page is
 * written, the second one is mapped to other memory, and taken away.
 */
final class PageEdgeProgram extends LongModeProgram {
  private static final int TIMES = 200;

  /** {@code mov eax, imm32}, its last two bytes in the second page, and {@code ret}. */
  private static final int CODE = PAGE - 3;

  /** Physical memory that the second page is mapped to for a while. */
  private static final int OTHER = 0x8_0000;

  private final Label loop = new Label("loop");

  @Override
  void body() {
    Label after = new Label();
    asm.jmp(after);
    asm.bind(loop);
    asm.mov(DWORD, Gpr.RCX, TIMES);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.mov(DWORD, Gpr.RBX, CODE);
    Label next = asm.here();
    asm.call(Gpr.RBX);
    asm.add(QWORD, Gpr.RDX, Gpr.RAX);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    print("  eax", Gpr.RAX);
    print("sum", Gpr.RDX);
    newLine();
    asm.ret();
    asm.bind(after);

    put(CODE, 0xb8, 0x11, 0x22);
    put(PAGE, 0x33, 0x44, 0xc3);
    put(PAGE | OTHER, 0x55, 0x66, 0xc3);
    attempt("as it is", () -> asm.call(loop));
    put(PAGE + 1, 0x45);
    attempt("second page written", () -> asm.call(loop));
    put(CODE + 1, 0x12);
    attempt("first page written", () -> asm.call(loop));
    mapPage(PRESENT | WRITABLE | OTHER);
    attempt("second page elsewhere", () -> asm.call(loop));
    mapPage(0);
    attempt("no second page", () -> asm.call(loop));
    mapPage(PRESENT | WRITABLE);
    attempt("second page back", () -> asm.call(loop));
    mapPage(PRESENT | WRITABLE | 1L << 63);
    attempt("second page not executable", () -> asm.call(loop));
    mapPage(PRESENT | WRITABLE | USER);
    attempt("second page back again", () -> asm.call(loop));
    put(PAGE, 0x34);
    attempt("second page written again", () -> asm.call(loop));
  }

  private void put(int address, int... bytes) {
    for (int i = 0; i < bytes.length; i++) {
      asm.mov(BYTE, Mem.absolute(address + i), bytes[i]);
    }
  }
}
