package dev.pollux.core.jit.emit;

import dev.pollux.core.host.NativeCall;
import dev.pollux.core.jit.JitLayout;
import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.GprOp;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.ShiftOp;
import dev.pollux.core.jit.asm.X86Assembler;

/**
 * A function of the host for each operation of {@link FlagRecipe} and operand size, which tells the
 * flags: so that they are the host's own also where the manuals leave them undefined.
 */
public final class FlagFunctions {
  private static final OpSize[] SIZES = {OpSize.BYTE, OpSize.WORD, OpSize.DWORD, OpSize.QWORD};
  private static final int OPERATIONS = FlagRecipe.Kind.IMUL.ordinal() + 1;

  private final X86Assembler asm = new X86Assembler(CodeMode.BITS64);
  private final int[] offsets = new int[OPERATIONS * SIZES.length];
  private final long base;

  /**
   * @param base where the code will be
   */
  public FlagFunctions(long base) {
    this.base = base;
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] = asm.position();
      emit(FlagRecipe.Kind.values()[i / SIZES.length], SIZES[i % SIZES.length]);
    }
  }

  public CodeBuffer code() {
    return asm.code();
  }

  /** The flags of an operation on values of {@code 1 << size} bytes; higher bytes are ignored. */
  long call(FlagRecipe.Kind operation, int size, long a, long b) {
    long function = base + offsets[operation.ordinal() * SIZES.length + size];
    return JitLayout.unpackFlags((int) NativeCall.callCritical(function, a, b, 0));
  }

  private void emit(FlagRecipe.Kind operation, OpSize size) {
    asm.mov(OpSize.QWORD, Gpr.RAX, Gpr.RDI);
    asm.mov(OpSize.QWORD, Gpr.RCX, Gpr.RSI);
    switch (operation) {
      case ADD -> asm.add(size, Gpr.RAX, Gpr.RCX);
      case SUB -> asm.cmp(size, Gpr.RAX, Gpr.RCX);
      case AND -> asm.test(size, Gpr.RAX, Gpr.RCX);
      case SHL -> asm.shiftCl(ShiftOp.SHL, size, Gpr.RAX);
      case SHR -> asm.shiftCl(ShiftOp.SHR, size, Gpr.RAX);
      case SAR -> asm.shiftCl(ShiftOp.SAR, size, Gpr.RAX);
      case IMUL -> asm.op(GprOp.IMUL, size == OpSize.BYTE ? OpSize.WORD : size, Gpr.RAX, Gpr.RCX);
      default -> throw new IllegalStateException(operation.name());
    }
    asm.op(NullaryOp.LAHF);
    asm.setcc(Cond.O, Gpr.RAX);
    asm.ret();
  }
}
