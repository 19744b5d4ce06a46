package dev.pollux.core.cpu;

import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The model-specific registers (Intel SDM vol. 4; AMD APM vol. 2, appendix A). What a processor of
 * the model does not have is #GP(0), as on hardware. vCPU thread.
 */
public final class ModelSpecificRegisters {
  private static final Logger log = LoggerFactory.getLogger(ModelSpecificRegisters.class);

  private static final int TSC = 0x10;
  private static final int PLATFORM_ID = 0x17;
  private static final int APIC_BASE = 0x1b;
  private static final int FEATURE_CONTROL = 0x3a;
  private static final int TSC_ADJUST = 0x3b;
  private static final int MICROCODE_UPDATE = 0x79;
  private static final int PATCH_LEVEL = 0x8b;
  private static final int PLATFORM_INFO = 0xce;
  private static final int MTRR_CAP = 0xfe;
  private static final int SYSENTER_CS = 0x174;
  private static final int SYSENTER_ESP = 0x175;
  private static final int SYSENTER_EIP = 0x176;
  private static final int MCG_CAP = 0x179;
  private static final int MCG_STATUS = 0x17a;
  private static final int MCG_CTL = 0x17b;
  private static final int MISC_ENABLE = 0x1a0;
  private static final int DEBUGCTL = 0x1d9;
  private static final int LAST_BRANCH_FROM = 0x1db;
  private static final int LAST_INTERRUPT_TO = 0x1de;
  private static final int MTRR_VARIABLE = 0x200;
  private static final int MTRR_VARIABLE_END = 0x210;
  private static final int MTRR_FIXED_64K = 0x250;
  private static final int MTRR_FIXED_16K = 0x258;
  private static final int MTRR_FIXED_4K = 0x268;
  private static final int PAT = 0x277;
  private static final int MTRR_DEF_TYPE = 0x2ff;
  private static final int MCE_BANK = 0x400;
  private static final int MCE_BANK_END = MCE_BANK + CpuLayout.MCE_BANKS * 4;
  private static final int TSC_DEADLINE = 0x6e0;
  private static final int PKRS = 0x6e1;
  private static final int X2APIC = 0x800;
  private static final int X2APIC_END = 0x900;
  private static final int EFER = 0xc000_0080;
  private static final int STAR = 0xc000_0081;
  private static final int LSTAR = 0xc000_0082;
  private static final int CSTAR = 0xc000_0083;
  private static final int SFMASK = 0xc000_0084;
  private static final int FS_BASE = 0xc000_0100;
  private static final int GS_BASE = 0xc000_0101;
  private static final int KERNEL_GS_BASE = 0xc000_0102;
  private static final int TSC_AUX = 0xc000_0103;
  private static final int AMD_PERF = 0xc001_0000;
  private static final int AMD_PERF_END = 0xc001_0008;
  private static final int AMD_SYSCFG = 0xc001_0010;
  private static final int AMD_HWCR = 0xc001_0015;
  private static final int AMD_IORR = 0xc001_0016;
  private static final int AMD_TOP_MEM2 = 0xc001_001d;
  private static final int AMD_NB_CFG = 0xc001_001f;
  private static final int AMD_PATCH_LOADER = 0xc001_0020;
  private static final int AMD_INT_PENDING = 0xc001_0055;
  private static final int AMD_MMIO_CONFIG = 0xc001_0058;
  private static final int AMD_PSTATES = 0xc001_0061;
  private static final int AMD_PSTATES_END = 0xc001_006c;
  private static final int AMD_VM_CR = 0xc001_0114;
  private static final int AMD_OSVW_LENGTH = 0xc001_0140;
  private static final int AMD_OSVW_STATUS = 0xc001_0141;
  private static final int AMD_CONFIG = 0xc001_1000;
  private static final int AMD_CONFIG_END = 0xc001_1040;

  /** Eight variable ranges, fixed ranges, write combining. */
  private static final long MTRR_CAP_VALUE = 0x508;

