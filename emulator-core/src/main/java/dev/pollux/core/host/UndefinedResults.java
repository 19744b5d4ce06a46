package dev.pollux.core.host;

import dev.pollux.core.jit.asm.CodeMode;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.OpSize;
import dev.pollux.core.jit.asm.UnaryOp;
import dev.pollux.core.jit.asm.X86Assembler;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What an instruction leaves where the manuals say that it is undefined: what the host's processor
 * makes of it, which executes the instruction for the interpreter as it does in generated code. For
 * any thread; immutable.
 */
public final class UndefinedResults {
  private static final OpSize[] SIZES = {OpSize.BYTE, OpSize.WORD, OpSize.DWORD, OpSize.QWORD};
  private static final int PAGE = 4096;

  private static final Optional<UndefinedResults> HOST = host();

  private final ExecutableMemory page = ExecutableMemory.allocate(PAGE);
  private final long[] unsigned = new long[SIZES.length];
  private final long[] signed = new long[SIZES.length];
  private final long left;
  private final long right;
  private int used;

  private UndefinedResults() throws IOException {
    for (int i = 0; i < SIZES.length; i++) {
      OpSize size = SIZES[i];
      unsigned[i] = function(asm -> asm.unary(UnaryOp.DIV, size, Gpr.R8));
      signed[i] = function(asm -> asm.unary(UnaryOp.IDIV, size, Gpr.R8));
    }
    left = function(asm -> asm.shldCl(OpSize.WORD, Gpr.RAX, Gpr.R8));
    right = function(asm -> asm.shrdCl(OpSize.WORD, Gpr.RAX, Gpr.R8));
  }

  /** Of this host, or nothing where it is not x86-64 or allows no code that is made at run time. */
  public static Optional<UndefinedResults> ofHost() {
    return HOST;
  }

  private static Optional<UndefinedResults> host() {
    if (HostCpu.isX86()) {
      try {
        return Optional.of(new UndefinedResults());
      } catch (IOException e) {
        // Then there is no generated code to agree with either.
      }
    }
    return Optional.empty();
  }

  /**
   * The status flags that DIV leaves, in their places in RFLAGS; other bits are any.
   *
   * @param size of the divisor in bytes; of operands of one byte {@code low} has the whole dividend
   * @param low of the dividend
   * @param high of the dividend, RDX
   * @param divisor for which the quotient fits: the host must not raise #DE
   * @param flags before
   */
  public int ofDivision(int size, long low, long high, long divisor, int flags) {
    long function = unsigned[Integer.numberOfTrailingZeros(size)];
    return (int) (NativeCall.callCritical(function, low, high, divisor, flags) >>> 32);
  }

  /** The same of IDIV. */
  public int ofSignedDivision(int size, long low, long high, long divisor, int flags) {
    long function = signed[Integer.numberOfTrailingZeros(size)];
    return (int) (NativeCall.callCritical(function, low, high, divisor, flags) >>> 32);
  }

  /**
   * SHLD, or SHRD, of 16 bits.
   *
   * @param count 0 to 31
   * @param flags before
   * @return the result in the lowest 16 bits, and from bit 32 on RFLAGS
   */
  public long ofDoubleShift(boolean left, long a, long b, int count, int flags) {
    return NativeCall.callCritical(left ? this.left : right, a, count, b, flags);
  }

  /**
   * An instruction that finds the four arguments in RAX, in RDX and RCX, in R8 and in RFLAGS; the
   * result is EAX with RFLAGS above it.
   */
  private long function(Consumer<X86Assembler> instruction) {
    X86Assembler asm = new X86Assembler(CodeMode.BITS64);
    asm.mov(OpSize.QWORD, Gpr.RAX, Gpr.RDI);
    asm.mov(OpSize.QWORD, Gpr.R8, Gpr.RDX);
    asm.push(Gpr.RCX);
    asm.mov(OpSize.QWORD, Gpr.RDX, Gpr.RSI);
    asm.mov(OpSize.QWORD, Gpr.RCX, Gpr.RSI);
    asm.popf();
    instruction.accept(asm);
    asm.pushf();
    asm.pop(Gpr.RDX);
    asm.mov(OpSize.DWORD, Gpr.RAX, Gpr.RAX);
    asm.shl(OpSize.QWORD, Gpr.RDX, 32);
    asm.or(OpSize.QWORD, Gpr.RAX, Gpr.RDX);
    asm.ret();
    long address = page.write(used, asm.code());
    used += asm.code().position();
    return address;
  }
}
