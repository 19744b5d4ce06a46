package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SegmentAttributes.*;

import dev.pollux.core.mmu.Mmu;

/**
 * Task state segments: hardware task switches, the stacks of inner privilege levels, the I/O
 * permission bitmap and the interrupt redirection bitmap (Intel SDM vol. 3, chapter 8 and 20.3).
 * vCPU thread.
 */
public final class TaskSwitch {
  /** What asks for a switch. */
  enum Cause {
    JUMP,
    CALL,
    INTERRUPT,
    RETURN
  }

  private static final int MIN_LIMIT32 = 0x67;
  private static final int MIN_LIMIT16 = 0x2b;

  /** Offsets in a 32-bit TSS. */
  private static final int CR3 = 0x1c;

  private static final int EIP = 0x20;
  private static final int EFLAGS = 0x24;
  private static final int GPRS = 0x28;
  private static final int SEGMENTS = 0x48;
  private static final int LDT_SELECTOR = 0x60;
  private static final int TRAP = 0x64;
  private static final int IO_MAP = 0x66;

  /** Offsets in a 16-bit TSS. */
  private static final int IP16 = 0xe;

  private static final int FLAGS16 = 0x10;
  private static final int GPRS16 = 0x12;
  private static final int SEGMENTS16 = 0x22;
  private static final int LDT16 = 0x2a;

  /** Offset of RSP0 in a 64-bit TSS; IST1 follows RSP2 and a reserved word. */
  private static final int RSP0 = 4;

  private static final int IST1 = 0x24;

  private final Vcpu vcpu;
  private final CpuState s;
  private final Mmu mmu;
  private final Segmentation segmentation;

  /** The state that is on its way in. */
  private final long[] gprs = new long[8];

  private final int[] selectors = new int[6];

