package dev.pollux.core.cpu;

import java.util.Set;

/**
 * CR0, CR3, CR4, CR8, XCR0 and EFER: what may be written, and what a write changes (Intel SDM vol.
 * 3, 2.5, 4.1 and 10.8.5; MOV to control registers in vol. 2). vCPU thread.
 */
public final class ControlRegisters {
  public static final long CR0_PE = 1;
  public static final long CR0_MP = 1 << 1;
  public static final long CR0_EM = 1 << 2;
  public static final long CR0_TS = 1 << 3;

  /** Always set. */
  public static final long CR0_ET = 1 << 4;

  public static final long CR0_NE = 1 << 5;
  public static final long CR0_WP = 1 << 16;
  public static final long CR0_AM = 1 << 18;
  public static final long CR0_NW = 1 << 29;
  public static final long CR0_CD = 1 << 30;
  public static final long CR0_PG = 1L << 31;

  private static final long CR0_ALL =
      CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD
          | CR0_PG;

  public static final long CR4_VME = 1;
  public static final long CR4_PVI = 1 << 1;
  public static final long CR4_TSD = 1 << 2;
  public static final long CR4_DE = 1 << 3;
  public static final long CR4_PSE = 1 << 4;
  public static final long CR4_PAE = 1 << 5;
  public static final long CR4_MCE = 1 << 6;
  public static final long CR4_PGE = 1 << 7;
  public static final long CR4_PCE = 1 << 8;
  public static final long CR4_OSFXSR = 1 << 9;
  public static final long CR4_OSXMMEXCPT = 1 << 10;
  public static final long CR4_UMIP = 1 << 11;
  public static final long CR4_LA57 = 1 << 12;
  public static final long CR4_FSGSBASE = 1 << 16;
  public static final long CR4_PCIDE = 1 << 17;
  public static final long CR4_OSXSAVE = 1 << 18;
  public static final long CR4_SMEP = 1 << 20;
  public static final long CR4_SMAP = 1 << 21;
  public static final long CR4_PKE = 1 << 22;
  public static final long CR4_PKS = 1 << 24;
  public static final long CR4_LAM_SUP = 1 << 28;

  /** What the software TLB has taken into account: a change drops translations. */
  private static final long CR4_TRANSLATION =
      CR4_PAE
          | CR4_PSE
          | CR4_PGE
          | CR4_PCIDE
          | CR4_SMEP
          | CR4_SMAP
          | CR4_LA57
          | CR4_PKE
          | CR4_PKS
          | CR4_LAM_SUP;

  public static final long EFER_SCE = 1;
  public static final long EFER_LME = 1 << 8;
  public static final long EFER_LMA = 1 << 10;
  public static final long EFER_NXE = 1 << 11;

  /**
   * CR3: allows to keep the translations of the process-context identifier, which is not used here;
   * not stored.
   */
  private static final long CR3_NO_FLUSH = 1L << 63;

  private static final long CR3_PCID = 0xfff;

  /** CR3: user addresses carry metadata in bits 57 to 62. */
  public static final long CR3_LAM_U57 = 1L << 61;

  /** CR3: user addresses carry metadata in bits 48 to 62. */
  public static final long CR3_LAM_U48 = 1L << 62;

  private final Vcpu vcpu;
  private final CpuState s;
  private final long cr4Mask;
  private final long eferMask;

  ControlRegisters(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.cr4Mask = cr4Mask(vcpu.model().features());
    this.eferMask = eferMask(vcpu.model().features());
  }

  /** The bits of CR4 that a processor with these features has. */
  static long cr4Mask(Set<CpuFeature> f) {
    return bit(f, CpuFeature.VME, CR4_VME | CR4_PVI)
        | bit(f, CpuFeature.TSC, CR4_TSD)
        | bit(f, CpuFeature.DE, CR4_DE)
        | bit(f, CpuFeature.PSE, CR4_PSE)
        | bit(f, CpuFeature.PAE, CR4_PAE)
        | bit(f, CpuFeature.MCE, CR4_MCE)
        | bit(f, CpuFeature.PGE, CR4_PGE)
        | CR4_PCE
        | bit(f, CpuFeature.FXSR, CR4_OSFXSR)
        | bit(f, CpuFeature.SSE, CR4_OSXMMEXCPT)
        | bit(f, CpuFeature.UMIP, CR4_UMIP)
        | bit(f, CpuFeature.FSGSBASE, CR4_FSGSBASE)
        | bit(f, CpuFeature.PCID, CR4_PCIDE)
        | bit(f, CpuFeature.XSAVE, CR4_OSXSAVE)
        | bit(f, CpuFeature.SMEP, CR4_SMEP)
        | bit(f, CpuFeature.SMAP, CR4_SMAP)
        | bit(f, CpuFeature.LA57, CR4_LA57)
        | bit(f, CpuFeature.PKU, CR4_PKE)
        | bit(f, CpuFeature.PKS, CR4_PKS)
        | bit(f, CpuFeature.LAM, CR4_LAM_SUP);
  }

