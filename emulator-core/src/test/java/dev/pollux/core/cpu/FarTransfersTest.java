package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SystemFixture.*;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FarTransfersTest {
  private static final int GP = CpuException.GP;
  private static final int NP = CpuException.NP;
  private static final int TS = CpuException.TS;

  /** Selector, privilege level, exception (0: none), its selector. */
  @ParameterizedTest
  @CsvSource({
    "0x08, 0, 0, 0", "0x0b, 0, 13, 8", "0x38, 0, 0, 0", "0x38, 3, 0, 0", "0x10, 0, 13, 0x10",
        "0x1b, 0, 13, 0x18",
    "0x1b, 3, 0, 0", "0x18, 3, 0, 0", "0x08, 3, 13, 8", "0, 0, 13, 0", "0x1000, 0, 13, 0x1000",
        "0xc0, 0, 11, 0xc0",
    "0xd0, 0, 13, 0", "0x28, 0, 13, 0x28", "0x58, 0, 0, 0", "0x5b, 3, 13, 8", "0xa8, 3, 13, 0xa8",
        "0xc8, 0, 11, 0xc0"
  })
  void jumpsByDescriptor(String selectorText, int cpl, int vector, String errorText) {
    int selector = Integer.decode(selectorText);
    try (SystemFixture f = protectedMode()) {
      if (cpl == 3) {
        f.userMode();
      }
      if (vector != 0) {
        assertFault(
            vector,
            Integer.decode(errorText),
            () -> f.vcpu.farTransfers().jump(selector, 0x5000, 4));
        assertEquals(0x10000, f.s.rip());
      } else {
        f.vcpu.farTransfers().jump(selector, 0x5000, 4);
        boolean gate = selector == CALL_GATE;
        assertEquals(gate ? GATE_TARGET : 0x5000, f.s.rip());
        assertEquals(gate ? CODE0 : selector & ~3 | cpl, f.s.segSelector(CpuLayout.CS));
        assertEquals(cpl, f.s.cpl());
      }
    }
  }

  @Test
  void callsAndReturnsAtTheSameLevel() {
    try (SystemFixture f = protectedMode()) {
      f.vcpu.farTransfers().call(CODE0, 0x5000, 4);
      assertEquals(STACK - 8, f.s.gpr(4));
      assertEquals(0x10000, f.stacked(0, 4));
      assertEquals(CODE0, f.stacked(1, 4));
      f.vcpu.farTransfers().ret(4, 4);
      assertEquals(0x10000, f.s.rip());
      assertEquals(STACK + 4, f.s.gpr(4));
    }
  }

  @Test
  void callGateSwitchesStacksAndCopiesParameters() {
    try (SystemFixture f = protectedMode()) {
      f.userMode();
      f.write(STACK, 4, 0x1111);
      f.write(STACK + 4, 4, 0x2222);
      f.vcpu.farTransfers().call(CALL_GATE | 3, 0x9999, 4);
      assertEquals(0, f.s.cpl());
      assertEquals(GATE_TARGET, f.s.rip());
      assertEquals(DATA0, f.s.segSelector(CpuLayout.SS));
      assertEquals(INNER_STACK - 24, f.s.gpr(4));
      long[] frame = {0x10000, CODE3, 0x1111, 0x2222, STACK, DATA3};
      for (int i = 0; i < frame.length; i++) {
        assertEquals(frame[i], f.stacked(i, 4));
      }
      f.vcpu.farTransfers().ret(4, 8);
      assertEquals(3, f.s.cpl());
      assertEquals(STACK + 8, f.s.gpr(4));
      assertEquals(0x10000, f.s.rip());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x9b, 10, 0x98",
    "0x10, 10, 0x10",
    "0x11, 10, 0x10",
    "0, 10, 0",
    "0x1001, 10, 0x1000"
  })
  void callGateChecksTheInnerStack(String ss, int vector, String error) {
    try (SystemFixture f = protectedMode()) {
      f.write(TSS + 16, 4, Integer.decode(ss));
      f.userMode();
      assertFault(
          vector,
          Integer.decode(error),
          () -> f.vcpu.farTransfers().call(CALL_GATE_RING1 | 3, 0, 4));
      assertEquals(3, f.s.cpl());
      assertEquals(STACK, f.s.gpr(4));
    }
  }

  @Test
  void callGateOf16Bits() {
    try (SystemFixture f = protectedMode()) {
      f.userMode();
      f.write(STACK, 2, 0x7777);
      f.vcpu.farTransfers().call(CALL_GATE16 | 3, 0, 4);
      assertEquals(GATE_TARGET & 0xffff, f.s.rip());
      assertEquals(INNER_STACK - 10, f.s.gpr(4));
      assertEquals(0x7777, f.stacked(2, 2));
    }
  }

  @Test
  void returnToAnOuterLevelDropsInnerSegments() {
    try (SystemFixture f = protectedMode()) {
      f.s.setGpr(4, STACK - 16);
      f.write(STACK - 16, 4, 0x6000);
      f.write(STACK - 12, 4, CODE3);
      f.write(STACK - 8, 4, 0x30000);
      f.write(STACK - 4, 4, DATA3);
      f.vcpu.segmentation().loadSegment(CpuLayout.FS, CONFORMING0);
      f.vcpu.farTransfers().ret(4, 0);
      assertEquals(3, f.s.cpl());
      assertEquals(0x30000, f.s.gpr(4));
      assertEquals(0, f.s.segSelector(CpuLayout.DS));
      assertEquals(CONFORMING0, f.s.segSelector(CpuLayout.FS));
      assertFault(
          GP,
          CODE0,
          () -> {
            f.write(0x30000, 4, 0);
            f.write(0x30004, 4, CODE0);
            f.vcpu.farTransfers().ret(4, 0);
          });
    }
  }

  @Test
  void iretToVirtual8086ModeAndInterruptBack() {
    try (SystemFixture f = protectedMode()) {
      long[] frame = {
        0x123, 0x1000, Eflags.VM | Eflags.FIXED, 0x100, 0x1f00, 0x2000, 0x3000, 0x4000, 0x5000
      };
      f.s.setGpr(4, STACK - frame.length * 4L);
      for (int i = 0; i < frame.length; i++) {
        f.write(STACK - (frame.length - i) * 4L, 4, frame[i]);
      }
      f.vcpu.farTransfers().iret(4);
      assertEquals(3, f.s.cpl());
      assertEquals(0x123, f.s.rip());
      assertEquals(0x10000, f.s.segBase(CpuLayout.CS));
      assertEquals(0x3000, f.s.segSelector(CpuLayout.DS));
      f.vcpu.delivery().exception(CpuException.UD, 0);
      assertEquals(handler(CpuException.UD), f.s.rip());
      assertEquals(0, f.s.rflags() & Eflags.VM);
      assertEquals(0, f.s.segSelector(CpuLayout.DS));
      for (int i = 0; i < frame.length; i++) {
        assertEquals(i == 2 ? frame[i] | Eflags.RF : frame[i], f.stacked(i, 4));
      }
    }
  }

  @Test
  void iretMayNotGainPrivilegeOverFlags() {
    try (SystemFixture f = protectedMode()) {
      f.userMode();
      f.s.setRflags(Eflags.FIXED | 1 << 12);
      f.s.setGpr(4, STACK - 12);
      f.write(STACK - 12, 4, 0x5000);
      f.write(STACK - 8, 4, CODE3);
      f.write(STACK - 4, 4, Eflags.ALL & ~Eflags.VM & ~Eflags.TF);
      f.vcpu.farTransfers().iret(4);
      long expected =
          Eflags.STATUS
              | Eflags.DF
              | Eflags.NT
              | Eflags.RF
              | Eflags.AC
              | Eflags.ID
              | Eflags.FIXED
              | 1 << 12;
      assertEquals(expected, f.s.rflags());
    }
  }

  @Test
  void longModeCallGate() {
    try (SystemFixture f = longMode()) {
      f.write(
          GDT + 0xe8,
          8,
          (long) (GATE_TARGET >>> 16) << 48
              | 0xec00L << 32
              | (long) CODE64 << 16
              | GATE_TARGET & 0xffff);
      f.write(GDT + 0xf0, 8, 0xffff_8000L);
      f.userMode();
      f.vcpu.farTransfers().call(0xeb, 0, 4);
      assertEquals(0xffff_8000_0000_0000L | GATE_TARGET, f.s.rip());
      assertEquals(0, f.s.segSelector(CpuLayout.SS));
      assertEquals(INNER_STACK - 32, f.s.gpr(4));
      long[] frame = {0x10000, CODE64_3, STACK, DATA3};
      for (int i = 0; i < 4; i++) {
        assertEquals(frame[i], f.stacked(i, 8));
      }
      f.vcpu.farTransfers().ret(8, 0);
      assertEquals(3, f.s.cpl());
    }
  }

  @Test
  void longModeRefusesLegacyGatesAndTasks() {
    try (SystemFixture f = longMode()) {
      assertFault(GP, TASK_GATE, () -> f.vcpu.farTransfers().jump(TASK_GATE, 0, 4));
      assertFault(GP, TSS2_SELECTOR, () -> f.vcpu.farTransfers().jump(TSS2_SELECTOR, 0, 4));
      assertFault(GP, CALL_GATE16, () -> f.vcpu.farTransfers().call(CALL_GATE16, 0, 4));
      assertFault(GP, BOTH_L_AND_D, () -> f.vcpu.farTransfers().jump(BOTH_L_AND_D, 0, 4));
      f.vcpu.farTransfers().jump(CODE0, 0x1_2345_6789L, 4);
      assertEquals(0x2345_6789L, f.s.rip());
    }
  }

  @Test
  void iretqLoadsTheStackAlsoAtTheSameLevel() {
    try (SystemFixture f = longMode()) {
      long[] frame = {0xffff_8000_0000_1000L, CODE64, Eflags.FIXED, 0x7770, 0};
      f.s.setGpr(4, STACK - 40);
      for (int i = 0; i < 5; i++) {
        f.write(STACK - 40 + i * 8L, 8, frame[i]);
      }
      f.vcpu.farTransfers().iret(8);
      assertEquals(0x7770, f.s.gpr(4));
      assertEquals(0, f.s.segSelector(CpuLayout.SS));
      assertEquals(frame[0], f.s.rip());
      f.s.setGpr(4, STACK - 40);
      f.write(STACK - 8, 8, DATA3 & ~3);
      assertFault(GP, DATA3 & ~3, () -> f.vcpu.farTransfers().iret(8));
      f.s.setRflags(f.s.rflags() | Eflags.NT);
      assertFault(GP, 0, () -> f.vcpu.farTransfers().iret(8));
    }
  }

  @Test
  void taskSwitchSavesAndLoadsAllState() {
    try (SystemFixture f = protectedMode()) {
      prepareTask(f);
      f.s.setGpr(0, 0xaaaa);
      f.vcpu.farTransfers().call(TSS2_SELECTOR, 0, 4);
      assertEquals(0x6000, f.s.rip());
      assertEquals(0x2800, f.s.gpr(0));
      assertEquals(TSS2_SELECTOR, f.s.segSelector(CpuLayout.TR));
      assertEquals(Eflags.FIXED | Eflags.NT, f.s.rflags());
      assertEquals(TSS_SELECTOR, f.read(TSS2, 2));
      assertEquals(0x10000, f.read(TSS + 0x20, 4));
      assertEquals(0xaaaa, f.read(TSS + 0x28, 4));
      assertEquals(0x8b, f.read(GDT + TSS_SELECTOR + 5, 1));
      assertEquals(0x8b, f.read(GDT + TSS2_SELECTOR + 5, 1));
      assertEquals(ControlRegisters.CR0_TS, f.s.cr0() & ControlRegisters.CR0_TS);
      f.vcpu.farTransfers().iret(4);
      assertEquals(0x10000, f.s.rip());
      assertEquals(0xaaaa, f.s.gpr(0));
      assertEquals(0x89, f.read(GDT + TSS2_SELECTOR + 5, 1));
      assertEquals(0, f.read(TSS2 + 0x24, 4) & Eflags.NT);
    }
  }

  @Test
  void taskSwitchThroughGateAndItsFaults() {
    try (SystemFixture f = protectedMode()) {
      prepareTask(f);
      f.write(TSS2 + 0x54, 4, ABSENT_DATA);
      f.vcpu.farTransfers().jump(TASK_GATE, 0, 4);
      // The fault is the new task's: its handler finds the new task's EIP.
      assertEquals(handler(NP), f.s.rip());
      assertEquals(ABSENT_DATA, f.stacked(0, 4));
      assertEquals(0x6000, f.stacked(1, 4));
      assertEquals(TSS2_SELECTOR, f.s.segSelector(CpuLayout.TR));
      assertFault(GP, TSS2_SELECTOR, () -> f.vcpu.farTransfers().jump(TSS2_SELECTOR, 0, 4));
      f.write(GDT + TSS_SELECTOR, 2, 0x66);
      assertFault(TS, TSS_SELECTOR, () -> f.vcpu.farTransfers().jump(TSS_SELECTOR, 0, 4));
    }
  }

  @Test
  void taskSwitchWithTrapFlagOfTheTss() {
    try (SystemFixture f = protectedMode()) {
      prepareTask(f);
      f.write(TSS2 + 0x64, 2, 1);
      f.vcpu.farTransfers().jump(TSS2_SELECTOR, 0, 4);
      f.vcpu.delivery().deliverPending();
      assertEquals(handler(CpuException.DB), f.s.rip());
      assertEquals(DebugRegisters.BT, f.s.u64(CpuLayout.DR + 48) & DebugRegisters.BT);
    }
  }

  private static void prepareTask(SystemFixture f) {
    f.write(TSS2 + 0x20, 4, 0x6000);
    f.write(TSS2 + 0x24, 4, Eflags.FIXED);
    f.write(TSS2 + 0x28, 4, 0x2800);
    f.write(TSS2 + 0x38, 4, 0x2f000);
    f.write(TSS2 + 0x48, 4, DATA0);
    f.write(TSS2 + 0x4c, 4, CODE0);
    f.write(TSS2 + 0x50, 4, DATA0);
    f.write(TSS2 + 0x54, 4, DATA0);
    f.write(TSS2 + 0x60, 4, LDT_SELECTOR);
  }

  @Test
  void realModeTransfers() {
    try (SystemFixture f = realMode()) {
      f.vcpu.farTransfers().call(0x1234, 0x56, 2);
      assertEquals(0x12340, f.s.segBase(CpuLayout.CS));
      assertEquals(0x56, f.s.rip());
      assertEquals(0xff00 - 4, f.s.gpr(4));
      f.vcpu.farTransfers().ret(2, 0);
      assertEquals(0x7000, f.s.rip());
      assertFault(GP, 0, () -> f.vcpu.farTransfers().jump(0, 0x10000, 4));
    }
  }
}
