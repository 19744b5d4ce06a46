package dev.pollux.core.jit;

import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.host.RawMemory;

/**
 * Moves x87 state between the state block, where registers are in physical order, and the XSAVE
 * area that the host loads it from, where they are in stack order (Intel SDM vol. 1, 10.5.1 and
 * 13.4).
 */
final class X87Transfer {
  private static final int FCW = 0;
  private static final int FSW = 2;
  private static final int FTW = 4;
  private static final int ST = 32;
  private static final int XSTATE_BV = 512;

  private X87Transfer() {}

  /** State block to area. */
  static void toArea(long state) {
    long area = state + JitLayout.X87_AREA;
    int fsw = RawMemory.getShort(state + CpuLayout.FSW);
    RawMemory.putShort(area + FCW, RawMemory.getShort(state + CpuLayout.FCW));
    RawMemory.putShort(area + FSW, (short) fsw);
    RawMemory.putShort(area + FTW, (short) (RawMemory.getInt(state + CpuLayout.FTW) & 0xff));
    int top = fsw >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      RawMemory.copy(register(state, top + i), area + ST + i * 16L, 16);
    }
    RawMemory.putLong(area + XSTATE_BV, 1);
  }

  /**
   * Area to state block. The pointers to the last x87 instruction stay as they were: the host's
   * lead to generated code, which is no affair of the guest's.
   */
  static void fromArea(long state) {
    long area = state + JitLayout.X87_AREA;
    int fsw = RawMemory.getShort(area + FSW);
    RawMemory.putShort(state + CpuLayout.FCW, RawMemory.getShort(area + FCW));
    RawMemory.putShort(state + CpuLayout.FSW, (short) fsw);
    RawMemory.putInt(state + CpuLayout.FTW, RawMemory.getByte(area + FTW) & 0xff);
    int top = fsw >> 11 & 7;
    for (int i = 0; i < 8; i++) {
      RawMemory.copy(area + ST + i * 16L, register(state, top + i), 16);
    }
  }

  private static long register(long state, int physical) {
    return state + CpuLayout.FPR + (physical & 7) * 16L;
  }
}
