package dev.pollux.core.decode;

import java.util.Locale;
import java.util.Objects;

/**
 * Instructions as text, in Intel syntax: destination first, {@code dword ptr gs:[rax+rcx*4+0x10]},
 * immediates in hexadecimal, cut to the size of the operation. Prefixes without effect are not
 * shown. QEMU prints AT&amp;T syntax; the monitor and the logs of Pollux use this one throughout.
 */
public final class Disassembler {
  private static final String[] GPR64 = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
  };
  private static final String[] GPR32 = {
    "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi",
    "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"
  };
  private static final String[] GPR16 = {
    "ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
    "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"
  };
  private static final String[] GPR8 = {
    "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil",
    "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"
  };
  private static final String[] GPR8_HIGH = {"ah", "ch", "dh", "bh"};
  private static final String[] SEGMENTS = {"es", "cs", "ss", "ds", "fs", "gs"};
  private static final String[] CONDITIONS = {
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"
  };

  private Disassembler() {}

  /** The instruction with branch targets relative to its end, written {@code $+0x10}. */
  public static String text(Insn insn) {
    return text(insn, null);
  }

  /** The instruction at a given address, with absolute branch targets. */
  public static String text(Insn insn, long address) {
    return text(insn, (Long) address);
  }

  /**
   * Lines of the form {@code 0x00001000: 48 89 e5 mov rbp, rsp} for a stretch of code, as the log
   * of translated code and the monitor's {@code x/i} print it. Bytes that are no instruction are
   * shown as {@code (bad)}, one by one.
   *
   * @param code bytes of code
   * @param offset index of the first instruction
   * @param limit index after the last byte
   * @param address virtual address of the first instruction
   * @param mode 16, 32 or 64
   * @param maxInsns stop after this many lines
   */
  public static String listing(
      Decoder decoder, byte[] code, int offset, int limit, long address, int mode, int maxInsns) {
    Objects.checkFromToIndex(offset, limit, code.length);
    StringBuilder out = new StringBuilder();
    int at = offset;
    for (int n = 0; n < maxInsns && at < limit; n++) {
      Insn insn = decoder.decode(code, at, limit, mode);
      boolean valid = insn != null && insn.isValid();
      int length = valid ? insn.length : 1;
      long insnAddress = address + (at - offset);
      out.append(String.format(mode == 64 ? "0x%016x:  " : "0x%08x:  ", insnAddress));
      StringBuilder bytes = new StringBuilder();
      for (int i = 0; i < length; i++) {
        bytes.append(String.format("%02x ", code[at + i]));
      }
      out.append(String.format("%-32s ", bytes));
      out.append(valid ? text(insn, insnAddress) : "(bad)").append('\n');
      at += length;
    }
    return out.toString();
  }

  private static String text(Insn insn, Long address) {
    StringBuilder out = new StringBuilder(40);
    if (!insn.isValid()) {
      return "(bad)";
    }
    if (insn.lock) {
      out.append("lock ");
    }
    if (insn.rep != 0 && insn.info.has(OpcodeInfo.Property.REP)) {
      out.append(repeat(insn));
    }
    out.append(mnemonic(insn));
    String separator = " ";
    for (int i = hiddenOperands(insn); i < insn.operandCount; i++) {
      out.append(separator);
      operand(out, insn, i, address);
      separator = ", ";
    }
    return out.toString();
  }

  private static String repeat(Insn insn) {
    if (insn.rep == 0xF2) {
      return "repne ";
    }
    return insn.op == Op.CMPS || insn.op == Op.SCAS ? "repe " : "rep ";
  }

  /** The x87 instructions with a memory operand do not name ST0. */
  private static int hiddenOperands(Insn insn) {
    return insn.kind0 == Insn.ST && insn.kind1 == Insn.MEM ? 1 : 0;
  }

  private static String bySize(int size, String word, String dword, String qword) {
    return switch (size) {
      case 2 -> word;
      case 4 -> dword;
      default -> qword;
    };
  }

  private static String mnemonic(Insn insn) {
    return switch (insn.op) {
      case JCC -> "j" + CONDITIONS[insn.cond];
      case SETCC -> "set" + CONDITIONS[insn.cond];
      case CMOVCC -> "cmov" + CONDITIONS[insn.cond];
      case JCXZ -> bySize(insn.addrSize, "jcxz", "jecxz", "jrcxz");
      case CBW -> bySize(insn.opSize, "cbw", "cwde", "cdqe");
      case CWD -> bySize(insn.opSize, "cwd", "cdq", "cqo");
      case CALL_FAR -> "call far";
      case JMP_FAR -> "jmp far";
      case RET_FAR -> bySize(insn.opSize, "retfw", "retf", "retfq");
      case IRET -> bySize(insn.opSize, "iretw", "iretd", "iretq");
      case PUSHF -> bySize(insn.opSize, "pushfw", "pushfd", "pushfq");
      case POPF -> bySize(insn.opSize, "popfw", "popfd", "popfq");
      case PUSHA -> bySize(insn.opSize, "pushaw", "pushad", "");
      case POPA -> bySize(insn.opSize, "popaw", "popad", "");
      case SYSRET -> bySize(insn.opSize, "sysret", "sysret", "sysretq");
      case SYSEXIT -> bySize(insn.opSize, "sysexit", "sysexit", "sysexitq");
      case MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS -> lower(insn.op) + stringSuffix(insn);
      case MOV_SREG, MOV_CR, MOV_DR -> "mov";
      case PUSH_SREG -> "push";
      case POP_SREG -> "pop";
      case XLAT -> "xlatb";
      case PREFETCH -> (insn.modRm >> 3 & 7) == 1 ? "prefetchw" : "prefetch";
      case MOVD, VMOVD -> lower(insn.op, Math.max(gprOrMemSize(insn), 4) == 8 ? "q" : "d");
      case PEXTRD, PINSRD, VPEXTRD, VPINSRD -> lower(insn.op, gprOrMemSize(insn) == 8 ? "q" : "d");
      case FXSAVE, FXRSTOR, XSAVE, XRSTOR, XSAVEOPT, XSAVEC, XSAVES, XRSTORS ->
          lower(insn.op) + ((insn.rex & 8) != 0 ? "64" : "");
      default -> lower(insn.op);
    };
  }

  private static String lower(Op op) {
    return op.name().toLowerCase(Locale.ROOT);
  }

  /** The name with its last letter replaced. */
  private static String lower(Op op, String last) {
    String name = lower(op);
    return name.substring(0, name.length() - 1) + last;
  }

  /** The size of the first operand that is a general register or memory. */
  private static int gprOrMemSize(Insn insn) {
    for (int i = 0; i < insn.operandCount; i++) {
      if (insn.kind(i) == Insn.GPR || insn.kind(i) == Insn.MEM) {
        return insn.size(i);
      }
    }
    return 0;
  }

  private static String stringSuffix(Insn insn) {
    for (int i = 0; i < insn.operandCount; i++) {
      if (insn.kind(i) == Insn.MEM || insn.kind(i) == Insn.STRING_DST) {
        return insn.size(i) == 1 ? "b" : bySize(insn.size(i), "w", "d", "q");
      }
    }
    throw new AssertionError(insn.op);
  }

  private static void operand(StringBuilder out, Insn insn, int i, Long address) {
    int reg = insn.reg(i);
    int size = insn.size(i);
    switch (insn.kind(i)) {
      case Insn.GPR -> out.append(gpr(reg, size));
      case Insn.GPR8H -> out.append(GPR8_HIGH[reg]);
      case Insn.SEG -> out.append(SEGMENTS[reg]);
      case Insn.CR -> out.append("cr").append(reg);
      case Insn.DR -> out.append("dr").append(reg);
      case Insn.ST -> out.append("st(").append(reg).append(')');
      case Insn.MMX -> out.append("mm").append(reg);
      case Insn.XMM -> out.append(size == 32 ? "ymm" : "xmm").append(reg);
      case Insn.MEM -> memory(out, insn, size);
      case Insn.STRING_DST ->
          out.append(pointer(insn, size)).append("es:[").append(gpr(7, insn.addrSize)).append(']');
      case Insn.IMM -> hex(out, cut(insn.imm, immediateSize(insn, i)));
      case Insn.IMM2 -> hex(out, insn.imm2);
      case Insn.REL -> branchTarget(out, insn, address);
      case Insn.FAR -> {
        hex(out, insn.imm2);
        out.append(':');
        hex(out, insn.imm);
      }
      default -> throw new AssertionError(insn.kind(i));
    }
  }

  private static String gpr(int reg, int size) {
    return switch (size) {
      case 1 -> GPR8[reg];
      case 2 -> GPR16[reg];
      case 4 -> GPR32[reg];
      default -> GPR64[reg];
    };
  }

  /** A sign-extended immediate is shown in the size of the destination. */
  private static int immediateSize(Insn insn, int i) {
    if (insn.info.specs[i].addressing() != OperandSpec.Addressing.SIMM) {
      return 8;
    }
    return switch (insn.op) {
      case PUSH -> insn.opSize;
      default -> insn.size0;
    };
  }

  private static long cut(long value, int size) {
    return size >= 8 ? value : value & (1L << 8 * size) - 1;
  }

  private static void hex(StringBuilder out, long value) {
    out.append("0x").append(Long.toHexString(value));
  }

  private static void branchTarget(StringBuilder out, Insn insn, Long address) {
    if (address == null) {
      out.append('$');
      signedHex(out, insn.imm, true);
    } else {
      hex(out, cut(address + insn.length + insn.imm, insn.opSize));
    }
  }

  private static void signedHex(StringBuilder out, long value, boolean explicitPlus) {
    if (value < 0) {
      out.append("-0x").append(Long.toHexString(-value));
    } else {
      out.append(explicitPlus ? "+0x" : "0x").append(Long.toHexString(value));
    }
  }

  private static String pointer(Insn insn, int size) {
    if (insn.info.has(OpcodeInfo.Property.HINT) && insn.op != Op.NOP) {
      return "";
    }
    return switch (size) {
      case 1 -> "byte ptr ";
      case 2 -> "word ptr ";
      case 4 -> "dword ptr ";
      case 6 -> "fword ptr ";
      case 8 -> "qword ptr ";
      case 10 -> "tbyte ptr ";
      case 16 -> "xmmword ptr ";
      case 32 -> "ymmword ptr ";
      default -> "";
    };
  }

  private static void memory(StringBuilder out, Insn insn, int size) {
    boolean sized =
        switch (insn.op) {
          case SGDT, SIDT, LGDT, LIDT, BOUND, CLFLUSH, CLFLUSHOPT, CLWB, MONITOR, CLZERO -> false;
          default -> true;
        };
    if (sized) {
      out.append(pointer(insn, size));
    }
    if (insn.segOverride >= 0) {
      out.append(SEGMENTS[insn.segment]).append(':');
    }
    out.append('[');
    boolean empty = true;
    if (insn.ripRelative) {
      out.append(insn.addrSize == 8 ? "rip" : "eip");
      empty = false;
    }
    if (insn.base != Insn.REG_ZERO) {
      out.append(gpr(insn.base, insn.addrSize));
      empty = false;
    }
    if (insn.index != Insn.REG_ZERO) {
      out.append(empty ? "" : "+");
      if (insn.vsibSize != 0) {
        out.append(insn.vsibSize == 32 ? "ymm" : "xmm").append(insn.index);
      } else {
        out.append(gpr(insn.index, insn.addrSize));
      }
      if (insn.addrSize != 2) {
        out.append('*').append(1 << insn.scale);
      }
      empty = false;
    }
    if (empty) {
      hex(out, cut(insn.disp, insn.addrSize));
    } else if (insn.disp != 0) {
      signedHex(out, insn.disp, true);
    }
    out.append(']');
  }
}