  /** The bits of EFER that a processor with these features has. */
  static long eferMask(Set<CpuFeature> f) {
    return bit(f, CpuFeature.SYSCALL, EFER_SCE)
        | bit(f, CpuFeature.LM, EFER_LME | EFER_LMA)
        | bit(f, CpuFeature.NX, EFER_NXE);
  }

  private static long bit(Set<CpuFeature> features, CpuFeature feature, long bits) {
    return features.contains(feature) ? bits : 0;
  }

  private CpuException gp0() {
    return vcpu.exception(CpuException.GP, 0);
  }

  /**
   * MOV to CR0: changes mode, paging and long mode as the bits say; #GP(0) for what is not allowed.
   */
  public void writeCr0(long value) {
    if (value >>> 32 != 0 && s.code64()) {
      throw gp0();
    }
    long old = s.cr0();
    long now = value & CR0_ALL | CR0_ET;
    boolean paging = (now & CR0_PG) != 0;
    if (paging && (now & CR0_PE) == 0 || (now & CR0_NW) != 0 && (now & CR0_CD) == 0) {
      throw gp0();
    }
    if (paging && (old & CR0_PG) == 0) {
      enablePaging();
    } else if (!paging && (old & CR0_PG) != 0) {
      if (s.code64() || (s.cr4() & CR4_PCIDE) != 0) {
        throw gp0();
      }
      s.setU64(CpuLayout.EFER, s.efer() & ~EFER_LMA);
    } else if (paging && ((old ^ now) & (CR0_CD | CR0_NW)) != 0 && paePaging()) {
      loadPdptes(s.cr3());
    }
    s.setU64(CpuLayout.CR0, now);
    if (((old ^ now) & (CR0_PG | CR0_PE | CR0_WP)) != 0) {
      vcpu.mmu().flushAll();
    }
  }

  private void enablePaging() {
    boolean pae = (s.cr4() & CR4_PAE) != 0;
    if ((s.efer() & EFER_LME) != 0) {
      if (!pae || (s.segAttr(CpuLayout.CS) & SegmentAttributes.L) != 0) {
        throw gp0();
      }
      s.setU64(CpuLayout.EFER, s.efer() | EFER_LMA);
    } else if (pae) {
      loadPdptes(s.cr3());
    }
  }

  private boolean paePaging() {
    return (s.cr4() & CR4_PAE) != 0 && !s.longMode();
  }

  /** LMSW: the low four bits of CR0; PE can be set but not cleared. */
  public void lmsw(int value) {
    writeCr0(s.cr0() & ~(CR0_MP | CR0_EM | CR0_TS) | value & 15);
  }

  /** CLTS. */
  public void clearTaskSwitched() {
    s.setU64(CpuLayout.CR0, s.cr0() & ~CR0_TS);
  }

  /** MOV to CR3. */
  public void writeCr3(long value) {
    long now = value;
    if (s.longMode()) {
      if ((s.cr4() & CR4_PCIDE) != 0) {
        now &= ~CR3_NO_FLUSH;
      }
      if ((now & ~cr3Mask(vcpu.model())) != 0) {
        throw gp0();
      }
    } else {
      now &= 0xffff_ffffL;
      if ((s.cr0() & CR0_PG) != 0 && paePaging()) {
        loadPdptes(now);
      }
    }
    long changed = s.cr3() ^ now;
    s.setU64(CpuLayout.CR3, now);
    if ((changed & (CR3_LAM_U48 | CR3_LAM_U57)) != 0) {
      vcpu.mmu().flushAll();
    } else {
      vcpu.mmu().flushNonGlobal();
    }
  }

  /** The bits of CR3 that a processor of the model has in long mode. */
  private static long cr3Mask(CpuModel model) {
    return ~(-1L << model.physicalAddressBits())
        | bit(model.features(), CpuFeature.LAM, CR3_LAM_U48 | CR3_LAM_U57);
  }

