package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.ControlReg;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;

/**
 * Which bits of page tables and of CR3 are reserved on a processor with physical addresses of a
 * given width (Intel SDM vol. 3, 5.1.4).
 */
final class PhysicalWidthProgram extends LongModeProgram {
  private static final int[] BITS = {33, 35, 36, 39, 40, 41, 47, 48, 51};

  private final int width;

  PhysicalWidthProgram(int width) {
    this.width = width;
  }

  @Override
  void body() {
    printCpuid(0x8000_0008, 0, Gpr.RAX, -1);
    for (int bit : BITS) {
      mapPage(PRESENT | WRITABLE | 1L << bit);
      attempt("page table, bit " + bit, () -> asm.mov(DWORD, Gpr.RBX, Mem.absolute(PAGE)));
    }
    mapPage(PRESENT | WRITABLE);
    for (int bit : BITS) {
      // A processor that took it would fetch through tables that are not there.
      if (bit >= width) {
        attempt(
            "CR3, bit " + bit,
            () -> {
              asm.mov(QWORD, Gpr.RAX, 1L << bit | PML4);
              asm.mov(ControlReg.CR3, Gpr.RAX);
            });
      }
    }
  }
}
