package dev.pollux.devices.boot;

import dev.pollux.core.cpu.ControlRegisters;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Eflags;
import dev.pollux.core.cpu.Vcpu;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * How the first vCPU enters a kernel, and the tables in guest memory that this needs. Interrupts
 * are off.
 */
sealed interface KernelEntry {
  /** Selectors of the boot GDT, those that Linux's boot protocol asks for. */
  int CODE_SELECTOR = 0x10;

  int DATA_SELECTOR = 0x18;
  int TASK_SELECTOR = 0x20;

  /**
   * 64-bit mode with the first 4 GiB mapped one to one (Documentation/arch/x86/boot.rst, 64-bit
   * boot protocol).
   *
   * @param tables address of {@link #tables64}
   */
  record Long64(long rip, long rsi, long rsp, long tables) implements KernelEntry {
    private void enter(CpuState s) {
      s.setSeg(CpuLayout.CS, CODE_SELECTOR, 0, 0xffff_ffffL, 0xa09b);
      s.setU64(CpuLayout.GDT_BASE, tables + 6 * PAGE);
      s.setU64(CpuLayout.CR3, tables);
      s.setU64(CpuLayout.CR4, ControlRegisters.CR4_PAE);
      s.setU64(CpuLayout.EFER, ControlRegisters.EFER_LME | ControlRegisters.EFER_LMA);
      s.setU64(
          CpuLayout.CR0,
          ControlRegisters.CR0_PG
              | ControlRegisters.CR0_NE
              | ControlRegisters.CR0_ET
              | ControlRegisters.CR0_PE);
      s.setRip(rip);
      s.setGpr(RSI, rsi);
      s.setGpr(RSP, rsp);
    }
  }

  /**
   * Flat 32-bit protected mode without paging.
   *
   * @param tables address of {@link #tables32}
   */
  record Flat32(long eip, long eax, long ebx, long esi, long tables) implements KernelEntry {
    private void enter(CpuState s) {
      s.setSeg(CpuLayout.CS, CODE_SELECTOR, 0, 0xffff_ffffL, 0xc09b);
      s.setU64(CpuLayout.GDT_BASE, tables);
      s.setU64(CpuLayout.CR0, ControlRegisters.CR0_ET | ControlRegisters.CR0_PE);
      s.setRip(eip);
      s.setGpr(RAX, eax);
      s.setGpr(RBX, ebx);
      s.setGpr(RDX, 0);
      s.setGpr(RSI, esi);
    }
  }

  int PAGE = 4096;

  /** General registers by number. */
  int RAX = 0;

  int RDX = 2;
  int RBX = 3;
  int RSP = 4;
  int RSI = 6;

  /** Bytes of {@link #tables32}. */
  int TABLES32_SIZE = PAGE;

  /** Bytes of {@link #tables64}: page map, pointer table, four directories, GDT. */
  int TABLES64_SIZE = 7 * PAGE;

  private static long flat(long access, long flags) {
    return 0x000f_0000_0000_ffffL | access << 40 | flags << 52;
  }

  /** A GDT for flat 32-bit segments. */
  static byte[] tables32() {
    ByteBuffer gdt = ByteBuffer.allocate(PAGE).order(ByteOrder.LITTLE_ENDIAN);
    putGdt(gdt, 0, 0xc);
    return gdt.array();
  }

  /**
   * Page tables of 2 MiB pages for the first 4 GiB, and a GDT with 64-bit code, for this address.
   */
  static byte[] tables64(long address) {
    ByteBuffer tables = ByteBuffer.allocate(TABLES64_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    tables.putLong(0, address + PAGE | 3);
    for (int i = 0; i < 4; i++) {
      tables.putLong(PAGE + i * 8, address + (2L + i) * PAGE | 3);
    }
    for (int i = 0; i < 4 * 512; i++) {
      tables.putLong(2 * PAGE + i * 8, (long) i << 21 | 0x83);
    }
    putGdt(tables, 6 * PAGE, 0xa);
    return tables.array();
  }

  private static void putGdt(ByteBuffer to, int at, int codeFlags) {
    to.putLong(at + CODE_SELECTOR, flat(0x9b, codeFlags));
    to.putLong(at + DATA_SELECTOR, flat(0x93, 0xc));
    to.putLong(at + TASK_SELECTOR, 0x0000_8b00_0000_0067L);
  }

  /** Puts a vCPU that has just been reset at the kernel's entry. vCPU parked, machine lock held. */
  default void apply(Vcpu vcpu) {
    CpuState s = vcpu.cpuState();
    for (int segment :
        new int[] {CpuLayout.ES, CpuLayout.SS, CpuLayout.DS, CpuLayout.FS, CpuLayout.GS}) {
      s.setSeg(segment, DATA_SELECTOR, 0, 0xffff_ffffL, 0xc093);
    }
    s.setSeg(CpuLayout.TR, TASK_SELECTOR, 0, 0x67, 0x8b);
    s.setU64(CpuLayout.GDT_LIMIT, TASK_SELECTOR + 7);
    s.setU64(CpuLayout.IDT_LIMIT, 0);
    s.setRflags(Eflags.FIXED);
    switch (this) {
      case Long64 entry -> entry.enter(s);
      case Flat32 entry -> entry.enter(s);
    }
    settle(vcpu);
  }

  /**
   * Puts a vCPU that has just been reset at a physical address below 1 MiB in real mode, offset and
   * segment as firmware chooses them when it wakes a guest. vCPU parked, machine lock held.
   */
  static void enterRealMode(Vcpu vcpu, long address) {
    CpuState s = vcpu.cpuState();
    long segment = address >>> 4 & 0xffff;
    s.setSeg(CpuLayout.CS, (int) segment, segment << 4, 0xffff, 0x9b);
    s.setRip(address & 0xf);
    settle(vcpu);
  }

  private static void settle(Vcpu vcpu) {
    vcpu.mmu().flushAll();
    vcpu.mmu().updateMode();
    vcpu.engine().flushTlb();
    vcpu.engine().flushCode();
  }
}
