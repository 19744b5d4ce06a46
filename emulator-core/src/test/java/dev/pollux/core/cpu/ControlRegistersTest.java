package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.ControlRegisters.*;
import static dev.pollux.core.cpu.SystemFixture.*;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.machine.BareMachine;
import org.junit.jupiter.api.Test;

class ControlRegistersTest {
  private static final int GP = CpuException.GP;
  private static final int UD = CpuException.UD;

  @Test
  void cr0() {
    try (SystemFixture f = protectedMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr0(CR0_PG));
      assertFault(GP, 0, () -> c.writeCr0(CR0_PE | CR0_NW));
      c.writeCr0(CR0_PE | 1 << 6);
      assertEquals(CR0_PE | CR0_ET, f.s.cr0());
      c.lmsw(0);
      assertEquals(CR0_PE | CR0_ET, f.s.cr0());
      c.lmsw((int) (CR0_TS | CR0_MP));
      c.clearTaskSwitched();
      assertEquals(CR0_PE | CR0_ET | CR0_MP, f.s.cr0());
    }
  }

  @Test
  void entersAndLeavesLongMode() {
    try (SystemFixture f = protectedMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      c.writeEfer(EFER_LME);
      assertFault(GP, 0, () -> c.writeCr0(CR0_PE | CR0_PG));
      c.writeCr4(f.s.cr4() | CR4_PAE);
      c.writeCr0(CR0_PE | CR0_PG);
      assertEquals(EFER_LME | EFER_LMA, f.s.efer());
      assertFault(GP, 0, () -> c.writeCr4(0));
      assertFault(GP, 0, () -> c.writeEfer(0));
      c.writeCr3(0x123);
      assertFault(GP, 0, () -> c.writeCr4(CR4_PAE | CR4_PCIDE));
      c.writeCr3(0x1000);
      c.writeCr4(CR4_PAE | CR4_PCIDE);
      assertFault(GP, 0, () -> c.writeCr0(CR0_PE));
      c.writeCr3(1L << 63 | 0x1001);
      assertEquals(0x1001, f.s.cr3());
      c.writeCr4(CR4_PAE);
      assertFault(GP, 0, () -> c.writeCr3(1L << 63));
      assertFault(GP, 0, () -> c.writeCr3(1L << 40));
      c.writeCr0(CR0_PE);
      assertEquals(EFER_LME, f.s.efer());
    }
  }

  @Test
  void pagingIsNotSwitchedIn64BitCode() {
    try (SystemFixture f = longMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr0(CR0_PE));
      assertFault(GP, 0, () -> c.writeCr0(1L << 32 | CR0_PE | CR0_PG));
    }
  }

  @Test
  void paePointersAreCheckedAndLoadedTogether() {
    try (SystemFixture f = protectedMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      f.write(0x5000, 8, 0x6001);
      f.write(0x5018, 8, 0x7003);
      c.writeCr3(0x5000);
      c.writeCr4(CR4_PAE);
      assertFault(GP, 0, () -> c.writeCr0(CR0_PE | CR0_PG));
      f.write(0x5018, 8, 0x7001);
      c.writeCr0(CR0_PE | CR0_PG);
      assertEquals(0x6001, f.s.u64(CpuLayout.PDPTE));
      assertEquals(0x7001, f.s.u64(CpuLayout.PDPTE + 24));
      f.write(0x5000, 8, 1L << 50 | 1);
      assertFault(GP, 0, () -> c.writeCr3(0x5000));
      assertEquals(0x6001, f.s.u64(CpuLayout.PDPTE));
    }
  }

  @Test
  void reservedBits() {
    try (SystemFixture f = longMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | 1 << 13));
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | 1L << 32));
      assertFault(GP, 0, () -> c.writeEfer(f.s.efer() | 2));
      assertFault(GP, 0, () -> c.writeCr8(16));
      for (long bad : new long[] {0, 2, 4, 5, 9, 1L << 63 | 1}) {
        assertFault(GP, 0, () -> c.writeXcr0(bad));
      }
      c.writeXcr0(3);
      assertEquals(3, f.s.u64(CpuLayout.XCR0));
      FakeController apic = new FakeController();
      f.vcpu.setInterruptController(apic);
      c.writeCr8(9);
      assertEquals(9, c.readCr8());
    }
  }

  @Test
  void modelSpecificRegisters() {
    try (SystemFixture f = longMode()) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      f.vcpu.setInterruptController(new FakeController());
      assertFault(GP, 0, () -> m.read(0x12345));
      assertFault(GP, 0, () -> m.write(0x12345, 0));
      for (int msr :
          new int[] {
            0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102, 0x175, 0x176
          }) {
        assertFault(GP, 0, () -> m.write(msr, 1L << 56));
        // What the processor can do counts, not the paging mode.
        m.write(msr, 0x8000_0000_0000L);
        m.write(msr, 0xffff_8000_0000_1234L);
        assertEquals(0xffff_8000_0000_1234L, m.read(msr));
      }
      assertEquals(0xffff_8000_0000_1234L, f.s.segBase(CpuLayout.GS));
      assertFault(GP, 0, () -> m.write(0x277, 2));
      assertEquals(0x0007_0406_0007_0406L, m.read(0x277));
      assertFault(GP, 0, () -> m.write(0x200, 7));
      assertFault(GP, 0, () -> m.write(0x201, 1));
      assertFault(GP, 0, () -> m.write(0x201, 1L << 40));
      assertFault(GP, 0, () -> m.write(0xfe, 0));
      m.write(0x26f, 0x0606_0606_0606_0606L);
      assertEquals(0x0606_0606_0606_0606L, m.read(0x26f));
      assertEquals(7, m.read(0x802));
      assertFault(GP, 0, () -> m.read(0x80b));
      assertFault(GP, 0, () -> m.write(0x802, 0));
      assertEquals(0xfee0_0900L, m.read(0x1b));
    }
  }

  /** As many as IA32_MCG_CAP says; their control registers take all bits or none. */
  @Test
  void machineCheckBanks() {
    try (SystemFixture f = longMode("qemu64")) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      int banks = (int) m.read(0x179) & 0xff;
      for (int bank = 0; bank < banks; bank++) {
        int control = 0x400 + 4 * bank;
        m.write(control, -1);
        m.write(control, ~(1L << 10)); // what Linux does to bank 4
        assertEquals(-1, m.read(control));
        m.write(control, 0);
        m.write(control, 1);
        assertEquals(0, m.read(control));
        m.write(control + 1, 0);
        assertFault(GP, 0, () -> m.write(control + 1, 1));
      }
      assertFault(GP, 0, () -> m.read(0x400 + 4 * banks));
      assertFault(GP, 0, () -> m.write(0x400 + 4 * banks, 0));
    }
  }

  @Test
  void addressesOfProcessorsWithFourLevels() {
    try (SystemFixture f = longMode("max,-la57")) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      for (int msr : new int[] {0xc000_0082, 0xc000_0100, 0xc000_0102, 0x175}) {
        assertFault(GP, 0, () -> m.write(msr, 0x8000_0000_0000L));
      }
      assertFault(GP, 0, () -> f.vcpu.controlRegisters().writeCr4(f.s.cr4() | 1 << 12));
    }
  }

  @Test
  void levelsOfPagingStayInLongMode() {
    try (SystemFixture f = longMode()) {
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | ControlRegisters.CR4_LA57));
      assertFault(GP, 0, () -> c.writeCr3(1L << 60));
      long tagged = f.s.cr3() | ControlRegisters.CR3_LAM_U48 | ControlRegisters.CR3_LAM_U57;
      c.writeCr3(tagged);
      assertEquals(tagged, f.s.cr3());
    }
    try (SystemFixture f = longMode("max,-lam")) {
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr3(f.s.cr3() | ControlRegisters.CR3_LAM_U57));
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | ControlRegisters.CR4_LAM_SUP));
    }
  }

  @Test
  void protectionKeyRegisters() {
    final int pkrs = 0x6e1;
    try (SystemFixture f = longMode()) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      m.write(pkrs, 0x8765_4321L);
      assertEquals(0x8765_4321L, m.read(pkrs));
      assertFault(GP, 0, () -> m.write(pkrs, 1L << 32));
    }
    try (SystemFixture f = longMode("max,-pks,-pku")) {
      assertFault(GP, 0, () -> f.vcpu.msrs().read(pkrs));
      ControlRegisters c = f.vcpu.controlRegisters();
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | ControlRegisters.CR4_PKE));
      assertFault(GP, 0, () -> c.writeCr4(f.s.cr4() | ControlRegisters.CR4_PKS));
      assertFault(GP, 0, () -> c.writeXcr0(0x207));
    }
  }

  @Test
  void miscEnableReadsAsWritten() {
    final int miscEnable = 0x1a0;
    try (SystemFixture f = longMode("max,vendor=GenuineIntel")) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      long initial = m.read(miscEnable);
      for (int bit : new int[] {0, 3, 16, 18, 20, 22, 23, 34, 38}) {
        m.write(miscEnable, initial ^ 1L << bit);
        assertEquals(initial ^ 1L << bit, m.read(miscEnable), "bit " + bit);
      }
      m.write(miscEnable, -1);
      assertEquals(0x1800, m.read(miscEnable) & 0x1880, "what the processor has stays");
      assertEquals(0, m.read(miscEnable) & 1L << 63);
      assertFault(GP, 0, () -> m.write(0xc000_0080, f.s.efer() | ControlRegisters.EFER_NXE));
      m.write(miscEnable, initial);
      m.write(0xc000_0080, f.s.efer() | ControlRegisters.EFER_NXE);
    }
  }

  @Test
  void amdsCounterRunsAtTheRateOfState0() {
    final int hwcr = 0xc001_0015;
    try (BareMachine m = new BareMachine(4 << 20, new CpuModel("EPYC,check=off"))) {
      ModelSpecificRegisters r = m.vcpu().msrs();
      assertEquals(1 << 24, r.read(hwcr));
      r.write(hwcr, 1 << 4);
      assertEquals(1 << 24 | 1 << 4, r.read(hwcr), "read-only");
    }
    try (BareMachine m = new BareMachine(4 << 20, new CpuModel("qemu64"))) {
      assertEquals(0, m.vcpu().msrs().read(hwcr), "not in that family");
    }
  }

  @Test
  void timeStampCounterFollowsWritesAndAdjustment() {
    try (SystemFixture f = longMode()) {
      ModelSpecificRegisters m = f.vcpu.msrs();
      // The machine's clock stands still.
      m.write(0x10, 1000);
      assertEquals(1000, m.read(0x10));
      long adjust = m.read(0x3b);
      m.write(0x3b, adjust + 50);
      assertEquals(1050, m.read(0x10));
    }
  }

  @Test
  void systemCalls() {
    try (SystemFixture f = longMode()) {
      SystemCalls calls = f.vcpu.systemCalls();
      f.s.setU64(CpuLayout.STAR, 0x0013_0008L << 32);
      f.s.setU64(CpuLayout.LSTAR, 0xffff_8000_0000_0000L);
      f.s.setU64(CpuLayout.SFMASK, Eflags.IF | Eflags.TF);
      f.userMode();
      f.s.setRflags(Eflags.FIXED | Eflags.IF | Eflags.CF);
      calls.syscall();
      assertEquals(0xffff_8000_0000_0000L, f.s.rip());
      assertEquals(0x10000, f.s.gpr(1));
      assertEquals(Eflags.FIXED | Eflags.IF | Eflags.CF, f.s.gpr(11));
      assertEquals(Eflags.FIXED | Eflags.CF, f.s.rflags());
      assertEquals(0, f.s.cpl());
      assertEquals(8, f.s.segSelector(CpuLayout.CS));
      calls.sysret(8);
      assertEquals(0x10000, f.s.rip());
      assertEquals(3, f.s.cpl());
      assertEquals(0x23, f.s.segSelector(CpuLayout.CS));
      assertEquals(0x1b, f.s.segSelector(CpuLayout.SS));
      assertEquals(Eflags.FIXED | Eflags.IF | Eflags.CF, f.s.rflags());
      assertFault(GP, 0, () -> calls.sysret(8));
      assertFault(GP, 0, calls::swapgs);
      assertFault(UD, 0, calls::sysenter);
      f.s.setU64(CpuLayout.EFER, f.s.efer() & ~EFER_SCE);
      assertFault(UD, 0, calls::syscall);
    }
  }

  @Test
  void vendorsDifferInCompatibilityMode() {
    try (SystemFixture f = longMode("max,vendor=GenuineIntel")) {
      f.s.setSeg(CpuLayout.CS, CODE3, 0, 0xffff_ffffL, 0xc0fb);
      assertFault(UD, 0, () -> f.vcpu.systemCalls().syscall());
      assertFault(GP, 0, () -> f.vcpu.systemCalls().sysenter());
      f.s.setU64(CpuLayout.SYSENTER_CS, 8);
      f.s.setU64(CpuLayout.SYSENTER_EIP, 0xffff_8000_0000_0000L);
      f.vcpu.systemCalls().sysenter();
      assertEquals(0xffff_8000_0000_0000L, f.s.rip());
      assertEquals(0, f.s.cpl());
      f.s.setGpr(2, 1L << 63);
      assertFault(GP, 0, () -> f.vcpu.systemCalls().sysexit(8));
    }
  }

  @Test
  void interruptFlagByPrivilege() {
    try (SystemFixture f = protectedMode()) {
      FlagInstructions flags = f.vcpu.flagInstructions();
      flags.sti();
      assertEquals(CpuLayout.SHADOW_STI, f.s.u32(CpuLayout.INTERRUPT_SHADOW));
      flags.cli();
      f.userMode();
      assertFault(GP, 0, flags::cli);
      assertFault(GP, 0, flags::sti);
      f.s.setGpr(4, STACK - 4);
      f.write(STACK - 4, 4, Eflags.IF | Eflags.IOPL | Eflags.CF | Eflags.VM);
      flags.popf(4);
      assertEquals(Eflags.FIXED | Eflags.CF, f.s.rflags());
      f.s.setU64(CpuLayout.CR4, f.s.cr4() | CR4_PVI);
      flags.sti();
      assertEquals(Eflags.VIF, f.s.rflags() & (Eflags.VIF | Eflags.IF));
      f.s.setRflags(f.s.rflags() | Eflags.VIP);
      assertFault(GP, 0, flags::sti);
      f.s.setRflags(Eflags.FIXED | Eflags.IOPL);
      flags.sti();
      assertEquals(Eflags.IF, f.s.rflags() & Eflags.IF);
    }
  }

  @Test
  void flagsInVirtual8086Mode() {
    try (SystemFixture f = protectedMode()) {
      FlagInstructions flags = f.vcpu.flagInstructions();
      f.virtual8086(0);
      assertFault(GP, 0, () -> flags.pushf(2, f.s.rflags()));
      assertFault(GP, 0, () -> flags.popf(2));
      f.s.setU64(CpuLayout.CR4, f.s.cr4() | CR4_VME);
      f.virtual8086(Eflags.VIF);
      flags.pushf(2, f.s.rflags());
      assertEquals(Eflags.FIXED | Eflags.IF | Eflags.IOPL, f.stacked(0, 2));
      flags.cli();
      assertEquals(0, f.s.rflags() & Eflags.VIF);
      flags.popf(2);
      assertEquals(Eflags.VIF, f.s.rflags() & (Eflags.VIF | Eflags.IF | Eflags.IOPL));
      assertFault(GP, 0, () -> flags.pushf(4, f.s.rflags()));
      f.virtual8086(Eflags.IOPL);
      f.s.setGpr(4, 0xfe);
      f.write(0x1f000 + 0xfe, 2, Eflags.IF);
      flags.popf(2);
      assertEquals(Eflags.IOPL | Eflags.IF, f.s.rflags() & (Eflags.IOPL | Eflags.IF));
    }
  }
}