  /** Control register present, and the number of banks. */
  private static final long MCG_CAP_VALUE = 1 << 8 | CpuLayout.MCE_BANKS;

  /** SVM is locked off. */
  private static final long VM_CR_VALUE = 1 << 4 | 1 << 3;

  /**
   * In HWCR since family 10H, read-only: the counter's rate is that of P-state 0 (AMD PPR, MSR
   * C001_0015).
   */
  private static final long TSC_AT_P0 = 1 << 24;

  private static final int FIRST_FAMILY_WITH_TSC_AT_P0 = 0x10;

  private static final long DEBUGCTL_WRITABLE = 3;

  /** Fast strings; branch trace and precise events are not available. */
  static final long MISC_ENABLE_RESET = 1 | 1 << 11 | 1 << 12;

  /** In MISC_ENABLE: MONITOR and MWAIT work. */
  private static final long MISC_ENABLE_MONITOR = 1 << 18;

  /** In MISC_ENABLE: no page is protected from execution, CPUID does not show NX. */
  static final long MISC_ENABLE_XD_DISABLE = 1L << 34;

  /**
   * Fast strings, thermal control, SpeedStep, MONITOR, its lock, the limit of CPUID's leaves, xTPR
   * messages off, execute disable off, turbo off: they read as they were written (Intel SDM vol. 4,
   * 2.1).
   */
  private static final long MISC_ENABLE_WRITABLE =
      1
          | 1 << 3
          | 1 << 16
          | MISC_ENABLE_MONITOR
          | 1 << 20
          | 1 << 22
          | 1 << 23
          | MISC_ENABLE_XD_DISABLE
          | 1L << 38;

  private static final long PAT_RESET = 0x0007_0406_0007_0406L;

  private static final int MAX_LOGGED = 100;

  private final Vcpu vcpu;
  private final CpuState s;
  private final CpuModel model;
  private final Set<Integer> logged = new HashSet<>();

