package dev.pollux.core.jit.emit;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;

/**
 * Where guest registers live while generated code runs. Registers with implicit uses keep their own
 * number; the host's stack pointer stays the native stack, so guest RSP has another.
 *
 * <pre>
 * guest  rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15   xmm/ymm i   st(i)
 * host   rax rcx rdx rbx r14 rbp rsi rdi r8 r9  m   m  r10 r11  m   m    xmm/ymm i   st(i)
 * host   r12, r13: scratch    r15: state block    m: in the state block
 * </pre>
 */
final class RegisterMap {
  private RegisterMap() {}

  /** Holds the state block's address plus {@link #BIAS}. */
  static final Gpr STATE = Gpr.R15;

  /** So that fields at offsets from 0 to 255 are reached with a displacement of one byte. */
  static final int BIAS = 128;

  /** Scratch; the host address of a memory operand. */
  static final Gpr S1 = Gpr.R12;

  /** Scratch; stands in for a guest register that is in memory. */
  static final Gpr S2 = Gpr.R13;

  /** Guest RSP. */
  static final Gpr SP = Gpr.R14;

  private static final Gpr[] HOST = {
    Gpr.RAX, Gpr.RCX, Gpr.RDX, Gpr.RBX, SP, Gpr.RBP, Gpr.RSI, Gpr.RDI, Gpr.R8, Gpr.R9, null, null,
    Gpr.R10, Gpr.R11, null, null
  };

  private static final Mem[] SLOT = new Mem[16];

  static {
    for (int i = 0; i < 16; i++) {
      SLOT[i] = state(CpuLayout.GPR + 8 * i);
    }
  }

  /** The host register that holds a guest register, or null if it lives in the state block. */
  static Gpr host(int guest) {
    return HOST[guest];
  }

  /** A guest register's place in the state block. */
  static Mem slot(int guest) {
    return SLOT[guest];
  }

  /** A field of the state block. */
  static Mem state(int offset) {
    return Mem.of(STATE, offset - BIAS);
  }

  /** The same with {@code scale} times an index beyond it. */
  static Mem state(Gpr index, int scale, int offset) {
    return Mem.of(STATE, index, scale, offset - BIAS);
  }
}
