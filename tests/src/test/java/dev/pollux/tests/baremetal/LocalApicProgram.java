package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;

import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;

/** The local APIC as its own processor sees it (Intel SDM vol. 3, 12.5.4 and 12.12). */
final class LocalApicProgram extends LongModeProgram {
  private static final int APIC_BASE = 0x1b;
  private static final int TSC_DEADLINE = 0x6e0;
  private static final int SVR = 0x80f;

  /** The request bits of vectors 0x40 to 0x5f. */
  private static final int IRR = 0x822;

  private static final int LVT_TIMER = 0x832;
  private static final long PAGE_OF_REGISTERS = 0xfee0_0000L;
  private static final int[] OFFSETS = {0, 0x20, 0x80, 0x300, 0x310};

  private void printMsr(String name, int msr) {
    asm.mov(DWORD, Gpr.RCX, msr);
    asm.op(NullaryOp.RDMSR);
    print("  " + name, Gpr.RAX);
    newLine();
  }

  private void store(int offset, int value) {
    asm.mov(QWORD, Gpr.RDI, PAGE_OF_REGISTERS + offset);
    asm.mov(DWORD, Mem.of(Gpr.RDI), value);
  }

  private void load(int offset) {
    asm.mov(QWORD, Gpr.RDI, PAGE_OF_REGISTERS + offset);
    asm.mov(DWORD, Gpr.RBX, Mem.of(Gpr.RDI));
    print("  at " + Integer.toHexString(offset), Gpr.RBX);
    newLine();
  }

  @Override
  void body() {
    print("registers in memory\n");
    load(0x20);
    load(0x80);
    writeMsr(APIC_BASE, PAGE_OF_REGISTERS | 0xd00);
    writeMsr(SVR, 0x1ff);
    print("x2APIC mode: nothing is at their place\n");
    for (int offset : OFFSETS) {
      load(offset);
      store(offset, 0x4041);
      printMsr("requests", IRR);
    }
    deadline();
    writeMsr(APIC_BASE, PAGE_OF_REGISTERS | 0x100);
    print("switched off\n");
    for (int offset : OFFSETS) {
      load(offset);
      store(offset, 0x4041);
    }
    writeMsr(APIC_BASE, PAGE_OF_REGISTERS | 0x900);
    print("switched on again\n");
    load(0x80);
    load(0x220);
  }

  /** Interrupts are off: the request is there right behind the instruction. */
  private void deadline() {
    print("deadline in the past\n");
    writeMsr(LVT_TIMER, 0x4_0042);
    for (int i = 0; i < 5; i++) {
      writeMsr(TSC_DEADLINE, 1 + i);
      printMsr("requests", IRR);
      printMsr("deadline", TSC_DEADLINE);
    }
    print("in the past after the counter was set\n");
    writeMsr(LVT_TIMER, 0x4_0043);
    writeMsr(TSC_DEADLINE, 1L << 50);
    printMsr("requests", IRR);
    writeMsr(0x10, 1L << 51);
    printMsr("requests", IRR);
  }
}