  ModelSpecificRegisters(Vcpu vcpu) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.model = vcpu.model();
  }

  /** RDMSR; CPL has been checked. #GP(0) for a register that does not exist. */
  public long read(int index) {
    if (index >= X2APIC && index < X2APIC_END) {
      return readX2apic(index - X2APIC);
    }
    int offset = plainOffset(index);
    if (offset >= 0) {
      return s.u64(offset);
    }
    return switch (index) {
      case TSC -> vcpu.tsc();
      case APIC_BASE ->
          vcpu.interruptController() == null ? 0 : vcpu.interruptController().apicBase();
      case TSC_DEADLINE -> {
        require(index, CpuFeature.TSC_DEADLINE);
        yield vcpu.interruptController().tscDeadline();
      }
      case PKRS -> {
        require(index, CpuFeature.PKS);
        yield s.u64(CpuLayout.PKRS);
      }
      case TSC_ADJUST -> {
        require(index, CpuFeature.TSC_ADJUST);
        yield s.u64(CpuLayout.TSC_ADJUST);
      }
      case TSC_AUX -> {
        require(index, CpuFeature.RDTSCP);
        yield s.u64(CpuLayout.TSC_AUX);
      }
      case EFER -> s.efer();
      case FS_BASE -> s.segBase(CpuLayout.FS);
      case GS_BASE -> s.segBase(CpuLayout.GS);
      case MTRR_CAP -> MTRR_CAP_VALUE;
      case MCG_CAP -> MCG_CAP_VALUE;
      case MISC_ENABLE -> s.u64(CpuLayout.MISC_ENABLE);
      case DEBUGCTL -> s.u64(CpuLayout.DEBUGCTL);
      case PATCH_LEVEL -> model.isAmd() ? 0x0100_0065 : 1L << 32;
      default -> model.isAmd() ? readAmd(index) : readIntel(index);
    };
  }

  private long readIntel(int index) {
    return switch (index) {
      case PLATFORM_ID, MICROCODE_UPDATE -> 0;
      case FEATURE_CONTROL -> 1;
      case PLATFORM_INFO -> (CpuModel.TSC_HZ / 100_000_000) << 8;
      default -> {
        if (index >= LAST_BRANCH_FROM && index <= LAST_INTERRUPT_TO) {
          yield 0;
        }
        throw unknown("read", index);
      }
    };
  }

  private long readAmd(int index) {
    if (index == AMD_HWCR) {
      return s.u64(CpuLayout.HWCR);
    }
    if (index == AMD_VM_CR) {
      return VM_CR_VALUE;
    }
    if (amdReadsZero(index)) {
      return 0;
    }
    throw unknown("read", index);
  }

  /** AMD's configuration registers without a function here: they read 0, writes are dropped. */
  private static boolean amdReadsZero(int index) {
    return switch (index) {
      case AMD_SYSCFG,
          AMD_NB_CFG,
          AMD_PATCH_LOADER,
          AMD_INT_PENDING,
          AMD_MMIO_CONFIG,
          AMD_OSVW_LENGTH,
          AMD_OSVW_STATUS ->
          true;
      default ->
          index >= AMD_PERF && index < AMD_PERF_END
              || index >= AMD_IORR && index <= AMD_TOP_MEM2
              || index >= AMD_PSTATES && index < AMD_PSTATES_END
              || index >= AMD_CONFIG && index < AMD_CONFIG_END
              || index >= LAST_BRANCH_FROM && index <= LAST_INTERRUPT_TO;
    };
  }

  /**
   * WRMSR; CPL has been checked. #GP(0) for a register that does not exist and for values that it
   * cannot take.
   */
  public void write(int index, long value) {
    if (index >= X2APIC && index < X2APIC_END) {
      writeX2apic(index - X2APIC, value);
      return;
    }
    int offset = plainOffset(index);
    if (offset >= 0) {
      if (!ignores(index, value)) {
        s.setU64(offset, checked(index, value));
      }
      return;
    }
    switch (index) {
      case TSC -> {
        long change = value - vcpu.tsc();
        s.setU64(CpuLayout.TSC_ADJUST, s.u64(CpuLayout.TSC_ADJUST) + change);
        shiftTsc(change);
      }
      case APIC_BASE -> {
        if (vcpu.interruptController() == null || !vcpu.interruptController().setApicBase(value)) {
          throw gp0();
        }
      }
      case TSC_DEADLINE -> {
        require(index, CpuFeature.TSC_DEADLINE);
        vcpu.interruptController().setTscDeadline(value);
      }
      case PKRS -> {
        require(index, CpuFeature.PKS);
        if (value >>> 32 != 0) {
          throw gp0();
        }
        s.setU64(CpuLayout.PKRS, value);
      }
      case TSC_ADJUST -> {
        require(index, CpuFeature.TSC_ADJUST);
        long change = value - s.u64(CpuLayout.TSC_ADJUST);
        s.setU64(CpuLayout.TSC_ADJUST, value);
        shiftTsc(change);
      }
      case TSC_AUX -> {
        require(index, CpuFeature.RDTSCP);
        s.setU64(CpuLayout.TSC_AUX, value & 0xffff_ffffL);
      }
      case EFER -> vcpu.controlRegisters().writeEfer(value);
      case FS_BASE -> s.setSegBase(CpuLayout.FS, canonical(value));
      case GS_BASE -> s.setSegBase(CpuLayout.GS, canonical(value));
      case MISC_ENABLE ->
          s.setU64(
              CpuLayout.MISC_ENABLE,
              s.u64(CpuLayout.MISC_ENABLE) & ~MISC_ENABLE_WRITABLE | value & MISC_ENABLE_WRITABLE);
      case DEBUGCTL -> s.setU64(CpuLayout.DEBUGCTL, value & DEBUGCTL_WRITABLE);
      case PATCH_LEVEL -> {
        // Software writes 0 before it asks for the level.
      }
      default -> {
        if (model.isAmd()) {
          writeAmd(index, value);
        } else if (index != MICROCODE_UPDATE
            && (index < LAST_BRANCH_FROM || index > LAST_INTERRUPT_TO)) {
          throw unknown("write", index);
        }
      }
    }
  }

  /** True where MISC_ENABLE, which only Intel's processors have, takes execute disable away. */
  boolean executeDisableOff() {
    return !model.isAmd() && (s.u64(CpuLayout.MISC_ENABLE) & MISC_ENABLE_XD_DISABLE) != 0;
  }

  private void shiftTsc(long change) {
    s.setU64(CpuLayout.TSC_OFFSET, s.u64(CpuLayout.TSC_OFFSET) + change);
    InterruptController controller = vcpu.interruptController();
    if (controller != null && controller.tscDeadline() != 0) {
      // The same deadline is now at another time.
      controller.setTscDeadline(controller.tscDeadline());
    }
  }

  private void writeAmd(int index, long value) {
    if (index == AMD_HWCR) {
      s.setU64(CpuLayout.HWCR, value & 0xffff_ffffL & ~TSC_AT_P0 | hwcrFixed());
    } else if (!amdReadsZero(index) && index != AMD_VM_CR) {
      throw unknown("write", index);
    }
  }

  /** The bits of HWCR that software cannot change. */
  private long hwcrFixed() {
    return model.isAmd() && model.family() >= FIRST_FAMILY_WITH_TSC_AT_P0 ? TSC_AT_P0 : 0;
  }

  /** Where a register lies that is read as it was written, or -1. */
  private static int plainOffset(int index) {
    if (index >= MTRR_VARIABLE && index < MTRR_VARIABLE_END) {
      return CpuLayout.MTRR_VARIABLE + (index - MTRR_VARIABLE) * 8;
    }
    if (index >= MCE_BANK && index < MCE_BANK_END) {
      return CpuLayout.MCE_BANK + (index - MCE_BANK) * 8;
    }
    if (index >= MTRR_FIXED_4K && index < MTRR_FIXED_4K + 8) {
      return CpuLayout.MTRR_FIXED + (3 + index - MTRR_FIXED_4K) * 8;
    }
    return switch (index) {
      case MTRR_FIXED_64K -> CpuLayout.MTRR_FIXED;
      case MTRR_FIXED_16K, MTRR_FIXED_16K + 1 ->
          CpuLayout.MTRR_FIXED + (1 + index - MTRR_FIXED_16K) * 8;
      case MTRR_DEF_TYPE -> CpuLayout.MTRR_DEF_TYPE;
      case PAT -> CpuLayout.PAT;
      case SYSENTER_CS -> CpuLayout.SYSENTER_CS;
      case SYSENTER_ESP -> CpuLayout.SYSENTER_ESP;
      case SYSENTER_EIP -> CpuLayout.SYSENTER_EIP;
      case MCG_STATUS -> CpuLayout.MCG_STATUS;
      case MCG_CTL -> CpuLayout.MCG_CTL;
      case STAR -> CpuLayout.STAR;
      case LSTAR -> CpuLayout.LSTAR;
      case CSTAR -> CpuLayout.CSTAR;
      case SFMASK -> CpuLayout.SFMASK;
      case KERNEL_GS_BASE -> CpuLayout.KERNEL_GS_BASE;
      default -> -1;
    };
  }

  /**
   * The control register of a machine-check bank takes all errors or none. Linux leaves one out in
   * bank 4 of an old AMD processor and expects no fault.
   */
  private static boolean ignores(int index, long value) {
    return isBankControl(index) && value != 0 && value != -1;
  }

  private static boolean isBankControl(int index) {
    return index >= MCE_BANK && index < MCE_BANK_END && (index & 3) == 0;
  }

  /** The value that a plain register takes, or #GP(0). */
  private long checked(int index, long value) {
    boolean valid =
        switch (index) {
          case LSTAR, CSTAR, KERNEL_GS_BASE, SYSENTER_ESP, SYSENTER_EIP -> model.isCanonical(value);
          case PAT -> validPat(value);
          case MTRR_DEF_TYPE -> (value & ~0xcffL) == 0 && isMemoryType((int) value & 0xff, false);
          case MCG_CTL -> value == 0 || value == -1;
          default -> {
            if (index >= MTRR_VARIABLE && index < MTRR_VARIABLE_END) {
              yield validVariableMtrr(index, value);
            }
            if (index >= MTRR_FIXED_64K && index < PAT) {
              yield validTypes(value, false);
            }
            if (index >= MCE_BANK && index < MCE_BANK_END) {
              // All of what is written to a control register, the others can be cleared.
              yield value == 0 || isBankControl(index);
            }
            yield true;
          }
        };
    if (!valid) {
      throw gp0();
    }
    return switch (index) {
      case SFMASK, SYSENTER_CS -> value & 0xffff_ffffL;
      default -> value;
    };
  }

  static boolean validPat(long value) {
    return validTypes(value, true);
  }

  private static boolean validTypes(long value, boolean pat) {
    for (int i = 0; i < 64; i += 8) {
      if (!isMemoryType((int) (value >>> i) & 0xff, pat)) {
        return false;
      }
    }
    return true;
  }

  /** UC, WC, WT, WP, WB, and UC- in the page attribute table only. */
  private static boolean isMemoryType(int type, boolean pat) {
    return type == 0 || type == 1 || type >= 4 && type <= 6 || pat && type == 7;
  }

  private boolean validVariableMtrr(int index, long value) {
    if (value >>> model.physicalAddressBits() != 0) {
      return false;
    }
    return (index & 1) == 0
        ? (value & 0xf00) == 0 && isMemoryType((int) value & 0xff, false)
        : (value & 0x7ff) == 0;
  }

  private long canonical(long value) {
    if (!model.isCanonical(value)) {
      throw gp0();
    }
    return value;
  }

  private long readX2apic(int register) {
    InterruptController controller = vcpu.interruptController();
    if (controller == null
        || !model.has(CpuFeature.X2APIC)
        || !controller.x2apicReadable(register)) {
      throw gp0();
    }
    return controller.readX2apic(register);
  }

  private void writeX2apic(int register, long value) {
    InterruptController controller = vcpu.interruptController();
    if (controller == null
        || !model.has(CpuFeature.X2APIC)
        || !controller.writeX2apic(register, value)) {
      throw gp0();
    }
  }

  private void require(int index, CpuFeature feature) {
    if (!model.has(feature)
        || feature == CpuFeature.TSC_DEADLINE && vcpu.interruptController() == null) {
      throw unknown("access", index);
    }
  }

  private CpuException unknown(String access, int index) {
    if (log.isDebugEnabled() && logged.size() < MAX_LOGGED && logged.add(index)) {
      log.debug("CPU {}: {} of unknown MSR 0x{}", vcpu.index(), access, Integer.toHexString(index));
    }
    return gp0();
  }

  private CpuException gp0() {
    return vcpu.exception(CpuException.GP, 0);
  }

  /** Power-on values; an INIT keeps all but a few registers (Intel SDM vol. 3, table 11-1). */
  void powerOn() {
    s.setU64(CpuLayout.PAT, PAT_RESET);
    s.setU64(
        CpuLayout.MISC_ENABLE,
        MISC_ENABLE_RESET | (model.has(CpuFeature.MONITOR) ? MISC_ENABLE_MONITOR : 0));
    s.setU64(CpuLayout.TSC_OFFSET, -vcpu.machine().clocks().virtualNow());
    for (int i = 0; i < CpuLayout.MCE_BANKS; i++) {
      s.setU64(CpuLayout.MCE_BANK + i * 32, -1);
    }
    s.setU64(CpuLayout.MCG_CTL, -1);
    s.setU64(CpuLayout.HWCR, hwcrFixed());
  }
}
