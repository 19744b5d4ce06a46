package dev.pollux.core.jit.asm;

import static dev.pollux.core.jit.asm.CodeMode.BITS16;
import static dev.pollux.core.jit.asm.CodeMode.BITS32;
import static dev.pollux.core.jit.asm.CodeMode.BITS64;
import static dev.pollux.core.jit.asm.Gpr.AH;
import static dev.pollux.core.jit.asm.Gpr.R12;
import static dev.pollux.core.jit.asm.Gpr.R13;
import static dev.pollux.core.jit.asm.Gpr.R8;
import static dev.pollux.core.jit.asm.Gpr.R9;
import static dev.pollux.core.jit.asm.Gpr.RAX;
import static dev.pollux.core.jit.asm.Gpr.RBP;
import static dev.pollux.core.jit.asm.Gpr.RBX;
import static dev.pollux.core.jit.asm.Gpr.RCX;
import static dev.pollux.core.jit.asm.Gpr.RDX;
import static dev.pollux.core.jit.asm.Gpr.RSI;
import static dev.pollux.core.jit.asm.Gpr.RSP;
import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;
import static dev.pollux.core.jit.asm.VectorLength.L128;
import static dev.pollux.core.jit.asm.VectorLength.L256;
import static dev.pollux.core.jit.asm.Xmm.XMM1;
import static dev.pollux.core.jit.asm.Xmm.XMM2;
import static dev.pollux.core.jit.asm.Xmm.XMM9;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HexFormat;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Encodings, labels and refusals; the expected bytes are those other assemblers give for the text.
 */
class X86AssemblerTest {
  static Stream<Arguments> encodings() {
    return Stream.of(
        row("4801d8", "add rax, rbx", BITS64, a -> a.add(QWORD, RAX, RBX)),
        row("488d4c2408", "lea rcx, [rsp+8]", BITS64, a -> a.lea(QWORD, RCX, Mem.of(RSP, 8))),
        row("458b6500", "mov r12d, [r13]", BITS64, a -> a.mov(DWORD, R12, Mem.of(R13))),
        row("40b601", "mov sil, 1", BITS64, a -> a.mov(BYTE, RSI, 1)),
        row("b401", "mov ah, 1", BITS64, a -> a.mov(BYTE, AH, 1)),
        row("b8ffffffff", "mov eax, -1 (64)", BITS64, a -> a.mov(QWORD, RAX, 0xffff_ffffL)),
        row("48c7c0ffffffff", "mov rax, -1", BITS64, a -> a.mov(QWORD, RAX, -1)),
        row(
            "49b8efcdab8967452301",
            "mov r8, imm64",
            BITS64,
            a -> a.mov(QWORD, R8, 0x0123_4567_89ab_cdefL)),
        row("f0490fc1449d00", "lock xadd [r13+rbx*4], rax", BITS64, X86AssemblerTest::lockXadd),
        row("6681c33412", "add bx, 0x1234", BITS64, a -> a.add(WORD, RBX, 0x1234)),
        row("4883c0ff", "add rax, -1", BITS64, a -> a.add(QWORD, RAX, -1)),
        row("25ff000000", "and eax, 0xff", BITS64, a -> a.and(DWORD, RAX, 0xff)),
        row("648b042528000000", "mov eax, fs:[0x28]", BITS64, X86AssemblerTest::segment),
        row("678b00", "mov eax, [eax]", BITS64, a -> a.mov(DWORD, RAX, Mem.of(RAX).addressed(32))),
        row("f3480fb8c2", "popcnt rax, rdx", BITS64, a -> a.op(GprOp.POPCNT, QWORD, RAX, RDX)),
        row(
            "c4e2f0f2c2",
            "andn rax, rcx, rdx",
            BITS64,
            a -> a.bmi(BmiOp.ANDN, QWORD, RAX, RCX, RDX)),
        row(
            "c4e2eaf7c1",
            "sarx rax, rcx, rdx",
            BITS64,
            a -> a.bmi(BmiOp.SARX, QWORD, RAX, RCX, RDX)),
        row("480fc70e", "cmpxchg8b wide", BITS64, a -> a.cmpxchg16b(Mem.of(RSI))),
        row("f348ab", "rep stosq", BITS64, a -> a.rep(StringOp.STOS, QWORD)),
        row("48cf", "iretq", BITS64, a -> a.iret(QWORD)),
        row("0f0118", "lidt [rax]", BITS64, a -> a.op(MemOp.LIDT, Mem.of(RAX))),
        row("440f20c0", "mov rax, cr8", BITS64, a -> a.mov(RAX, ControlReg.CR8)),
        row("f30f58ca", "addss xmm1, xmm2", BITS64, a -> a.sse(VectorOp.ADDSS, XMM1, XMM2)),
        row("c5b4580e", "vaddps ymm1, ymm9, [rsi]", BITS64, X86AssemblerTest::vaddps),
        row("c4c26998c9", "vfmadd132ps", BITS64, X86AssemblerTest::fma),
        row("660f3a0bca03", "roundsd", BITS64, a -> a.sse(VectorOp.ROUNDSD, XMM1, XMM2, 3)),
        row("f3480f2ac8", "cvtsi2ss xmm1, rax", BITS64, a -> a.cvtsi2ss(QWORD, XMM1, RAX)),
        row("66480f6ec8", "movq xmm1, rax", BITS64, a -> a.movd(QWORD, XMM1, RAX)),
        row("dec1", "faddp", BITS64, a -> a.op(X87Op.FADDP, 1)),
        row("e480", "in al, 0x80", BITS64, a -> a.in(BYTE, 0x80)),
        row("8b4702", "mov ax, [bx+2]", BITS16, a -> a.mov(WORD, RAX, Mem.of(RBX, 2))),
        row("668b4702", "mov eax, [bx+2]", BITS16, a -> a.mov(DWORD, RAX, Mem.of(RBX, 2))),
        row("8b4600", "mov ax, [bp]", BITS16, a -> a.mov(WORD, RAX, Mem.of(RBP))),
        row("8b02", "mov ax, [bp+si]", BITS16, a -> a.mov(WORD, RAX, Mem.of(RBP, RSI, 1, 0))),
        row("678b03", "mov ax, [ebx]", BITS16, a -> a.mov(WORD, RAX, Mem.of(RBX).addressed(32))),
        row("8b0d78563412", "mov ecx, [0x12345678]", BITS32, X86AssemblerTest::absolute),
        row("60", "pushad", BITS32, a -> a.op(NullaryOp.PUSHA)),
        row("8ed8", "mov ds, ax", BITS32, a -> a.mov(Seg.DS, RAX)));
  }

