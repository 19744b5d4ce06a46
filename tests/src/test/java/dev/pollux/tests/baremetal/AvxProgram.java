package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.MemOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.VectorLength;
import dev.pollux.core.jit.asm.VectorMove;
import dev.pollux.core.jit.asm.VectorOp;
import dev.pollux.core.jit.asm.Xmm;

/**
 * AVX state: how it is enabled, which control bits take VEX encodings away, what becomes of the
 * upper halves, and XSAVE's areas (Intel SDM vol. 1, chapters 13 and 14). The code under test is
 * executed often enough to be translated, and then the conditions change under it.
 */
final class AvxProgram extends LongModeProgram {
  private static final int CR0_EM = 1 << 2;
  private static final int CR0_TS = 1 << 3;
  private static final int CR4_OSFXSR = 1 << 9;
  private static final int CR4_OSXSAVE = 1 << 18;

  private static final int TIMES = 300;

  /** 64-byte aligned memory, zeros at the start. */
  private static final int AREA = 0x70_0000;

  private static final int OUTPUT = 0x70_1000;
  private static final int INPUT = 0x70_1100;

  private final Label vexLoop = new Label("VEX loop");
  private final Label sseLoop = new Label("SSE loop");
  private final Label alignedLoop = new Label("aligned loop");

  @Override
  void body() {
    Label after = new Label();
    asm.jmp(after);
    routines();
    asm.bind(after);
    fillInput();
    enabling();
    lanes();
    switches();
    faults();
    saving();
  }

  /** Subroutines, so that all uses of one share its translation. They count in RCX. */
  private void routines() {
    asm.bind(vexLoop);
    asm.mov(DWORD, Gpr.RCX, TIMES);
    Label next = asm.here();
    asm.avx(VectorOp.PADDQ, VectorLength.L256, Xmm.of(1), Xmm.of(1), Mem.of(Gpr.RSI));
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    asm.ret();
    asm.bind(sseLoop);
    asm.mov(DWORD, Gpr.RCX, TIMES);
    next = asm.here();
    asm.sse(VectorOp.PADDQ, Xmm.of(1), Mem.of(Gpr.RSI));
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    asm.ret();
    asm.bind(alignedLoop);
    asm.mov(DWORD, Gpr.RCX, TIMES);
    next = asm.here();
    asm.avx(VectorMove.MOVAPS, VectorLength.L256, Xmm.of(2), Mem.of(Gpr.RDI));
    // Flags that are read later are those that a fault shows, in generated code, too.
    asm.pushf();
    asm.pop(Gpr.RAX);
    asm.add(QWORD, Gpr.RDI, Gpr.RDX);
    asm.dec(DWORD, Gpr.RCX);
    asm.jcc(Cond.NE, next);
    asm.ret();
  }

  private void fillInput() {
    asm.mov(QWORD, Gpr.RSI, INPUT);
    for (int i = 0; i < 4; i++) {
      asm.mov(DWORD, Mem.of(Gpr.RSI, 8 * i), 0x100 + i);
    }
  }

  private void printYmm(String name, int register) {
    asm.avx(VectorMove.MOVUPS, VectorLength.L256, Mem.absolute(OUTPUT), Xmm.of(register));
    print("  " + name + ": ");
    for (int i = 3; i >= 0; i--) {
      print("" + i, Mem.absolute(OUTPUT + 8 * i));
    }
    newLine();
  }

  private void callVexLoop() {
    asm.call(vexLoop);
    printYmm("ymm1", 1);
  }

  private void xsetbv(long value) {
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.mov(DWORD, Gpr.RAX, value & 0xffff_ffffL);
    asm.mov(DWORD, Gpr.RDX, value >>> 32);
    asm.op(NullaryOp.XSETBV);
  }

  private void xgetbv() {
    asm.mov(DWORD, Gpr.RCX, 0);
    asm.op(NullaryOp.XGETBV);
    print("  xcr0", Gpr.RAX);
    newLine();
  }

