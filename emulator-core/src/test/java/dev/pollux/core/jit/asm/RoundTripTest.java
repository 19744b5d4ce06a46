package dev.pollux.core.jit.asm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.Decoder;
import dev.pollux.core.decode.Disassembler;
import dev.pollux.core.decode.Insn;
import java.util.EnumSet;
import java.util.Locale;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What the assembler emits, read back by the decoder and the disassembler. */
class RoundTripTest {
  private static final String[] GPR64 = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15"
  };

  private final Decoder decoder = new Decoder(EnumSet.allOf(CpuFeature.class));

  /**
   * The text of the one instruction that {@code emit} assembles, or null if the assembler refuses
   * it.
   */
  private String text(CodeMode mode, Consumer<X86Assembler> emit) {
    X86Assembler assembler = new X86Assembler(mode);
    try {
      emit.accept(assembler);
    } catch (IllegalArgumentException refused) {
      return null;
    }
    byte[] bytes = assembler.finish();
    Insn insn = decoder.decode(bytes, 0, bytes.length, mode.bits());
    assertTrue(insn != null && insn.isValid(), "decodes");
    assertEquals(bytes.length, insn.length, "length of " + insn);
    return Disassembler.text(insn);
  }

  private static String mnemonic(String text) {
    int space = text.indexOf(' ');
    return space < 0 ? text : text.substring(0, space);
  }

  private static String lower(Enum<?> name) {
    return name.name().toLowerCase(Locale.ROOT);
  }

  @Test
  void integerOperandsOfAllRegisters() {
    for (AluOp op : AluOp.values()) {
      for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 16; j++) {
          Gpr first = Gpr.of(i);
          Gpr second = Gpr.of(j);
          assertEquals(
              lower(op) + " " + GPR64[i] + ", " + GPR64[j],
              text(CodeMode.BITS64, a -> a.alu(op, OpSize.QWORD, first, second)));
        }
      }
    }
  }

  @Test
  void memoryOperandsOfAllRegisters() {
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 16; j++) {
        if (j != Gpr.RSP.number()) {
          Mem mem = Mem.of(Gpr.of(i), Gpr.of(j), 4, 0x40);
          assertEquals(
              "mov dword ptr [" + GPR64[i] + "+" + GPR64[j] + "*4+0x40], ecx",
              text(CodeMode.BITS64, a -> a.mov(OpSize.DWORD, mem, Gpr.RCX)));
        }
      }
      Mem plain = Mem.of(Gpr.of(i));
      assertEquals(
          "mov rdx, qword ptr [" + GPR64[i] + "]",
          text(CodeMode.BITS64, a -> a.mov(OpSize.QWORD, Gpr.RDX, plain)));
    }
  }

  @Test
  void legacyVectorInstructions() {
    for (VectorOp op : VectorOp.values()) {
      for (XmmRm source : new XmmRm[] {Xmm.XMM9, Mem.of(Gpr.R9, Gpr.RBX, 4, 64)}) {
        String text =
            text(
                CodeMode.BITS64,
                a -> {
                  if (op.hasImmediate()) {
                    a.sse(op, Xmm.XMM1, source, 3);
                  } else {
                    a.sse(op, Xmm.XMM1, source);
                  }
                });
        if (text != null) {
          assertEquals(lower(op), mnemonic(text));
        }
      }
    }
  }

  @Test
  void vexVectorInstructions() {
    for (VectorOp op : VectorOp.values()) {
      String name = lower(op).replace("_imm", "");
      String expected = name.startsWith("v") ? name : "v" + name;
      int encodings = 0;
      for (VectorLength length : VectorLength.values()) {
        for (XmmRm source : new XmmRm[] {Xmm.XMM9, Mem.of(Gpr.R9, Gpr.RBX, 4, 64)}) {
          String text = text(CodeMode.BITS64, a -> vex(a, op, length, source));
          if (text != null) {
            encodings++;
            assertEquals(expected, mnemonic(text));
          }
        }
      }
      assertEquals(op.hasVexForm(), encodings > 0, op.name());
    }
  }

  private static void vex(X86Assembler a, VectorOp op, VectorLength length, XmmRm source) {
    boolean immediate = op.hasImmediate();
    switch (op.form()) {
      case RM, RMEM -> {
        if (immediate) {
          a.avx(op, length, Xmm.XMM1, source, 3);
        } else {
          a.avx(op, length, Xmm.XMM1, source);
        }
      }
      case RVM, RVR -> {
        if (immediate) {
          a.avx(op, length, Xmm.XMM1, Xmm.XMM2, source, 3);
        } else {
          a.avx(op, length, Xmm.XMM1, Xmm.XMM2, source);
        }
      }
      case RVMR -> a.avx(op, length, Xmm.XMM1, Xmm.XMM2, source, Xmm.XMM3);
    }
  }

  @Test
  void instructionsWithOneMemoryOperand() {
    for (MemOp op : MemOp.values()) {
      String x87 = lower(op).replaceAll("^(f.*?)(16|32|64|80)$", "$1");
      assertEquals(x87, mnemonic(text(CodeMode.BITS64, a -> a.op(op, Mem.of(Gpr.RAX)))));
    }
  }

  @Test
  void instructionsWithoutOperands() {
    for (CodeMode mode : CodeMode.values()) {
      for (NullaryOp op : NullaryOp.values()) {
        String text = text(mode, a -> a.op(op));
        String expected = lower(op).replace("_ax", "");
        if (text != null) {
          assertTrue(mnemonic(text).startsWith(expected), expected + " became " + text);
        }
      }
    }
  }

  @Test
  void integerInstructionsByName() {
    for (GprOp op : GprOp.values()) {
      assertEquals(
          lower(op) + (op == GprOp.LAR || op == GprOp.LSL ? " r9d, cx" : " r9d, ecx"),
          text(CodeMode.BITS64, a -> a.op(op, OpSize.DWORD, Gpr.R9, Gpr.RCX)));
    }
    for (BmiOp op : BmiOp.values()) {
      assertEquals(
          lower(op) + " rax, r9, rcx",
          text(CodeMode.BITS64, a -> a.bmi(op, OpSize.QWORD, Gpr.RAX, Gpr.R9, Gpr.RCX)));
    }
    for (BitOp op : BitOp.values()) {
      assertEquals(
          lower(op) + " ecx, 0x7", text(CodeMode.BITS32, a -> a.bit(op, OpSize.DWORD, Gpr.RCX, 7)));
    }
    for (ShiftOp op : ShiftOp.values()) {
      assertEquals(
          lower(op) + " cx, 0x3", text(CodeMode.BITS16, a -> a.shift(op, OpSize.WORD, Gpr.RCX, 3)));
    }
    for (UnaryOp op : UnaryOp.values()) {
      assertEquals(lower(op) + " bh", text(CodeMode.BITS32, a -> a.unary(op, OpSize.BYTE, Gpr.BH)));
    }
    for (X87Op op : X87Op.values()) {
      String expected = lower(op).replace("_to", "");
      assertEquals(expected, mnemonic(text(CodeMode.BITS64, a -> a.op(op, 3))));
    }
  }
}