  private static void lockXadd(X86Assembler a) {
    a.lock();
    a.xadd(QWORD, Mem.of(R13, RBX, 4, 0), RAX);
  }

  private static void segment(X86Assembler a) {
    a.mov(DWORD, RAX, Mem.absolute(0x28).in(Seg.FS));
  }

  private static void vaddps(X86Assembler a) {
    a.avx(VectorOp.ADDPS, L256, XMM1, XMM9, Mem.of(RSI));
  }

  private static void fma(X86Assembler a) {
    a.avx(VectorOp.VFMADD132PS, L128, XMM1, XMM2, XMM9);
  }

  private static void absolute(X86Assembler a) {
    a.mov(DWORD, RCX, Mem.absolute(0x1234_5678));
  }

  private static Arguments row(
      String bytes, String text, CodeMode mode, Consumer<X86Assembler> emit) {
    return Arguments.of(bytes, text, mode, emit);
  }

  @ParameterizedTest(name = "{1}")
  @MethodSource("encodings")
  void encodes(String bytes, String text, CodeMode mode, Consumer<X86Assembler> emit) {
    X86Assembler assembler = new X86Assembler(mode);
    emit.accept(assembler);
    assertEquals(bytes, HexFormat.of().formatHex(assembler.finish()), text);
  }

