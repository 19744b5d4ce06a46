package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SegmentAttributes.*;

/**
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS: transfers of privilege that read no descriptors
 * (Intel SDM vol. 2, AMD APM vol. 3). Where the vendors differ, the model's decides. vCPU thread;
 * RIP in the state block is that of the next instruction.
 */
public final class SystemCalls {
  private static final int RCX = 1;
  private static final int RDX = 2;
  private static final int RSP = 4;
  private static final int R11 = 11;

  private static final int ATTR_CODE = PRESENT | S | CODE | WRITABLE | ACCESSED | GRANULARITY;
  private static final int ATTR_DATA = PRESENT | S | WRITABLE | ACCESSED | GRANULARITY | DB;

  /** What SYSRET takes from R11. */
  private static final long SYSRET_FLAGS = 0x3c_7fd7;

  private final Vcpu vcpu;
  private final CpuState s;
  private final boolean amd;

  SystemCalls(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.amd = vcpu.model().isAmd();
  }

  private CpuException fault(int vector) {
    return vcpu.exception(vector, 0);
  }

  private void loadFlat(int codeSelector, int stackSelector, int cpl, boolean code64) {
    int level = cpl << DPL_SHIFT;
    s.setSeg(
        CpuLayout.CS,
        codeSelector & 0xfffc | cpl,
        0,
        0xffff_ffffL,
        ATTR_CODE | level | (code64 ? L : DB));
    s.setSeg(CpuLayout.SS, stackSelector & 0xfffc | cpl, 0, 0xffff_ffffL, ATTR_DATA | level);
  }

  private void requireSce() {
    boolean intelOnly64 = !amd && !s.code64();
    if ((s.efer() & ControlRegisters.EFER_SCE) == 0 || !s.protectedMode() || intelOnly64) {
      throw fault(CpuException.UD);
    }
  }

  /** SYSCALL. */
  public void syscall() {
    requireSce();
    long star = s.u64(CpuLayout.STAR);
    int selector = (int) (star >>> 32) & 0xffff;
    long flags = s.rflags() & ~(long) Eflags.RF;
    s.setGpr(RCX, s.rip());
    if (s.longMode()) {
      s.setGpr(R11, flags);
      s.setRip(s.u64(s.code64() ? CpuLayout.LSTAR : CpuLayout.CSTAR));
      s.setRflags(flags & ~s.u64(CpuLayout.SFMASK) | Eflags.FIXED);
      loadFlat(selector, selector + 8, 0, true);
    } else {
      s.setRip(star & 0xffff_ffffL);
      s.setRflags(flags & ~(long) (Eflags.IF | Eflags.VM));
      loadFlat(selector, selector + 8, 0, false);
    }
    trapSingleStep();
  }

  /**
   * Both SYSCALL and SYSRET look at TF as they leave it: the trap comes before the first
   * instruction at the target, or not at all.
   */
  private void trapSingleStep() {
    if ((s.rflags() & Eflags.TF) != 0) {
      vcpu.raiseDebugTrap(DebugRegisters.BS);
    }
  }

  /** SYSRET of operand size 4, or 8 to 64-bit code. */
  public void sysret(int size) {
    requireSce();
    if (s.cpl() != 0) {
      throw fault(CpuException.GP);
    }
    int selector = (int) (s.u64(CpuLayout.STAR) >>> 48);
    long rip = s.gpr(RCX);
    boolean to64 = s.longMode() && size == 8;
    if (to64 && !amd && !s.isCanonical(rip)) {
      throw fault(CpuException.GP);
    }
    if (s.longMode()) {
      s.setRflags(s.gpr(R11) & SYSRET_FLAGS | Eflags.FIXED);
    } else {
      s.setRflags(s.rflags() | Eflags.IF);
    }
    s.setRip(to64 ? rip : rip & 0xffff_ffffL);
    loadFlat(to64 ? selector + 16 : selector, selector + 8, 3, to64);
    trapSingleStep();
    vcpu.recheckInterrupts();
  }

  private int sysenterSelector() {
    if (amd && s.longMode()) {
      throw fault(CpuException.UD);
    }
    int selector = (int) s.u64(CpuLayout.SYSENTER_CS) & 0xfffc;
    if (!s.protectedMode() || selector == 0) {
      throw fault(CpuException.GP);
    }
    return selector;
  }

  /** SYSENTER. */
  public void sysenter() {
    int selector = sysenterSelector();
    boolean to64 = s.longMode();
    s.setRflags(s.rflags() & ~(long) (Eflags.VM | Eflags.IF | Eflags.RF));
    long mask = to64 ? -1 : 0xffff_ffffL;
    s.setGpr(RSP, s.u64(CpuLayout.SYSENTER_ESP) & mask);
    s.setRip(s.u64(CpuLayout.SYSENTER_EIP) & mask);
    loadFlat(selector, selector + 8, 0, to64);
  }

  /** SYSEXIT of operand size 4, or 8 to 64-bit code. */
  public void sysexit(int size) {
    int selector = sysenterSelector();
    if (s.cpl() != 0) {
      throw fault(CpuException.GP);
    }
    long rip = s.gpr(RDX);
    long rsp = s.gpr(RCX);
    boolean to64 = s.longMode() && size == 8;
    if (to64) {
      if (!s.isCanonical(rip) || !s.isCanonical(rsp)) {
        throw fault(CpuException.GP);
      }
    } else {
      rip &= 0xffff_ffffL;
      rsp &= 0xffff_ffffL;
    }
    s.setRip(rip);
    s.setGpr(RSP, rsp);
    loadFlat(selector + (to64 ? 32 : 16), selector + (to64 ? 40 : 24), 3, to64);
  }

  /** SWAPGS; decoded in 64-bit mode only. */
  public void swapgs() {
    if (s.cpl() != 0) {
      throw fault(CpuException.GP);
    }
    long base = s.segBase(CpuLayout.GS);
    s.setSegBase(CpuLayout.GS, s.u64(CpuLayout.KERNEL_GS_BASE));
    s.setU64(CpuLayout.KERNEL_GS_BASE, base);
  }
}
