package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SegmentAttributes.*;

import dev.pollux.core.mmu.Mmu;

/**
 * Far JMP, CALL and RET in all modes, through call gates and task gates, and IRET (Intel SDM vol. 2
 * for the instructions, vol. 3, 6.8 for gates and stack switches). vCPU thread; RIP in the state
 * block is that of the next instruction. A fault is thrown before a register has changed.
 */
public final class FarTransfers {
  private static final int FLAGS16 = 0xffff;

  private final Vcpu vcpu;
  private final CpuState s;
  private final Mmu mmu;
  private final Segmentation segmentation;
  private final TaskSwitch tasks;
  private final Stack stack;
  private final Stack outer;

  FarTransfers(Vcpu vcpu, Segmentation segmentation, TaskSwitch tasks) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.mmu = vcpu.mmu();
    this.segmentation = segmentation;
    this.tasks = tasks;
    this.stack = new Stack(vcpu, segmentation);
    this.outer = new Stack(vcpu, segmentation);
  }

  private CpuException gp(int selector) {
    return segmentation.fault(CpuException.GP, selector);
  }

  private static long truncate(long value, int size) {
    return size == 8 ? value : size == 4 ? value & 0xffff_ffffL : value & 0xffff;
  }

  /**
   * Checks an offset in a code segment and returns it as RIP: canonical in 64-bit code, in the
   * limit elsewhere.
   */
  private long target(long descriptor, long offset) {
    if (s.longMode() && (attr(descriptor) & L) != 0) {
      if (!s.isCanonical(offset)) {
        throw gp(0);
      }
      return offset;
    }
    long rip = offset & 0xffff_ffffL;
    if (rip > Segmentation.limit(descriptor)) {
      throw gp(0);
    }
    return rip;
  }

  private static int attr(long descriptor) {
    return Segmentation.attr(descriptor);
  }

  /** 64-bit code that is also 32-bit code does not exist. */
  private void checkSize(int selector, long descriptor) {
    if (s.longMode() && (attr(descriptor) & (L | DB)) == (L | DB)) {
      throw gp(selector);
    }
  }

  /** Sets CS with the RPL of {@code cpl}, and RIP. */
  private void enter(int selector, long descriptor, int cpl, long rip) {
    long accessed = segmentation.markAccessed(selector, descriptor);
    segmentation.load(CpuLayout.CS, selector & ~3 | cpl, accessed);
    s.setRip(rip);
  }

  /** The rule for a direct far JMP or CALL to a code segment: no change of privilege. */
  private void checkDirect(int selector, long descriptor) {
    int attr = attr(descriptor);
    int cpl = s.cpl();
    boolean allowed =
        isConforming(attr) ? dpl(attr) <= cpl : (selector & 3) <= cpl && dpl(attr) == cpl;
    if (!allowed) {
      throw gp(selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    checkSize(selector, descriptor);
  }

  // ---- JMP and CALL ----

  /**
   * Far JMP.
   *
   * @param size operand size in bytes: 2, 4 or 8
   */
  public void jump(int selector, long offset, int size) {
    if (!s.usesDescriptors()) {
      enterReal(selector, truncate(offset, size));
      return;
    }
    if (Segmentation.isNull(selector)) {
      throw gp(0);
    }
    long d = segmentation.descriptor(selector, CpuException.GP);
    if (isCode(attr(d))) {
      checkDirect(selector, d);
      enter(selector, d, s.cpl(), target(d, truncate(offset, size)));
    } else {
      throughSystemDescriptor(selector, d, false);
    }
  }

  private void enterReal(int selector, long offset) {
    if (offset > s.segLimit(CpuLayout.CS)) {
      throw gp(0);
    }
    segmentation.loadWithoutDescriptor(CpuLayout.CS, selector);
    s.setRip(offset);
  }

  /** Far CALL; parameters as {@link #jump}. */
  public void call(int selector, long offset, int size) {
    if (!s.usesDescriptors()) {
      stack.current();
      stack.push(size, s.segSelector(CpuLayout.CS));
      stack.push(size, s.rip());
      enterReal(selector, truncate(offset, size));
      stack.commit();
      return;
    }
    if (Segmentation.isNull(selector)) {
      throw gp(0);
    }
    long d = segmentation.descriptor(selector, CpuException.GP);
    if (isCode(attr(d))) {
      checkDirect(selector, d);
      long rip = target(d, truncate(offset, size));
      stack.current();
      stack.push(size, s.segSelector(CpuLayout.CS));
      stack.push(size, s.rip());
      enter(selector, d, s.cpl(), rip);
      stack.commit();
    } else {
      throughSystemDescriptor(selector, d, true);
    }
  }

  private void throughSystemDescriptor(int selector, long d, boolean call) {
    int attr = attr(d);
    int type = type(attr);
    boolean legacyOnly =
        type == CALL_GATE16
            || type == TASK_GATE
            || type == TSS16_AVAILABLE
            || type == TSS32_AVAILABLE;
    boolean known = legacyOnly || type == CALL_GATE32;
    if ((attr & S) != 0 || !known || legacyOnly && s.longMode()) {
      throw gp(selector);
    }
    if (dpl(attr) < s.cpl() || dpl(attr) < (selector & 3)) {
      throw gp(selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    TaskSwitch.Cause cause = call ? TaskSwitch.Cause.CALL : TaskSwitch.Cause.JUMP;
    switch (type) {
      case TASK_GATE -> tasks.throughGate(d, cause, s.rip());
      case TSS16_AVAILABLE, TSS32_AVAILABLE -> tasks.switchTo(selector, d, cause, s.rip());
      default -> throughCallGate(selector, d, call);
    }
  }

  private void throughCallGate(int gateSelector, long gate, boolean call) {
    int size = s.longMode() ? 8 : type(attr(gate)) == CALL_GATE32 ? 4 : 2;
    int selector = (int) (gate >>> 16) & 0xffff;
    long offset = gate & 0xffff | gate >>> 32 & 0xffff_0000L;
    if (size == 2) {
      offset &= 0xffff;
    }
    if (size == 8) {
      offset |= upperOffset(gateSelector);
    }
    if (Segmentation.isNull(selector)) {
      throw gp(0);
    }
    long d = segmentation.descriptor(selector, CpuException.GP);
    int attr = attr(d);
    int cpl = s.cpl();
    if (!isCode(attr) || dpl(attr) > cpl || !call && !isConforming(attr) && dpl(attr) != cpl) {
      throw gp(selector);
    }
    if (size == 8 && (attr & (L | DB)) != L) {
      throw gp(selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    if (call && !isConforming(attr) && dpl(attr) < cpl) {
      callInner(gate, size, selector, d, target(d, offset));
      return;
    }
    long rip = target(d, offset);
    if (call) {
      stack.current();
      stack.push(size, s.segSelector(CpuLayout.CS));
      stack.push(size, s.rip());
      enter(selector, d, cpl, rip);
      stack.commit();
    } else {
      enter(selector, d, cpl, rip);
    }
  }

  private long upperOffset(int gateSelector) {
    long address = segmentation.address(gateSelector + 8, CpuException.GP);
    long upper = mmu.readSystem(address, 8);
    if ((upper >>> 40 & 0x1f) != 0) {
      throw gp(gateSelector);
    }
    return upper << 32;
  }

  private void callInner(long gate, int size, int selector, long descriptor, long rip) {
    int cpl = dpl(attr(descriptor));
    stack.current();
    int newSs = 0;
    long stackDescriptor = 0;
    if (size == 8) {
      outer.flat(tasks.innerStack64(cpl), cpl);
    } else {
      newSs = tasks.innerStackSelector(cpl);
      stackDescriptor = tasks.checkedInnerStack(newSs, cpl);
      outer.of(newSs, stackDescriptor, tasks.innerStackPointer(cpl), cpl);
    }
    outer.push(size, s.segSelector(CpuLayout.SS));
    outer.push(size, s.gpr(4));
    if (size != 8) {
      int count = (int) (gate >>> 32) & 31;
      for (int i = count - 1; i >= 0; i--) {
        outer.push(size, stack.peek(i * size, size));
      }
    }
    outer.push(size, s.segSelector(CpuLayout.CS));
    outer.push(size, s.rip());
    long accessed = size == 8 ? 0 : segmentation.markAccessed(newSs, stackDescriptor);
    enter(selector, descriptor, cpl, rip);
    if (size == 8) {
      segmentation.loadNullStack(cpl);
    } else {
      segmentation.load(CpuLayout.SS, newSs, accessed);
    }
    outer.commit();
  }

  // ---- RET ----

  /**
   * Far RET.
   *
   * @param size operand size in bytes
   * @param release bytes to drop from the stack after the return address
   */
  public void ret(int size, int release) {
    stack.current();
    long rip = stack.pop(size);
    int selector = (int) stack.pop(size) & 0xffff;
    if (!s.usesDescriptors()) {
      stack.skip(release);
      enterReal(selector, rip);
      stack.commit();
      return;
    }
    returnTo(selector, rip, size, release, false);
  }

  /** The protected part that RET and IRET share. The stack is behind CS (and the flags). */
  private void returnTo(int selector, long offset, int size, int release, boolean iret) {
    if (Segmentation.isNull(selector)) {
      throw gp(0);
    }
    long d = segmentation.descriptor(selector, CpuException.GP);
    int attr = attr(d);
    int cpl = s.cpl();
    int newCpl = selector & 3;
    if (!isCode(attr)
        || newCpl < cpl
        || (isConforming(attr) ? dpl(attr) > newCpl : dpl(attr) != newCpl)) {
      throw gp(selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    checkSize(selector, d);
    if (newCpl == cpl && !(iret && s.code64())) {
      long rip = target(d, offset);
      stack.skip(release);
      enter(selector, d, cpl, rip);
      stack.commit();
      return;
    }
    stack.skip(release);
    long newSp = stack.pop(size);
    int newSs = (int) stack.pop(size) & 0xffff;
    long rip = target(d, offset);
    boolean to64 = s.longMode() && (attr & L) != 0;
    if (Segmentation.isNull(newSs)) {
      if (!to64 || newCpl == 3 || (newSs & 3) != newCpl) {
        throw gp(newSs & 3);
      }
      enter(selector, d, newCpl, rip);
      segmentation.loadNullStack(newCpl);
      outer.flat(newSp, newCpl);
    } else {
      long ssDescriptor = segmentation.stackDescriptor(newSs, newCpl, CpuException.GP);
      ssDescriptor = segmentation.markAccessed(newSs, ssDescriptor);
      enter(selector, d, newCpl, rip);
      segmentation.load(CpuLayout.SS, newSs, ssDescriptor);
      if (to64) {
        outer.flat(newSp, newCpl);
      } else {
        outer.of(newSs, ssDescriptor, newSp, newCpl);
      }
    }
    outer.skip(release);
    outer.commit();
    if (newCpl > cpl) {
      segmentation.dropInnerData(newCpl);
    }
  }

  // ---- IRET ----

  /** IRET of operand size 2, 4 or 8 bytes. Ends the blocking of NMIs. */
  public void iret(int size) {
    if (!s.protectedMode()) {
      iretReal(size);
    } else if (s.virtual8086()) {
      iretVirtual8086(size);
    } else {
      iretProtected(size);
    }
    s.setU32(CpuLayout.NMI_BLOCKED, 0);
    vcpu.recheckInterrupts();
  }

  private void iretReal(int size) {
    stack.current();
    long rip = stack.pop(size);
    int selector = (int) stack.pop(size) & 0xffff;
    long flags = stack.pop(size);
    enterReal(selector, rip);
    stack.commit();
    long changeable = size == 2 ? FLAGS16 : 0x257fd5;
    setFlags(flags, changeable & ~(long) (Eflags.VM | Eflags.VIF | Eflags.VIP));
  }

  private void iretVirtual8086(int size) {
    boolean iopl3 = (s.rflags() & Eflags.IOPL) == Eflags.IOPL;
    boolean extensions = (s.cr4() & ControlRegisters.CR4_VME) != 0;
    if (!iopl3 && !(extensions && size == 2)) {
      throw gp(0);
    }
    stack.current();
    long rip = stack.pop(size);
    int selector = (int) stack.pop(size) & 0xffff;
    long flags = stack.pop(size);
    long changeable = Eflags.ALL & ~(Eflags.VM | Eflags.IOPL | Eflags.VIF | Eflags.VIP);
    if (!iopl3) {
      boolean enables = (flags & Eflags.IF) != 0;
      if (enables && (s.rflags() & Eflags.VIP) != 0 || (flags & Eflags.TF) != 0) {
        throw gp(0);
      }
      changeable = changeable & ~Eflags.IF | Eflags.VIF;
      flags = flags & ~Eflags.VIF | (enables ? Eflags.VIF : 0);
      changeable &= FLAGS16 | Eflags.VIF;
    } else if (size == 2) {
      changeable &= FLAGS16;
    }
    enterReal(selector, rip);
    stack.commit();
    setFlags(flags, changeable);
  }

  private void iretProtected(int size) {
    if ((s.rflags() & Eflags.NT) != 0) {
      if (s.longMode()) {
        throw gp(0);
      }
      tasks.returnToPrevious(s.rip());
      return;
    }
    stack.current();
    long rip = stack.pop(size);
    int selector = (int) stack.pop(size) & 0xffff;
    long flags = stack.pop(size);
    int cpl = s.cpl();
    if ((flags & Eflags.VM) != 0 && cpl == 0 && size == 4 && !s.longMode()) {
      iretToVirtual8086(selector, rip, flags);
      return;
    }
    int iopl = (int) (s.rflags() & Eflags.IOPL) >> Eflags.IOPL_SHIFT;
    long changeable =
        Eflags.STATUS | Eflags.TF | Eflags.DF | Eflags.NT | Eflags.RF | Eflags.AC | Eflags.ID;
    if (cpl <= iopl) {
      changeable |= Eflags.IF;
    }
    if (cpl == 0) {
      changeable |= Eflags.IOPL | Eflags.VIF | Eflags.VIP;
    }
    if (size == 2) {
      changeable &= FLAGS16;
    }
    returnTo(selector, rip, size, 0, true);
    setFlags(flags, changeable);
  }

  private void iretToVirtual8086(int cs, long rip, long flags) {
    long esp = stack.pop(4);
    int ss = (int) stack.pop(4) & 0xffff;
    int es = (int) stack.pop(4) & 0xffff;
    int ds = (int) stack.pop(4) & 0xffff;
    int fs = (int) stack.pop(4) & 0xffff;
    int gs = (int) stack.pop(4) & 0xffff;
    segmentation.loadVirtual8086(CpuLayout.CS, cs);
    segmentation.loadVirtual8086(CpuLayout.SS, ss);
    segmentation.loadVirtual8086(CpuLayout.ES, es);
    segmentation.loadVirtual8086(CpuLayout.DS, ds);
    segmentation.loadVirtual8086(CpuLayout.FS, fs);
    segmentation.loadVirtual8086(CpuLayout.GS, gs);
    s.setGpr(4, esp);
    s.setRip(rip & 0xffff);
    setFlags(flags, Eflags.ALL);
  }

  private void setFlags(long flags, long changeable) {
    long mask = changeable & Eflags.ALL;
    s.setRflags(s.rflags() & ~mask | flags & mask | Eflags.FIXED);
  }
}
