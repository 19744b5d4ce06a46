package dev.pollux.core.jit.emit;

import dev.pollux.core.jit.asm.CodeBuffer;
import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.X86Assembler;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Code that is the same wherever it stands but for a field or two: assembled once, copied since.
 * Much of what a translation consists of is such code, and most translations are made before the
 * JVM has compiled the assembler well.
 */
final class Fragment {
  private static final int DISPLACEMENT = 4;

  private final byte[] bytes;

  private Fragment(byte[] bytes) {
    this.bytes = bytes;
  }

  /** All of {@code code}. */
  static Fragment of(Consumer<X86Assembler> code) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    code.accept(asm);
    return new Fragment(asm.finish());
  }

  /** All of {@code code} but its last four bytes, which whoever appends it writes. */
  static Fragment open(Consumer<X86Assembler> code) {
    byte[] whole = of(code).bytes;
    return new Fragment(Arrays.copyOf(whole, whole.length - DISPLACEMENT));
  }

  /** {@code code} and a conditional jump whose displacement is written by whoever appends it. */
  static Fragment jumping(Cond condition, Consumer<X86Assembler> code) {
    return open(
        asm -> {
          Label target = new Label();
          code.accept(asm);
          asm.jcc(condition, target);
          asm.bind(target);
        });
  }

  /** Appends the code to what {@code target} holds and returns the offset behind it. */
  int appendTo(CodeBuffer target) {
    target.putBytes(bytes);
    return target.position();
  }
}
