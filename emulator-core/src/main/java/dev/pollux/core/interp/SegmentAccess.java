package dev.pollux.core.interp;

import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuException;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;

/** Limit and type checks of data accesses outside 64-bit mode (Intel SDM vol. 3, 6.3 and 6.4). */
final class SegmentAccess {
  private SegmentAccess() {}

  private static final int TYPE_WRITABLE = 1 << 1;
  private static final int TYPE_EXPAND_DOWN = 1 << 2;
  private static final int TYPE_CODE = 1 << 3;
  private static final int PRESENT = 1 << 7;
  private static final int BIG = 1 << 14;

  static long linear(Interpreter cpu, int segment, long offset, int size, boolean write) {
    CpuState state = cpu.state();
    int attr = state.segAttr(segment);
    if (write && (attr & TYPE_CODE) != 0 && (state.cr0() & ControlRegisters.CR0_PE) == 0) {
      attr = attr & ~(TYPE_CODE | TYPE_EXPAND_DOWN) | TYPE_WRITABLE; // real mode knows no types
    }
    if (!allows(attr, state.segLimit(segment), offset, size, write)) {
      throw cpu.fault(segment == CpuLayout.SS ? CpuException.SS : CpuException.GP, 0);
    }
    return state.segBase(segment) + offset & 0xffff_ffffL;
  }

  private static boolean allows(int attr, long limit, long offset, int size, boolean write) {
    if ((attr & PRESENT) == 0) {
      return false; // a null selector was loaded
    }
    boolean code = (attr & TYPE_CODE) != 0;
    boolean bit1 = (attr & TYPE_WRITABLE) != 0;
    if (write ? code || !bit1 : code && !bit1) {
      return false;
    }
    long last = offset + size - 1;
    if (!code && (attr & TYPE_EXPAND_DOWN) != 0) {
      return offset > limit && last <= ((attr & BIG) != 0 ? 0xffff_ffffL : 0xffffL);
    }
    return last <= limit;
  }
}
