package dev.pollux.core.jit.emit;

import dev.pollux.core.decode.Insn;

/** Which general registers a translated instruction may change. */
final class RegistersWritten {
  private static final int RAX = 1;
  private static final int RCX = 1 << 1;
  private static final int RDX = 1 << 2;
  private static final int RSP = 1 << 4;
  private static final int RBP = 1 << 5;
  private static final int RSI = 1 << 6;
  private static final int RDI = 1 << 7;

  private RegistersWritten() {}

  /** Guest registers, a bit each. */
  static int by(Insn insn) {
    int written = implicit(insn);
    for (int i = 0; i < insn.operandCount; i++) {
      int kind = insn.kind(i);
      if ((kind == Insn.GPR || kind == Insn.GPR8H) && Translatable.writes(insn, i)) {
        written |= 1 << insn.reg(i);
      }
    }
    return written;
  }

  private static int implicit(Insn insn) {
    return switch (insn.op) {
      case CBW, LAHF, CMPXCHG -> RAX;
      case CWD -> RDX;
      case MUL, IMUL -> insn.operandCount == 1 ? RAX | RDX : 0;
      case DIV, IDIV, CMPXCHG8B, CMPXCHG16B -> RAX | RDX;
      case RDTSC, RDTSCP -> RAX | RCX | RDX;
      case MOVS, STOS -> RCX | RSI | RDI;
      case PCMPESTRI, PCMPISTRI, VPCMPESTRI, VPCMPISTRI, SYSCALL, SYSRET, LOOP -> RCX;
      case PUSH, POP, PUSHF, CALL, RET, IRET -> RSP;
      case LEAVE -> RSP | RBP;
      default -> 0;
    };
  }
}
