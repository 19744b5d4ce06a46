package dev.pollux.core.cpu;

import dev.pollux.core.state.StateDescriptor;
import java.util.List;
import java.util.function.LongPredicate;

/**
 * The declaration of a vCPU's saved state: every architectural field of {@link CpuLayout}. Values
 * that no processor holds are refused; those that this model does not have, or that contradict each
 * other, are dropped after loading. What engines and the MMU derive is made anew.
 */
final class CpuSavedState {
  private static final List<String> GPRS =
      List.of(
          "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
          "r13", "r14", "r15");

  private static final List<String> SEGMENTS =
      List.of("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr");

  /** Type, S, DPL, P, AVL, L, D/B, G. */
  private static final int ATTRIBUTES = 0xf0ff;

  static final StateDescriptor<Vcpu> STATE = declare();

  private CpuSavedState() {}

  private static boolean is16Bit(long value) {
    return value >>> 16 == 0;
  }

  private static StateDescriptor<Vcpu> declare() {
    StateDescriptor<Vcpu> d = StateDescriptor.of(Vcpu.class, "cpu", 2);
    for (int i = 0; i < 16; i++) {
      u64(d, GPRS.get(i), CpuLayout.GPR + i * 8);
    }
    u64(d, "rip", CpuLayout.RIP);
    u64(
        d,
        "rflags",
        CpuLayout.RFLAGS,
        v -> (v & ~(long) Eflags.ALL) == 0 && (v & Eflags.FIXED) != 0);
    for (int i = 0; i < SEGMENTS.size(); i++) {
      segment(d, SEGMENTS.get(i), CpuLayout.SEG + i * CpuLayout.SEG_SIZE);
    }
    u64(d, "gdt-base", CpuLayout.GDT_BASE, CanonicalForm::isAnywhere);
    u64(d, "gdt-limit", CpuLayout.GDT_LIMIT, CpuSavedState::is16Bit);
    u64(d, "idt-base", CpuLayout.IDT_BASE, CanonicalForm::isAnywhere);
    u64(d, "idt-limit", CpuLayout.IDT_LIMIT, CpuSavedState::is16Bit);
    controlRegisters(d);
    modelSpecificRegisters(d);
    activity(d);
    floatingPoint(d);
    d.since(2);
    u32(d, "pkru", CpuLayout.PKRU);
    u32(d, "pkrs", CpuLayout.PKRS);
    return d.afterLoad(CpuSavedState::loaded);
  }

  private static void segment(StateDescriptor<Vcpu> d, String name, int offset) {
    d.u16(
        name + "-selector",
        v -> v.cpuState().u32(offset + CpuLayout.SEG_SELECTOR) & 0xffff,
        (v, x) -> v.cpuState().setU32(offset + CpuLayout.SEG_SELECTOR, x));
    d.u16(
        name + "-attributes",
        v -> v.cpuState().u32(offset + CpuLayout.SEG_ATTR),
        (v, x) -> v.cpuState().setU32(offset + CpuLayout.SEG_ATTR, x & ATTRIBUTES));
    u64(d, name + "-base", offset + CpuLayout.SEG_BASE, CanonicalForm::isAnywhere);
    u32(d, name + "-limit", offset + CpuLayout.SEG_LIMIT);
  }

  private static void controlRegisters(StateDescriptor<Vcpu> d) {
    u64(d, "cr0", CpuLayout.CR0);
    u64(d, "cr2", CpuLayout.CR2);
    u64(d, "cr3", CpuLayout.CR3);
    u64(d, "cr4", CpuLayout.CR4);
    u64(d, "xcr0", CpuLayout.XCR0);
    for (int i = 0; i < 4; i++) {
      u64(d, "dr" + i, CpuLayout.DR + i * 8);
      u64(d, "pdpte" + i, CpuLayout.PDPTE + i * 8);
    }
    u64(
        d,
        "dr6",
        CpuLayout.DR + 6 * 8,
        v -> (v & ~DebugRegisters.DR6_WRITABLE) == DebugRegisters.DR6_FIXED);
    u64(
        d,
        "dr7",
        CpuLayout.DR + 7 * 8,
        v -> (v & ~DebugRegisters.DR7_WRITABLE) == DebugRegisters.DR7_FIXED);
  }

  private static void modelSpecificRegisters(StateDescriptor<Vcpu> d) {
    u64(d, "efer", CpuLayout.EFER);
    u64(d, "star", CpuLayout.STAR);
    u64(d, "lstar", CpuLayout.LSTAR, CanonicalForm::isAnywhere);
    u64(d, "cstar", CpuLayout.CSTAR, CanonicalForm::isAnywhere);
    u64(d, "sfmask", CpuLayout.SFMASK);
    u64(d, "kernel-gs-base", CpuLayout.KERNEL_GS_BASE, CanonicalForm::isAnywhere);
    u64(d, "sysenter-cs", CpuLayout.SYSENTER_CS);
    u64(d, "sysenter-esp", CpuLayout.SYSENTER_ESP, CanonicalForm::isAnywhere);
    u64(d, "sysenter-eip", CpuLayout.SYSENTER_EIP, CanonicalForm::isAnywhere);
    u64(d, "pat", CpuLayout.PAT, ModelSpecificRegisters::validPat);
    u64(d, "tsc-offset", CpuLayout.TSC_OFFSET);
    u64(d, "tsc-adjust", CpuLayout.TSC_ADJUST);
    u64(d, "tsc-aux", CpuLayout.TSC_AUX);
    u64(d, "misc-enable", CpuLayout.MISC_ENABLE);
    u64(d, "debugctl", CpuLayout.DEBUGCTL);
    u64(d, "spec-ctrl", CpuLayout.SPEC_CTRL);
    u64(d, "mtrr-def-type", CpuLayout.MTRR_DEF_TYPE);
    for (int i = 0; i < 11; i++) {
      u64(d, "mtrr-fixed" + i, CpuLayout.MTRR_FIXED + i * 8);
    }
    for (int i = 0; i < 16; i++) {
      u64(d, "mtrr-variable" + i, CpuLayout.MTRR_VARIABLE + i * 8);
    }
    u64(d, "smbase", CpuLayout.SMBASE);
    u64(d, "hwcr", CpuLayout.HWCR);
    u64(d, "mcg-status", CpuLayout.MCG_STATUS);
    u64(d, "mcg-ctl", CpuLayout.MCG_CTL);
    for (int i = 0; i < CpuLayout.MCE_BANKS * 4; i++) {
      u64(d, "mce-bank" + i, CpuLayout.MCE_BANK + i * 8);
    }
  }

