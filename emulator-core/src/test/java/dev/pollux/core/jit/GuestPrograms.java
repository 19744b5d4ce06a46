package dev.pollux.core.jit;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.NullaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.function.Consumer;

/** 64-bit code of guests. */
public final class GuestPrograms {
  private GuestPrograms() {}

  /** The bytes of code that is going to lie at {@code address}. */
  public static byte[] assemble(int address, Consumer<X86Assembler> code) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.org(address);
    code.accept(asm);
    return asm.finish();
  }

  /** The same with HLT behind it. */
  public static byte[] halting(int address, Consumer<X86Assembler> code) {
    return assemble(address, code.andThen(asm -> asm.op(NullaryOp.HLT)));
  }
}