  TaskSwitch(Vcpu vcpu, Segmentation segmentation) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.mmu = vcpu.mmu();
    this.segmentation = segmentation;
  }

  // ---- stacks of inner levels ----

  private boolean is32Bit() {
    return (s.segAttr(CpuLayout.TR) & 8) != 0;
  }

  private long readTss(int offset, int size) {
    if (offset + size - 1 > s.segLimit(CpuLayout.TR)) {
      throw segmentation.fault(CpuException.TS, s.segSelector(CpuLayout.TR));
    }
    return mmu.readSystem(s.segBase(CpuLayout.TR) + offset, size);
  }

  int innerStackSelector(int cpl) {
    return (int) (is32Bit() ? readTss(8 + 8 * cpl, 2) : readTss(4 + 4 * cpl, 2));
  }

  long innerStackPointer(int cpl) {
    return is32Bit() ? readTss(4 + 8 * cpl, 4) : readTss(2 + 4 * cpl, 2);
  }

  /** The descriptor of an inner level's stack segment, checked: #TS or #SS with its selector. */
  long checkedInnerStack(int selector, int cpl) {
    if (Segmentation.isNull(selector)) {
      throw segmentation.fault(CpuException.TS, selector);
    }
    return segmentation.stackDescriptor(selector, cpl, CpuException.TS);
  }

  /** RSP for a privilege level from a 64-bit TSS. */
  long innerStack64(int cpl) {
    return canonical(readTss(RSP0 + 8 * cpl, 8));
  }

  /** Interrupt stack {@code number}, 1 to 7. */
  long interruptStack(int number) {
    return canonical(readTss(IST1 + 8 * (number - 1), 8));
  }

  private long canonical(long pointer) {
    if (!s.isCanonical(pointer)) {
      throw segmentation.fault(CpuException.SS, 0);
    }
    return pointer;
  }

  // ---- bitmaps ----

  /**
   * True if the I/O permission bitmap allows all of {@code size} ports; a bitmap that ends too
   * early forbids.
   */
  boolean portsAllowed(int port, int size) {
    long limit = s.segLimit(CpuLayout.TR);
    if (!is32Bit() || !isPresent(s.segAttr(CpuLayout.TR)) || limit < MIN_LIMIT32) {
      return false;
    }
    long base = s.segBase(CpuLayout.TR);
    int offset = (int) mmu.readSystem(base + IO_MAP, 2) + (port >> 3);
    if (offset + 1 > limit) {
      return false;
    }
    int bits = (int) mmu.readSystem(base + offset, 2) >> (port & 7);
    return (bits & (1 << size) - 1) == 0;
  }

  /**
   * True if INT {@code vector} in virtual-8086 mode with VME goes to the program's own vector
   * table.
   */
  boolean redirected(int vector) {
    long limit = s.segLimit(CpuLayout.TR);
    if (!is32Bit() || limit < MIN_LIMIT32) {
      throw segmentation.fault(CpuException.GP, 0);
    }
    long base = s.segBase(CpuLayout.TR);
    int offset = (int) mmu.readSystem(base + IO_MAP, 2) - 32 + (vector >> 3);
    if (offset < 0 || offset > limit) {
      throw segmentation.fault(CpuException.GP, 0);
    }
    return ((int) mmu.readSystem(base + offset, 1) >> (vector & 7) & 1) == 0;
  }

  // ---- task switches ----

  /** A task gate, checked by the caller. */
  void throughGate(long gate, Cause cause, long rip) {
    int selector = (int) (gate >>> 16) & 0xffff;
    if (Segmentation.isNull(selector) || (selector & 4) != 0) {
      throw segmentation.fault(CpuException.GP, selector);
    }
    switchTo(selector, segmentation.descriptor(selector, CpuException.GP), cause, rip);
  }

  /** IRET with NT set: back to the task that the link field names. */
  void returnToPrevious(long rip) {
    int selector = (int) readTss(0, 2);
    if ((selector & 4) != 0 || Segmentation.isNull(selector)) {
      throw segmentation.fault(CpuException.TS, selector);
    }
    switchTo(selector, segmentation.descriptor(selector, CpuException.TS), Cause.RETURN, rip);
  }

  /**
   * Switches to the task of a TSS descriptor; privilege has been checked.
   *
   * @param rip where the present task goes on
   */
  void switchTo(int selector, long descriptor, Cause cause, long rip) {
    int vector = cause == Cause.RETURN ? CpuException.TS : CpuException.GP;
    int attr = Segmentation.attr(descriptor);
    int type = type(attr);
    int wanted = cause == Cause.RETURN ? TSS16_BUSY : TSS16_AVAILABLE;
    if ((attr & S) != 0 || (type & ~8) != wanted) {
      throw segmentation.fault(vector, selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    boolean wide = (type & 8) != 0;
    long base = Segmentation.base(descriptor);
    if (Segmentation.limit(descriptor) < (wide ? MIN_LIMIT32 : MIN_LIMIT16)) {
      throw segmentation.fault(CpuException.TS, selector);
    }
    long oldBase = s.segBase(CpuLayout.TR);
    boolean oldWide = is32Bit();
    mmu.probeSystemWrite(oldBase, oldWide ? MIN_LIMIT32 + 1 : MIN_LIMIT16 + 1);
    long cr3 = readState(base, wide);
    long newRip = mmu.readSystem(base + (wide ? EIP : IP16), wide ? 4 : 2);
    long newFlags = mmu.readSystem(base + (wide ? EFLAGS : FLAGS16), wide ? 4 : 2);
    int ldt = (int) mmu.readSystem(base + (wide ? LDT_SELECTOR : LDT16), 2);
    boolean trap = wide && (mmu.readSystem(base + TRAP, 2) & 1) != 0;
    if (cause == Cause.CALL || cause == Cause.INTERRUPT) {
      mmu.writeSystem(base, 2, s.segSelector(CpuLayout.TR));
      newFlags |= Eflags.NT;
    }
    if (cause == Cause.JUMP || cause == Cause.RETURN) {
      segmentation.setBusy(s.segSelector(CpuLayout.TR), false);
    }
    saveState(oldBase, oldWide, cause, rip);
    if (cause != Cause.RETURN) {
      segmentation.setBusy(selector, true);
    }

    // From here on, faults are the new task's.
    s.setSeg(CpuLayout.TR, selector, base, Segmentation.limit(descriptor), attr | 2);
    s.setU64(CpuLayout.CR0, s.cr0() | ControlRegisters.CR0_TS);
    vcpu.debugRegisters().clearLocalEnables();
    for (int i = 0; i < 8; i++) {
      s.setGpr(i, gprs[i]);
    }
    s.setRip(newRip);
    s.setRflags(newFlags & Eflags.ALL | Eflags.FIXED);
    int cpl = (newFlags & Eflags.VM) != 0 ? 3 : selectors[CpuLayout.CS] & 3;
    for (int i = 0; i < 6; i++) {
      s.setSeg(i, selectors[i], 0, 0, i == CpuLayout.SS ? cpl << DPL_SHIFT : 0);
    }
    segmentation.loadNull(CpuLayout.LDTR, ldt);
    if (cause == Cause.INTERRUPT) {
      loadState(cr3, ldt, newRip, newFlags, cpl);
    } else {
      try {
        loadState(cr3, ldt, newRip, newFlags, cpl);
      } catch (CpuException e) {
        vcpu.delivery().exception(e.vector(), e.errorCode());
        return;
      }
    }
    if (trap) {
      vcpu.raiseDebugTrap(DebugRegisters.BT);
    }
  }

  private long readState(long base, boolean wide) {
    for (int i = 0; i < 8; i++) {
      gprs[i] =
          wide
              ? mmu.readSystem(base + GPRS + i * 4L, 4)
              : mmu.readSystem(base + GPRS16 + i * 2L, 2) | 0xffff_0000L;
    }
    for (int i = 0; i < 6; i++) {
      selectors[i] =
          wide
              ? (int) mmu.readSystem(base + SEGMENTS + i * 4L, 2)
              : i < 4 ? (int) mmu.readSystem(base + SEGMENTS16 + i * 2L, 2) : 0;
    }
    return wide ? mmu.readSystem(base + CR3, 4) : -1;
  }

  private void saveState(long base, boolean wide, Cause cause, long rip) {
    long flags = s.rflags();
    if (cause == Cause.RETURN) {
      flags &= ~Eflags.NT;
    }
    int size = wide ? 4 : 2;
    mmu.writeSystem(base + (wide ? EIP : IP16), size, rip);
    mmu.writeSystem(base + (wide ? EFLAGS : FLAGS16), size, flags);
    for (int i = 0; i < 8; i++) {
      mmu.writeSystem(base + (wide ? GPRS : GPRS16) + i * (long) size, size, s.gpr(i));
    }
    for (int i = 0; i < (wide ? 6 : 4); i++) {
      mmu.writeSystem(base + (wide ? SEGMENTS : SEGMENTS16) + i * (long) size, 2, s.segSelector(i));
    }
  }

  private void loadState(long cr3, int ldt, long rip, long flags, int cpl) {
    if (cr3 != -1 && (s.cr0() & ControlRegisters.CR0_PG) != 0) {
      vcpu.controlRegisters().writeCr3(cr3);
    }
    // The segment checks read tables through the new address space.
    mmu.updateMode();
    if (!Segmentation.isNull(ldt)) {
      segmentation.loadLdt(ldt, CpuException.TS, CpuException.TS);
    }
    if ((flags & Eflags.VM) != 0) {
      for (int i = 0; i < 6; i++) {
        segmentation.loadVirtual8086(i, selectors[i]);
      }
    } else {
      loadCode(selectors[CpuLayout.CS]);
      int ss = selectors[CpuLayout.SS];
      if (Segmentation.isNull(ss)) {
        throw segmentation.fault(CpuException.TS, ss);
      }
      long d = segmentation.stackDescriptor(ss, cpl, CpuException.TS);
      segmentation.load(CpuLayout.SS, ss, segmentation.markAccessed(ss, d));
      segmentation.loadData(CpuLayout.DS, selectors[CpuLayout.DS], cpl, CpuException.TS);
      segmentation.loadData(CpuLayout.ES, selectors[CpuLayout.ES], cpl, CpuException.TS);
      segmentation.loadData(CpuLayout.FS, selectors[CpuLayout.FS], cpl, CpuException.TS);
      segmentation.loadData(CpuLayout.GS, selectors[CpuLayout.GS], cpl, CpuException.TS);
    }
    if (rip > s.segLimit(CpuLayout.CS)) {
      throw segmentation.fault(CpuException.GP, 0);
    }
  }

  private void loadCode(int selector) {
    if (Segmentation.isNull(selector)) {
      throw segmentation.fault(CpuException.TS, selector);
    }
    long d = segmentation.descriptor(selector, CpuException.TS);
    int attr = Segmentation.attr(d);
    int rpl = selector & 3;
    if (!isCode(attr) || (isConforming(attr) ? dpl(attr) > rpl : dpl(attr) != rpl)) {
      throw segmentation.fault(CpuException.TS, selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    segmentation.load(CpuLayout.CS, selector, segmentation.markAccessed(selector, d));
  }
}