  /**
   * What waits and what the processor is doing; the interrupt controller sets its own line again.
   */
  private static void activity(StateDescriptor<Vcpu> d) {
    int pending =
        Interrupts.HARD | Interrupts.NMI | Interrupts.SMI | Interrupts.INIT | Interrupts.SIPI;
    d.u8(
        "pending",
        pending,
        v -> v.cpuState().pending() & pending,
        (v, x) -> {
          v.cpuState().andPending(~pending);
          v.cpuState().orPending(x);
        });
    d.u8("sipi-vector", Vcpu::sipiVector, Vcpu::setSipiVector);
    u8(d, "halted", CpuLayout.HALTED, CpuLayout.HALTED_SHUTDOWN);
    u8(d, "interrupt-shadow", CpuLayout.INTERRUPT_SHADOW, CpuLayout.SHADOW_MOV_SS);
    u8(d, "nmi-blocked", CpuLayout.NMI_BLOCKED, 1);
    u8(d, "a20", CpuLayout.A20, 1);
    u8(d, "wait-for-sipi", CpuLayout.WAIT_FOR_SIPI, 1);
    d.u16(
        "pending-debug",
        v -> v.cpuState().u32(CpuLayout.PENDING_DEBUG),
        (v, x) ->
            v.cpuState().setU32(CpuLayout.PENDING_DEBUG, x & (int) DebugRegisters.DR6_WRITABLE));
  }

  private static void floatingPoint(StateDescriptor<Vcpu> d) {
    u16(d, "fcw", CpuLayout.FCW, 0xffff);
    u16(d, "fsw", CpuLayout.FSW, 0xffff);
    u8(d, "ftw", CpuLayout.FTW, 0xff);
    u16(d, "fop", CpuLayout.FOP, 0x7ff);
    u64(d, "fip", CpuLayout.FIP);
    u64(d, "fdp", CpuLayout.FDP);
    u16(d, "fcs", CpuLayout.FCS, 0xffff);
    u16(d, "fds", CpuLayout.FDS, 0xffff);
    d.u32(
        "mxcsr",
        0xffff,
        v -> v.cpuState().u32(CpuLayout.MXCSR),
        (v, x) -> v.cpuState().setU32(CpuLayout.MXCSR, x));
    for (int i = 0; i < 8; i++) {
      u64(d, "fpr" + i + "-significand", CpuLayout.FPR + i * 16);
      u64(d, "fpr" + i + "-exponent", CpuLayout.FPR + i * 16 + 8, CpuSavedState::is16Bit);
    }
    for (int i = 0; i < 16; i++) {
      for (int part = 0; part < 4; part++) {
        u64(d, "ymm" + i + "-" + part, CpuLayout.YMM + i * CpuLayout.YMM_SIZE + part * 8);
      }
    }
  }

  private static void u64(StateDescriptor<Vcpu> d, String name, int offset) {
    d.u64(name, v -> v.cpuState().u64(offset), (v, x) -> v.cpuState().setU64(offset, x));
  }

  private static void u64(StateDescriptor<Vcpu> d, String name, int offset, LongPredicate valid) {
    d.u64(name, valid, v -> v.cpuState().u64(offset), (v, x) -> v.cpuState().setU64(offset, x));
  }

  private static void u32(StateDescriptor<Vcpu> d, String name, int offset) {
    d.u32(name, v -> v.cpuState().u32(offset), (v, x) -> v.cpuState().setU32(offset, x));
  }

  private static void u16(StateDescriptor<Vcpu> d, String name, int offset, int max) {
    d.u16(name, max, v -> v.cpuState().u32(offset) & max, (v, x) -> v.cpuState().setU32(offset, x));
  }

  private static void u8(StateDescriptor<Vcpu> d, String name, int offset, int max) {
    d.u8(name, max, v -> v.cpuState().u32(offset) & 0xff, (v, x) -> v.cpuState().setU32(offset, x));
  }

  private static void loaded(Vcpu vcpu) {
    ControlRegisters.makeConsistent(vcpu.model(), vcpu.cpuState());
    vcpu.mmu().flushAll();
    vcpu.mmu().updateMode();
    // Code that was made from memory stays: whoever writes memory says so to its watchers.
    vcpu.engine().flushTlb();
    vcpu.kick();
  }
}
