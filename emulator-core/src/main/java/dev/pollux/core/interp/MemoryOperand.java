package dev.pollux.core.interp;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.decode.Insn;
import dev.pollux.core.host.RawMemory;

/** The memory operand of an instruction, its address computed from offsets into the state block. */
final class MemoryOperand {
  /** No memory operand. */
  static final int NONE = 0;

  /** 64-bit mode, base and displacement; RIP-relative operands have the block's RIP as base. */
  static final int BASE = 1;

  /** 64-bit mode, base, scaled index and displacement. */
  static final int INDEXED = 2;

  /** 64-bit mode with the base of FS or GS added. */
  static final int SEGMENT = 3;

  /** Anything else, by the general way. */
  static final int GENERAL = 4;

  private final int base;
  private final int index;
  private final int scale;
  private final long disp;
  private final int segmentBase;
  private final Insn insn;

  MemoryOperand(Insn insn) {
    this.insn = insn;
    this.base = (insn.ripRelative ? CpuLayout.REG_BLOCK : insn.base) * 8;
    this.index = insn.index * 8;
    this.scale = insn.scale;
    this.disp = insn.ripRelative ? insn.disp + insn.nextOffset : insn.disp;
    this.segmentBase =
        CpuLayout.SEG + Math.max(insn.segment, 0) * CpuLayout.SEG_SIZE + CpuLayout.SEG_BASE;
  }

  /** The kind of an instruction's memory operand. */
  static int kind(Insn insn) {
    if (!insn.hasMemory()) {
      return NONE;
    }
    if (insn.mode != 64 || insn.addrSize != 8) {
      return GENERAL;
    }
    if (insn.segment >= Insn.FS) {
      return SEGMENT;
    }
    return insn.index == Insn.REG_ZERO ? BASE : INDEXED;
  }

  /** The linear address; {@code kind} and {@code size} are constants where this is called. */
  long linear(Interpreter cpu, int kind, int size, boolean write) {
    long s = cpu.s;
    return switch (kind) {
      case BASE -> RawMemory.getLong(s + base) + disp;
      case INDEXED -> RawMemory.getLong(s + base) + (RawMemory.getLong(s + index) << scale) + disp;
      case SEGMENT ->
          RawMemory.getLong(s + base)
              + (RawMemory.getLong(s + index) << scale)
              + disp
              + RawMemory.getLong(s + segmentBase);
      default -> cpu.address(insn, size, write);
    };
  }
}
