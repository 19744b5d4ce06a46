package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SystemFixture.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InterruptDeliveryTest {
  private static final int GP = CpuException.GP;
  private static final int DF = CpuException.DF;

  @Test
  void exceptionWithErrorCodeFromUserMode() {
    try (SystemFixture f = protectedMode()) {
      f.userMode();
      f.s.setRflags(Eflags.FIXED | Eflags.IF | Eflags.CF);
      f.vcpu.delivery().exception(GP, 0x1234);
      long[] frame = {
        0x1234, 0x10000, CODE3, Eflags.FIXED | Eflags.IF | Eflags.CF | Eflags.RF, STACK, DATA3
      };
      for (int i = 0; i < frame.length; i++) {
        assertEquals(frame[i], f.stacked(i, 4), "item " + i);
      }
      assertEquals(handler(GP), f.s.rip());
      assertEquals(0, f.s.cpl());
      assertEquals(Eflags.FIXED | Eflags.CF, f.s.rflags());
    }
  }

  @Test
  void longModeAlignsTheStackAndPushesAllFive() {
    try (SystemFixture f = longMode()) {
      f.s.setGpr(4, STACK - 3);
      f.vcpu.delivery().softwareInterrupt(0x80);
      assertEquals(STACK - 16 - 40, f.s.gpr(4));
      long[] frame = {0x10000, CODE64, Eflags.FIXED, STACK - 3, DATA0};
      for (int i = 0; i < 5; i++) {
        assertEquals(frame[i], f.stacked(i, 8));
      }
    }
  }

  @Test
  void interruptStackTable() {
    try (SystemFixture f = longMode()) {
      f.gate64(14, CODE64, 0x8e, 1, 0xffff_8000_0000_0000L);
      f.userMode();
      f.vcpu.delivery().exception(CpuException.PF, 7);
      assertEquals(IST1 - 48, f.s.gpr(4));
      assertEquals(7, f.stacked(0, 8));
      assertEquals(0xffff_8000_0000_0000L, f.s.rip());
      assertEquals(0, f.s.segSelector(CpuLayout.SS));
    }
  }

  /** Access byte, selector and offset of the gate for vector 0x50; the fault and its error code. */
  @ParameterizedTest
  @CsvSource({
    "0x8e, 0x10, 13, 0x10",
    "0x8e, 0, 13, 0",
    "0x8e, 0x1000, 13, 0x1000",
    "0x0e, 0x08, 11, 0x282",
    "0x8c, 0x08, 13, 0x282",
    "0x8e, 0xc0, 11, 0xc0",
    "0x8e, 0x18, 13, 0x18",
    "0x8e, 0xd0, 13, 0"
  })
  void refusesBadGates(String access, String selector, int vector, String error) {
    try (SystemFixture f = protectedMode()) {
      f.gate32(0x50, Integer.decode(selector), Integer.decode(access), 0x9000);
      assertFault(vector, Integer.decode(error), () -> f.vcpu.delivery().softwareInterrupt(0x50));
      assertEquals(0x10000, f.s.rip());
      // The same met by an external interrupt is an exception of its own, with EXT.
      f.vcpu.delivery().interrupt(0x50);
      assertEquals(handler(vector), f.s.rip());
      assertEquals(Integer.decode(error) | 1, f.stacked(0, 4));
    }
  }

  @Test
  void gatePrivilegeCountsForSoftwareInterruptsOnly() {
    try (SystemFixture f = protectedMode()) {
      f.userMode();
      assertFault(GP, 0x50 * 8 + 2, () -> f.vcpu.delivery().softwareInterrupt(0x50));
      f.gate32(0x50, CODE0, 0xef, 0x9000);
      f.s.setRflags(Eflags.FIXED | Eflags.IF);
      f.vcpu.delivery().softwareInterrupt(0x50);
      assertEquals(Eflags.FIXED | Eflags.IF, f.s.rflags());
      assertEquals(0x9000, f.s.rip());
    }
  }

  @Test
  void idtLimit() {
    try (SystemFixture f = protectedMode()) {
      f.s.setU64(CpuLayout.IDT_LIMIT, 0x50 * 8 + 6);
      assertFault(GP, 0x50 * 8 + 2, () -> f.vcpu.delivery().softwareInterrupt(0x50));
    }
  }

  /** First exception, exception met in its delivery, what is delivered. */
  @ParameterizedTest
  @CsvSource({"13, 8", "14, 8", "0, 8", "6, 11", "16, 11", "3, 11"})
  void contributoryExceptionsMakeADoubleFault(int first, int delivered) {
    try (SystemFixture f = protectedMode()) {
      f.gate32(first, CODE0, 0x0e, 0x9000);
      f.vcpu.delivery().exception(first, 0);
      assertEquals(handler(delivered), f.s.rip());
      assertEquals(delivered == DF ? 0 : first * 8 + 3, f.stacked(0, 4));
    }
  }

  @Test
  void tripleFaultStopsTheProcessor() {
    try (SystemFixture f = protectedMode()) {
      f.s.setU64(CpuLayout.IDT_LIMIT, 0);
      f.vcpu.delivery().exception(CpuException.UD, 0);
      assertEquals(CpuLayout.HALTED_SHUTDOWN, f.s.u32(CpuLayout.HALTED));
      f.s.setU64(CpuLayout.IDT_LIMIT, 0xfff);
      f.s.orPending(Interrupts.NMI);
      f.vcpu.delivery().deliverPending();
      assertEquals(0x10000, f.s.rip());
    }
  }

  @Test
  void pageFaultInTheDeliveryOfAPageFault() {
    try (SystemFixture f = longMode()) {
      f.s.setU64(CpuLayout.IDT_BASE, 0xffff_8000_0000_0000L);
      f.vcpu.delivery().exception(CpuException.PF, 0);
      assertEquals(CpuLayout.HALTED_SHUTDOWN, f.s.u32(CpuLayout.HALTED));
    }
  }

  @Test
  void nmiIsBlockedUntilIret() {
    try (SystemFixture f = protectedMode()) {
      f.s.orPending(Interrupts.NMI);
      f.s.setU32(CpuLayout.HALTED, CpuLayout.HALTED_WAITING);
      f.vcpu.delivery().deliverPending();
      assertEquals(handler(2), f.s.rip());
      assertEquals(0, f.s.u32(CpuLayout.HALTED));
      f.s.orPending(Interrupts.NMI);
      f.vcpu.delivery().deliverPending();
      assertEquals(handler(2), f.s.rip());
      assertEquals(STACK - 12, f.s.gpr(4));
      f.s.setExitRequest(false);
      f.vcpu.farTransfers().iret(4);
      assertTrue(f.s.exitRequested());
      f.vcpu.delivery().deliverPending();
      assertEquals(handler(2), f.s.rip());
    }
  }

  @Test
  void maskableInterruptsNeedIfAndNoShadow() {
    try (SystemFixture f = protectedMode()) {
      FakeController apic = new FakeController();
      f.vcpu.setInterruptController(apic);
      apic.vector = 0x60;
      f.s.orPending(Interrupts.HARD);
      f.vcpu.delivery().deliverPending();
      assertEquals(0x10000, f.s.rip());
      f.vcpu.flagInstructions().sti();
      assertTrue(f.s.exitRequested());
      f.vcpu.delivery().deliverPending();
      assertEquals(0x10000, f.s.rip());
      f.s.setU32(CpuLayout.INTERRUPT_SHADOW, 0);
      f.vcpu.delivery().deliverPending();
      assertEquals(handler(0x60), f.s.rip());
      assertEquals(0, f.s.rflags() & Eflags.IF);
    }
  }

  @Test
  void anInterruptThatWentAwayIsNone() {
    try (SystemFixture f = protectedMode()) {
      FakeController apic = new FakeController();
      f.vcpu.setInterruptController(apic);
      f.s.orPending(Interrupts.HARD);
      f.s.setRflags(Eflags.FIXED | Eflags.IF);
      f.vcpu.delivery().deliverPending();
      assertEquals(0x10000, f.s.rip());
    }
  }

  @Test
  void realModeVectors() {
    try (SystemFixture f = realMode()) {
      f.s.setRflags(Eflags.FIXED | Eflags.IF | Eflags.TF);
      f.vcpu.delivery().softwareInterrupt(0x10);
      assertEquals(HANDLERS / 16, f.s.segSelector(CpuLayout.CS));
      assertEquals(0x100, f.s.rip());
      assertEquals(0x7000, f.stacked(0, 2));
      assertEquals(Eflags.FIXED | Eflags.IF | Eflags.TF, f.stacked(2, 2));
      assertEquals(Eflags.FIXED, f.s.rflags());
      f.vcpu.farTransfers().iret(2);
      assertEquals(0x7000, f.s.rip());
      f.s.setU64(CpuLayout.IDT_LIMIT, 0x3f);
      assertFault(GP, 0, () -> f.vcpu.delivery().softwareInterrupt(0x10));
    }
  }

  @Test
  void virtual8086SoftwareInterrupts() {
    try (SystemFixture f = protectedMode()) {
      f.virtual8086(0);
      assertFault(GP, 0, () -> f.vcpu.delivery().softwareInterrupt(0x21));
      f.virtual8086(Eflags.IOPL);
      f.gate32(0x21, CODE0, 0xee, 0x9000);
      f.vcpu.delivery().softwareInterrupt(0x21);
      assertEquals(0x9000, f.s.rip());
      assertEquals(INNER_STACK - 36, f.s.gpr(4));
    }
  }

  @Test
  void virtualModeExtensionsRedirect() {
    try (SystemFixture f = protectedMode()) {
      f.s.setU64(CpuLayout.CR4, f.s.cr4() | ControlRegisters.CR4_VME);
      f.s.setSeg(CpuLayout.TR, TSS_SELECTOR, TSS, 104 + 31, 0x8b);
      f.write(TSS + 0x66, 2, 104 + 32);
      f.write(0x21 * 4, 4, 0x1800_0080L);
      f.virtual8086(Eflags.VIF);
      f.vcpu.delivery().softwareInterrupt(0x21);
      assertEquals(0x1800, f.s.segSelector(CpuLayout.CS));
      assertEquals(0x80, f.s.rip());
      assertEquals(Eflags.FIXED | Eflags.IF | Eflags.IOPL, f.stacked(2, 2));
      assertEquals(0, f.s.rflags() & Eflags.VIF);
      f.write(TSS + 104 + 4, 1, 2);
      assertFault(GP, 0, () -> f.vcpu.delivery().softwareInterrupt(0x21));
    }
  }

  @Test
  void interruptThroughTaskGatePushesTheErrorCodeThere() {
    try (SystemFixture f = protectedMode()) {
      f.write(TSS2 + 0x20, 4, 0x6000);
      f.write(TSS2 + 0x24, 4, Eflags.FIXED);
      f.write(TSS2 + 0x38, 4, 0x2f000);
      f.write(TSS2 + 0x4c, 4, CODE0);
      f.write(TSS2 + 0x50, 4, DATA0);
      f.gate32(GP, TSS2_SELECTOR, 0x85, 0);
      f.vcpu.delivery().exception(GP, 0x44);
      assertEquals(0x6000, f.s.rip());
      assertEquals(0x2f000 - 4, f.s.gpr(4));
      assertEquals(0x44, f.stacked(0, 4));
      assertEquals(0x10000, f.read(TSS + 0x20, 4));
    }
  }

  @Test
  void debugRegistersSayWhy() {
    try (SystemFixture f = protectedMode()) {
      DebugRegisters d = f.vcpu.debugRegisters();
      d.write(7, 1 << 13);
      assertFault(CpuException.DB, 0, () -> d.read(0));
      f.vcpu.delivery().exception(CpuException.DB, 0);
      assertEquals(0xffff_2ff0L, d.read(6));
      assertEquals(0x400, d.read(7));
      d.write(0, 0x5000);
      d.write(1, 0x6004);
      d.write(7, 0x00d0_0005);
      assertEquals(1, d.instructionHits(0x5000));
      assertEquals(0, d.dataHits(0x6004, 4, false));
      assertEquals(2, d.dataHits(0x6001, 4, true));
      assertEquals(0, d.dataHits(0x6000, 4, true));
      assertEquals(0, d.dataHits(0x6008, 4, true));
      assertEquals(2, d.dataHits(0x6007, 1, true));
      assertFault(GP, 0, () -> d.write(6, 1L << 32));
      assertEquals(0x400, 0x400 & d.read(5));
      f.s.setU64(CpuLayout.CR4, f.s.cr4() | ControlRegisters.CR4_DE);
      assertFault(CpuException.UD, 0, () -> d.read(5));
      d.write(2, 0x80);
      d.write(7, 0x0200_0020);
      assertEquals(4, d.portHits(0x80, 1));
      assertEquals(0, d.portHits(0x81, 1));
    }
  }

  @Test
  void portsByPrivilegeAndBitmap() {
    try (SystemFixture f = protectedMode()) {
      f.s.setSeg(CpuLayout.TR, TSS_SELECTOR, TSS, 104 + 32, 0x8b);
      f.write(TSS + 104 + 0x10, 1, 0x06);
      f.vcpu.ports().check(0x81, 1);
      f.userMode();
      f.vcpu.ports().check(0x80, 1);
      assertFault(GP, 0, () -> f.vcpu.ports().check(0x81, 1));
      assertFault(GP, 0, () -> f.vcpu.ports().check(0x7e, 4));
      f.vcpu.ports().check(0x83, 4);
      assertFault(GP, 0, () -> f.vcpu.ports().check(0x100, 1));
      f.s.setRflags(Eflags.FIXED | Eflags.IOPL);
      f.vcpu.ports().check(0x81, 4);
      f.virtual8086(Eflags.IOPL);
      assertFault(GP, 0, () -> f.vcpu.ports().check(0x81, 1));
      assertNotEquals(0, f.s.cpl());
    }
  }
}