  static Stream<Arguments> refusals() {
    return Stream.of(
        refusal("AH beside REX", BITS64, a -> a.mov(BYTE, AH, R8)),
        refusal("AH as a word", BITS64, a -> a.mov(WORD, AH, RAX)),
        refusal("R9 in 32-bit code", BITS32, a -> a.mov(DWORD, R9, RAX)),
        refusal("SIL in 32-bit code", BITS32, a -> a.mov(BYTE, RSI, 1)),
        refusal("QWORD in 32-bit code", BITS32, a -> a.add(QWORD, RAX, RBX)),
        refusal("immediate too wide", BITS64, a -> a.add(BYTE, RAX, 256)),
        refusal("scale 3", BITS64, a -> a.mov(BYTE, RAX, Mem.of(RAX, RBX, 3, 0))),
        refusal("RSP as index", BITS64, a -> a.mov(BYTE, RAX, Mem.of(RAX, RSP, 1, 0))),
        refusal("[AX] in 16-bit code", BITS16, a -> a.mov(BYTE, RAX, Mem.of(RAX))),
        refusal("16-bit address in 64-bit code", BITS64, X86AssemblerTest::address16),
        refusal("PUSHA in 64-bit code", BITS64, a -> a.op(NullaryOp.PUSHA)),
        refusal("PUSH DS in 64-bit code", BITS64, a -> a.push(Seg.DS)),
        refusal("SYSCALL in 32-bit code", BITS32, a -> a.op(NullaryOp.SYSCALL)),
        refusal("byte IMUL", BITS64, a -> a.op(GprOp.IMUL, BYTE, RAX, RBX)),
        refusal("MOVHLPS from memory", BITS64, X86AssemblerTest::movhlps),
        refusal("missing immediate", BITS64, a -> a.sse(VectorOp.SHUFPS, XMM1, XMM2)),
        refusal("legacy VPERMQ", BITS64, a -> a.sse(VectorOp.VPERMQ, XMM1, XMM2, 1)),
        refusal("two operands of VADDPS", BITS64, a -> a.avx(VectorOp.ADDPS, L128, XMM1, XMM2)),
        refusal("store with LDDQU", BITS64, a -> a.sse(VectorMove.LDDQU, Mem.of(RAX), XMM1)));
  }

  private static void address16(X86Assembler a) {
    a.mov(BYTE, RAX, Mem.of(RBX).addressed(16));
  }

  private static void movhlps(X86Assembler a) {
    a.sse(VectorOp.MOVHLPS, XMM1, Mem.of(RAX));
  }

  private static Arguments refusal(String what, CodeMode mode, Consumer<X86Assembler> emit) {
    return Arguments.of(what, mode, emit);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refusals")
  void refuses(String what, CodeMode mode, Consumer<X86Assembler> emit) {
    X86Assembler assembler = new X86Assembler(mode);
    assertThrows(IllegalArgumentException.class, () -> emit.accept(assembler), what);
  }

  @Test
  void lockOnlyBeforeWhatCanBeLocked() {
    X86Assembler move = new X86Assembler(BITS64);
    move.lock();
    assertThrows(IllegalStateException.class, () -> move.mov(DWORD, Mem.of(RAX), RBX));
    X86Assembler register = new X86Assembler(BITS64);
    register.lock();
    assertThrows(IllegalStateException.class, () -> register.add(DWORD, RAX, RBX));
  }

  @Test
  void branchesForwardAndBack() {
    X86Assembler a = new X86Assembler(BITS64);
    Label top = a.here();
    Label end = new Label("end");
    a.jcc(Cond.NE, end);
    a.jmp(top);
    a.jmpShort(end);
    a.bind(end);
    assertArrayEquals(bytes("0f8504000000ebf8eb00"), a.finish());
  }

  @Test
  void ripRelativeCountsTheImmediate() {
    X86Assembler a = new X86Assembler(BITS64);
    Label data = new Label();
    a.mov(DWORD, Mem.of(data, 4), 0x11223344);
    a.imul(DWORD, RAX, Mem.of(data), 100);
    a.bind(data);
    assertArrayEquals(bytes("c7050b00000044332211" + "6b050000000064"), a.finish());
  }

  @Test
  void absoluteReferencesAndData() {
    X86Assembler a = new X86Assembler(BITS32);
    a.org(0x1000);
    Label table = new Label();
    a.mov(DWORD, RAX, table);
    a.mov(DWORD, RAX, Mem.of(RBX, table));
    a.jmpFar(DWORD, 8, table);
    a.alignData(8);
    a.bind(table);
    a.dd(table);
    a.dw(0x1234);
    assertArrayEquals(
        bytes(
            "b818100000"
                + "8b8318100000"
                + "ea181000000800"
                + "000000000000"
                + "18100000"
                + "3412"),
        a.finish());
  }

  @Test
  void unboundAndUnreachableLabelsAreErrors() {
    X86Assembler unbound = new X86Assembler(BITS64);
    unbound.jmp(new Label());
    assertThrows(IllegalStateException.class, unbound::finish);
    unbound.restart();
    unbound.nop(1);
    assertArrayEquals(new byte[] {(byte) 0x90}, unbound.finish());
    X86Assembler far = new X86Assembler(BITS64);
    Label target = new Label();
    far.jmpShort(target);
    far.nop(200);
    assertThrows(IllegalArgumentException.class, () -> far.bind(target));
  }

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex);
  }
}
