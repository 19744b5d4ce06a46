package dev.pollux.core.cpu;

/** The states a vCPU has after power-on, INIT and a start-up IPI (Intel SDM vol. 3, table 11-1). */
final class CpuReset {
  private static final int RDX = 2;

  private CpuReset() {}

  static void powerOn(Vcpu vcpu, boolean bootstrap) {
    CpuState s = vcpu.cpuState();
    for (int offset = CpuLayout.STAR; offset <= CpuLayout.PKRS; offset += 8) {
      s.setU64(offset, 0);
    }
    for (int offset = CpuLayout.FCW; offset < CpuLayout.SCRATCH; offset += 4) {
      s.setU32(offset, 0);
    }
    s.setU32(CpuLayout.FCW, 0x40);
    s.setU32(CpuLayout.FTW, 0xff);
    s.setU32(CpuLayout.MXCSR, 0x1f80);
    s.setU64(CpuLayout.XCR0, 1);
    s.setU64(CpuLayout.SMBASE, 0x30000);
    s.setU64(CpuLayout.CR0, ControlRegisters.CR0_CD | ControlRegisters.CR0_NW);
    s.setU32(CpuLayout.A20, 1);
    vcpu.msrs().powerOn();
    s.andPending(~(Interrupts.INIT | Interrupts.SIPI));
    init(vcpu, bootstrap);
  }

  static void init(Vcpu vcpu, boolean bootstrap) {
    CpuState s = vcpu.cpuState();
    for (int i = 0; i < 16; i++) {
      s.setGpr(i, 0);
    }
    s.setGpr(CpuLayout.REG_ZERO, 0);
    s.setGpr(RDX, vcpu.model().signature());
    s.setRip(0xfff0);
    s.setRflags(Eflags.FIXED);
    s.setSeg(CpuLayout.CS, 0xf000, 0xffff_0000L, 0xffff, 0x9b);
    for (int segment :
        new int[] {CpuLayout.ES, CpuLayout.SS, CpuLayout.DS, CpuLayout.FS, CpuLayout.GS}) {
      s.setSeg(segment, 0, 0, 0xffff, SegmentAttributes.REAL);
    }
    s.setSeg(CpuLayout.LDTR, 0, 0, 0xffff, 0x82);
    s.setSeg(CpuLayout.TR, 0, 0, 0xffff, 0x8b);
    s.setU64(CpuLayout.GDT_BASE, 0);
    s.setU64(CpuLayout.GDT_LIMIT, 0xffff);
    s.setU64(CpuLayout.IDT_BASE, 0);
    s.setU64(CpuLayout.IDT_LIMIT, 0xffff);
    long cache = s.cr0() & (ControlRegisters.CR0_CD | ControlRegisters.CR0_NW);
    s.setU64(CpuLayout.CR0, cache | ControlRegisters.CR0_ET);
    s.setU64(CpuLayout.CR2, 0);
    s.setU64(CpuLayout.CR3, 0);
    s.setU64(CpuLayout.CR4, 0);
    s.setU64(CpuLayout.EFER, 0);
    for (int i = 0; i < 4; i++) {
      s.setU64(CpuLayout.PDPTE + i * 8, 0);
    }
    vcpu.debugRegisters().reset();
    s.andPending(~(Interrupts.NMI | Interrupts.SMI));
    s.setU32(CpuLayout.HALTED, 0);
    s.setU32(CpuLayout.INTERRUPT_SHADOW, 0);
    s.setU32(CpuLayout.NMI_BLOCKED, 0);
    s.setU32(CpuLayout.PENDING_DEBUG, 0);
    s.setU32(CpuLayout.WAIT_FOR_SIPI, bootstrap ? 0 : 1);
  }

  /** Start-up IPI: real mode at {@code vector << 12}; the vCPU waits for it. */
  static void startUp(Vcpu vcpu, int vector) {
    CpuState s = vcpu.cpuState();
    s.setU32(CpuLayout.WAIT_FOR_SIPI, 0);
    s.setRip(0);
    s.setSeg(CpuLayout.CS, (vector & 0xff) << 8, (long) (vector & 0xff) << 12, 0xffff, 0x9b);
  }
}