  /**
   * Loads the four page-directory pointers of PAE paging; all or, with #GP(0) for a reserved bit,
   * none (Intel SDM vol. 3, 4.4.1).
   */
  private void loadPdptes(long cr3) {
    long reserved = 0x1e6 | -1L << vcpu.model().physicalAddressBits();
    long[] entries = new long[4];
    for (int i = 0; i < 4; i++) {
      entries[i] = vcpu.machine().memory().read((cr3 & 0xffff_ffe0L) + i * 8L, 8);
      if ((entries[i] & 1) != 0 && (entries[i] & reserved) != 0) {
        throw gp0();
      }
    }
    for (int i = 0; i < 4; i++) {
      s.setU64(CpuLayout.PDPTE + i * 8, entries[i]);
    }
  }

  /** MOV to CR4. */
  public void writeCr4(long value) {
    long old = s.cr4();
    if ((value & ~cr4Mask) != 0) {
      throw gp0();
    }
    if (s.longMode() && ((value & CR4_PAE) == 0 || ((value ^ old) & CR4_LA57) != 0)) {
      throw gp0();
    }
    if ((value & ~old & CR4_PCIDE) != 0 && (!s.longMode() || (s.cr3() & CR3_PCID) != 0)) {
      throw gp0();
    }
    long changed = old ^ value;
    boolean pae = (value & CR4_PAE) != 0 && (s.cr0() & CR0_PG) != 0 && !s.longMode();
    if (pae && (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) != 0) {
      loadPdptes(s.cr3());
    }
    s.setU64(CpuLayout.CR4, value);
    if ((changed & CR4_TRANSLATION) != 0) {
      vcpu.mmu().flushAll();
    }
  }

  /** MOV from CR8. */
  public long readCr8() {
    return vcpu.interruptController() == null ? 0 : vcpu.interruptController().taskPriority();
  }

  /** MOV to CR8. */
  public void writeCr8(long value) {
    if (value >>> 4 != 0) {
      throw gp0();
    }
    if (vcpu.interruptController() != null) {
      vcpu.interruptController().setTaskPriority((int) value);
    }
  }

  /** XSETBV with ECX = 0; CPL and CR4.OSXSAVE are checked by the caller. */
  public void writeXcr0(long value) {
    boolean avxWithoutSse = (value & 6) == 4;
    if ((value & 1) == 0 || avxWithoutSse || (value & ~vcpu.model().xcr0Mask()) != 0) {
      throw gp0();
    }
    s.setU64(CpuLayout.XCR0, value);
  }

  /** WRMSR to EFER. LMA follows LME and CR0.PG alone. */
  public void writeEfer(long value) {
    long old = s.efer();
    if ((value & ~eferMask) != 0
        || (value & EFER_NXE) != 0 && vcpu.msrs().executeDisableOff()
        || ((value ^ old) & EFER_LME) != 0 && (s.cr0() & CR0_PG) != 0) {
      throw gp0();
    }
    s.setU64(CpuLayout.EFER, value & ~EFER_LMA | old & EFER_LMA);
    if (((value ^ old) & EFER_NXE) != 0) {
      vcpu.mmu().flushAll();
    }
  }

  /**
   * Takes out of registers that come from outside what a processor of the model cannot hold, so
   * that modes and paging fit together.
   */
  static void makeConsistent(CpuModel model, CpuState s) {
    long cr0 = s.cr0() & CR0_ALL | CR0_ET;
    if ((cr0 & CR0_PE) == 0) {
      cr0 &= ~CR0_PG;
    }
    long cr4 = s.cr4() & cr4Mask(model.features());
    long efer = s.efer() & eferMask(model.features()) & ~EFER_LMA;
    if ((cr0 & CR0_PG) != 0 && (efer & EFER_LME) != 0) {
      efer |= EFER_LMA;
      cr4 |= CR4_PAE;
    } else {
      cr4 &= ~CR4_PCIDE;
    }
    long xcr0 = s.u64(CpuLayout.XCR0) & model.xcr0Mask() | 1;
    s.setU64(CpuLayout.CR0, cr0);
    s.setU64(CpuLayout.CR3, s.cr3() & cr3Mask(model));
    s.setU64(CpuLayout.CR4, cr4);
    s.setU64(CpuLayout.EFER, efer);
    s.setU64(CpuLayout.XCR0, (xcr0 & 6) == 4 ? xcr0 & ~4 : xcr0);
    if ((efer & EFER_LMA) != 0 || (cr0 & CR0_PE) == 0) {
      s.setRflags(s.rflags() & ~(long) Eflags.VM);
    }
  }
}