  private void cpuid(int leaf, int subleaf) {
    asm.mov(DWORD, Gpr.RAX, leaf);
    asm.mov(DWORD, Gpr.RCX, subleaf);
    asm.op(NullaryOp.CPUID);
  }

  private void enabling() {
    print("CPUID: AVX, OSXSAVE, XSAVE, FMA\n");
    cpuid(1, 0);
    asm.and(DWORD, Gpr.RCX, 0x1c00_1000);
    print("  before", Gpr.RCX);
    newLine();
    attempt("XGETBV without OSXSAVE", this::xgetbv);
    attempt("VEX without OSXSAVE", this::callVexLoop);
    setCr4(CR4_OSXSAVE, 0);
    cpuid(1, 0);
    asm.and(DWORD, Gpr.RCX, 0x1c00_1000);
    print("  after", Gpr.RCX);
    newLine();
    attempt("XGETBV", this::xgetbv);
    attempt("VEX without AVX state", this::callVexLoop);
    for (long value : new long[] {0, 2, 5, 1L << 62 | 7}) {
      attempt("XSETBV " + Long.toHexString(value), () -> xsetbv(value));
    }
    attempt(
        "XSETBV of another register",
        () -> {
          asm.mov(DWORD, Gpr.RCX, 1);
          asm.mov(DWORD, Gpr.RAX, 7);
          asm.mov(DWORD, Gpr.RDX, 0);
          asm.op(NullaryOp.XSETBV);
        });
    attemptAsUser("XSETBV by a user", () -> xsetbv(7));
    attempt("XSETBV 7", () -> xsetbv(7));
    attemptAsUser("XGETBV by a user", this::xgetbv);
    cpuid(0xd, 0);
    print("  size", Gpr.RBX);
    cpuid(0xd, 2);
    print("part", Gpr.RAX);
    print("at", Gpr.RBX);
    newLine();
  }

  private void lanes() {
    asm.op(NullaryOp.VZEROALL);
    attempt("256 bits", this::callVexLoop);
    attempt(
        "SSE keeps the upper half",
        () -> {
          asm.call(sseLoop);
          printYmm("ymm1", 1);
        });
    attempt(
        "128 bits clear it",
        () -> {
          asm.avx(VectorOp.PADDQ, VectorLength.L128, Xmm.of(1), Xmm.of(1), Mem.of(Gpr.RSI));
          printYmm("ymm1", 1);
        });
    attempt("again", this::callVexLoop);
    attempt(
        "VZEROUPPER",
        () -> {
          asm.op(NullaryOp.VZEROUPPER);
          printYmm("ymm1", 1);
        });
  }

  private void switches() {
    setCr0(CR0_EM, 0);
    // QEMU takes EM to apply to VEX encodings; the manual's exception tables do not.
    notOnQemu(() -> attempt("VEX with EM", this::callVexLoop));
    attempt("SSE with EM", () -> asm.call(sseLoop));
    setCr0(0, CR0_EM);
    setCr4(0, CR4_OSFXSR);
    attempt("VEX without OSFXSR", this::callVexLoop);
    attempt("SSE without OSFXSR", () -> asm.call(sseLoop));
    setCr4(CR4_OSFXSR, 0);
    setCr0(CR0_TS, 0);
    attempt("VEX with TS", this::callVexLoop);
    notOnQemu(() -> attempt("XSAVE with TS", () -> asm.op(MemOp.XSAVE, Mem.absolute(AREA))));
    asm.op(NullaryOp.CLTS);
    xsetbv(3);
    attempt("VEX after XSETBV 3", this::callVexLoop);
    attempt("SSE after XSETBV 3", () -> asm.call(sseLoop));
    xsetbv(7);
    setCr4(0, CR4_OSXSAVE);
    attempt("VEX after OSXSAVE is cleared", this::callVexLoop);
    setCr4(CR4_OSXSAVE, 0);
    attempt("VEX when all is back", this::callVexLoop);
    attemptAsUser("VEX by a user", this::callVexLoop);
  }

  private void faults() {
    asm.mov(QWORD, Gpr.RDI, AREA);
    asm.mov(DWORD, Gpr.RDX, 0);
    attempt("VMOVAPS, aligned", () -> asm.call(alignedLoop));
    asm.mov(QWORD, Gpr.RDI, AREA);
    asm.mov(DWORD, Gpr.RDX, 1);
    attempt("VMOVAPS, not aligned", () -> asm.call(alignedLoop));
    print("  rdi", Gpr.RDI);
    print("rcx", Gpr.RCX);
    newLine();
    mapPage(0);
    asm.mov(QWORD, Gpr.RDI, PAGE - 64 * 32);
    asm.mov(DWORD, Gpr.RDX, 32);
    attempt("VMOVAPS into a page that is not present", () -> asm.call(alignedLoop));
    print("  rdi", Gpr.RDI);
    print("rcx", Gpr.RCX);
    newLine();
    asm.mov(QWORD, Gpr.RSI, PAGE - 16);
    attempt("VPADDQ across its edge", this::callVexLoop);
    mapPage(PRESENT | WRITABLE);
    attempt("VPADDQ across pages", this::callVexLoop);
    asm.mov(QWORD, Gpr.RSI, INPUT);
  }

  private void xsave(MemOp op, int components) {
    asm.mov(DWORD, Gpr.RAX, components);
    asm.mov(DWORD, Gpr.RDX, 0);
    asm.op(op, Mem.absolute(AREA));
  }

  /** The bits of SSE and AVX state: processors differ in when they take x87 state for in use. */
  private void printComponents() {
    asm.mov(QWORD, Gpr.RBX, Mem.absolute(AREA + 512));
    asm.and(DWORD, Gpr.RBX, 6);
    print("  components", Gpr.RBX);
    print("mxcsr", Mem.absolute(AREA + 24));
    print("upper", Mem.absolute(AREA + 576 + 16 + 8));
    newLine();
  }

  private void saving() {
    attempt(
        "XSAVE and XRSTOR",
        () -> {
          asm.op(NullaryOp.VZEROALL);
          asm.call(vexLoop);
          xsave(MemOp.XSAVE, 7);
          printComponents();
          asm.op(NullaryOp.VZEROALL);
          xsave(MemOp.XRSTOR, 7);
          printYmm("ymm1", 1);
        });
    attempt(
        "XRSTOR of one component",
        () -> {
          asm.call(vexLoop);
          xsave(MemOp.XRSTOR, 4);
          printYmm("ymm1", 1);
        });
    attempt(
        "XRSTOR of an absent component",
        () -> {
          asm.and(DWORD, Mem.absolute(AREA + 512), ~4);
          xsave(MemOp.XRSTOR, 7);
          printYmm("ymm1", 1);
        });
    for (int offset : new int[] {512, 520, 528}) {
      attempt(
          "XRSTOR with a bad byte at " + offset,
          () -> {
            asm.or(DWORD, Mem.absolute(AREA + offset), 1 << 29);
            xsave(MemOp.XRSTOR, 7);
          });
      asm.and(DWORD, Mem.absolute(AREA + offset), ~(1 << 29));
    }
    attempt(
        "XSAVE that is not aligned",
        () -> {
          asm.mov(DWORD, Gpr.RAX, 7);
          asm.mov(DWORD, Gpr.RDX, 0);
          asm.op(MemOp.XSAVE, Mem.absolute(AREA + 32));
        });
    attempt("XRSTOR when all is good", () -> xsave(MemOp.XRSTOR, 7));
    notOnQemu(
        () ->
            attempt(
                "XSAVEC and XRSTOR",
                () -> {
                  asm.op(NullaryOp.VZEROALL);
                  asm.call(vexLoop);
                  xsave(MemOp.XSAVEC, 6);
                  printComponents();
                  print("  format", Mem.absolute(AREA + 520));
                  newLine();
                  asm.op(NullaryOp.VZEROALL);
                  xsave(MemOp.XRSTOR, 6);
                  printYmm("ymm1", 1);
                }));
  }
}
