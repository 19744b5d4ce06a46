package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SegmentAttributes.*;

import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.mmu.Mmu;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Delivers interrupts and exceptions through the IDT or the real-mode vector table (Intel SDM vol.
 * 3, chapter 7; virtual-8086 mode: 22.3). vCPU thread; RIP and RFLAGS are whole in the state block
 * before and after.
 */
public final class InterruptDelivery {
  private static final Logger log = LoggerFactory.getLogger(InterruptDelivery.class);

  private static final int NO_ERROR_CODE = -1;
  private static final int RSP = 4;

  private final Vcpu vcpu;
  private final CpuState s;
  private final Mmu mmu;
  private final Segmentation segmentation;
  private final TaskSwitch tasks;
  private final Stack stack;

  InterruptDelivery(Vcpu vcpu, Segmentation segmentation, TaskSwitch tasks) {
    this.vcpu = vcpu;
    this.s = vcpu.cpuState();
    this.mmu = vcpu.mmu();
    this.segmentation = segmentation;
    this.tasks = tasks;
    this.stack = new Stack(vcpu, segmentation);
  }

  // ---- what waits ----

  /**
   * Delivers what waits and the vCPU's state allows: a pending debug trap, an NMI or a maskable
   * interrupt. A halted vCPU that takes one goes on. Called between engine runs, on the vCPU's
   * thread, RIP and flags in the state block.
   *
   * <p>Where an interrupt waits for the end of the interrupt shadow, the exit request is set again:
   * an engine executes at least one instruction in each run.
   */
  public void deliverPending() {
    if (s.u32(CpuLayout.HALTED) == CpuLayout.HALTED_SHUTDOWN
        || s.u32(CpuLayout.WAIT_FOR_SIPI) != 0) {
      return;
    }
    if (s.u32(CpuLayout.PENDING_DEBUG) != 0) {
      if (s.u32(CpuLayout.INTERRUPT_SHADOW) == CpuLayout.SHADOW_MOV_SS) {
        s.setExitRequest(true);
        return;
      }
      int cause = s.u32(CpuLayout.PENDING_DEBUG);
      s.setU32(CpuLayout.PENDING_DEBUG, 0);
      debugTrap(cause);
    }
    if (interruptible()) {
      if (s.u32(CpuLayout.INTERRUPT_SHADOW) != 0) {
        s.setExitRequest(true);
        return;
      }
      deliverInterrupt();
      if (interruptible()) {
        s.setExitRequest(true);
      }
    }
  }

  /** True if an interrupt waits that is not masked, the interrupt shadow aside. */
  boolean interruptible() {
    int pending = s.pending();
    return (pending & Interrupts.NMI) != 0 && s.u32(CpuLayout.NMI_BLOCKED) == 0
        || (pending & Interrupts.HARD) != 0 && (s.rflags() & Eflags.IF) != 0;
  }

  private void deliverInterrupt() {
    if ((s.pending() & Interrupts.NMI) != 0 && s.u32(CpuLayout.NMI_BLOCKED) == 0) {
      s.andPending(~Interrupts.NMI);
      s.setU32(CpuLayout.NMI_BLOCKED, 1);
      interrupt(CpuException.NMI);
      return;
    }
    int vector = vcpu.interruptController().acknowledge();
    if (vector >= 0) {
      interrupt(vector);
    }
  }

  /** Delivers an external interrupt. */
  void interrupt(int vector) {
    s.setU32(CpuLayout.HALTED, 0);
    deliverWithNested(vector, NO_ERROR_CODE, false, false);
  }

  // ---- exceptions ----

  /**
   * Delivers an exception raised by the instruction at RIP in the state block; double and triple
   * faults are made of it here.
   */
  public void exception(int vector, int errorCode) {
    // A debug exception's RF is the program's: the handler decides whether the breakpoint counts
    // again.
    deliverWithNested(
        vector,
        CpuException.hasErrorCode(vector) ? errorCode : NO_ERROR_CODE,
        true,
        vector != CpuException.DB);
  }

  /**
   * A fault-like #DB for instruction breakpoints, before the instruction at RIP: {@code hits} are
   * DR6 bits.
   */
  public void debugFault(int hits) {
    vcpu.debugRegisters().setCause(hits);
    exception(CpuException.DB, 0);
  }

  /**
   * A trap-like #DB after an instruction, RIP behind it: single step, data and port breakpoints;
   * DR6 bits.
   */
  public void debugTrap(int causes) {
    vcpu.debugRegisters().setCause(causes);
    s.setU32(CpuLayout.HALTED, 0);
    deliverWithNested(CpuException.DB, NO_ERROR_CODE, true, false);
  }

  private static boolean contributory(int vector) {
    return vector == CpuException.DE || vector >= CpuException.TS && vector <= CpuException.GP;
  }

  /** Intel SDM vol. 3, table 7-5. */
  private static boolean doubleFault(int first, int second) {
    return contributory(first) && contributory(second)
        || first == CpuException.PF && (second == CpuException.PF || contributory(second));
  }

  private void deliverWithNested(int vector, int error, boolean exception, boolean resumeFlag) {
    int v = vector;
    int code = error;
    boolean isException = exception;
    boolean rf = resumeFlag;
    segmentation.setExternalEvent(true);
    try {
      CpuException nested;
      while ((nested = attempt(v, code, rf)) != null) {
        int second = nested.vector();
        int secondCode = nested.errorCode();
        if (isException
            && v == CpuException.DF
            && (contributory(second) || second == CpuException.PF)) {
          shutDown(vector);
          return;
        }
        if (isException && doubleFault(v, second)) {
          v = CpuException.DF;
          code = 0;
        } else {
          v = second;
          code = CpuException.hasErrorCode(second) ? secondCode : NO_ERROR_CODE;
        }
        isException = true;
        rf = true;
      }
    } finally {
      segmentation.setExternalEvent(false);
    }
  }

  /** Returns the exception that the delivery met, or null. */
  private CpuException attempt(int vector, int error, boolean resumeFlag) {
    try {
      deliver(vector, error, false, resumeFlag);
      return null;
    } catch (CpuException e) {
      return e;
    }
  }

  /** A triple fault: the processor stops, the chipset resets the machine. */
  private void shutDown(int vector) {
    log.debug(
        "CPU {}: triple fault after exception {} at rip {}",
        vcpu.index(),
        vector,
        Long.toHexString(s.rip()));
    s.setU32(CpuLayout.HALTED, CpuLayout.HALTED_SHUTDOWN);
    s.setExitRequest(true);
    vcpu.machine().requestReset(ShutdownCause.GUEST_RESET);
  }

  // ---- software interrupts: RIP in the state block is that of the next instruction ----

  /** INT {@code vector}. Throws the fault that its delivery meets. */
  public void softwareInterrupt(int vector) {
    if (s.virtual8086()) {
      boolean iopl3 = (s.rflags() & Eflags.IOPL) == Eflags.IOPL;
      if ((s.cr4() & ControlRegisters.CR4_VME) != 0 && tasks.redirected(vector)) {
        deliverRedirected(vector, iopl3);
        return;
      }
      if (!iopl3) {
        throw vcpu.exception(CpuException.GP, 0);
      }
    }
    deliver(vector, NO_ERROR_CODE, true, false);
  }

  /**
   * INT3 and INTO: {@link CpuException#BP} or {@link CpuException#OF}. Throws the fault that its
   * delivery meets.
   */
  public void trapInstruction(int vector) {
    deliver(vector, NO_ERROR_CODE, true, false);
  }

  /** INT1: a debug exception that leaves DR6 alone. */
  public void int1() {
    segmentation.setExternalEvent(true);
    try {
      deliver(CpuException.DB, NO_ERROR_CODE, false, false);
    } finally {
      segmentation.setExternalEvent(false);
    }
  }

  // ---- delivery ----

  /**
   * @param software by INT n, INT3 or INTO: the gate's DPL counts
   */
  private void deliver(int vector, int error, boolean software, boolean resumeFlag) {
    if (vcpu.machine().traceLog().has(TraceLog.Item.INT)) {
      logDelivery(vector, error, software);
    }
    long flags = s.rflags() | (resumeFlag ? Eflags.RF : 0);
    if (!s.protectedMode()) {
      deliverReal(vector, flags);
    } else if (s.longMode()) {
      deliverLong(vector, error, software, flags);
    } else {
      deliverProtected(vector, error, software, flags);
    }
    if (vector == CpuException.DB && !software) {
      // Traps that a load of SS has held back come with the exception of the next instruction.
      vcpu.debugRegisters().addCause(s.u32(CpuLayout.PENDING_DEBUG));
      s.setU32(CpuLayout.PENDING_DEBUG, 0);
      vcpu.debugRegisters().entered();
      s.setU64(CpuLayout.DEBUGCTL, 0);
    }
    s.setU32(CpuLayout.INTERRUPT_SHADOW, 0);
    mmu.updateMode();
  }

  /** As QEMU writes it, with the registers that matter to a fault. */
  private void logDelivery(int vector, int error, boolean software) {
    vcpu.machine()
        .traceLog()
        .write(
            String.format(
                "%d: v=%02x e=%04x i=%d cpl=%d IP=%04x:%016x SP=%04x:%016x CR2=%016x RFL=%08x"
                    + " RAX=%016x",
                vcpu.index(),
                vector,
                Math.max(error, 0),
                software ? 1 : 0,
                s.cpl(),
                s.segSelector(CpuLayout.CS),
                s.rip(),
                s.segSelector(CpuLayout.SS),
                s.gpr(RSP),
                s.u64(CpuLayout.CR2),
                s.rflags(),
                s.gpr(0)));
  }

  private void deliverReal(int vector, long flags) {
    long limit = s.u32(CpuLayout.IDT_LIMIT) & 0xffff;
    if (vector * 4 + 3 > limit) {
      throw vcpu.exception(CpuException.GP, 0);
    }
    long entry = mmu.readSystem(s.u64(CpuLayout.IDT_BASE) + vector * 4L, 4);
    stack.current();
    stack.push(2, flags);
    stack.push(2, s.segSelector(CpuLayout.CS));
    stack.push(2, s.rip());
    segmentation.loadWithoutDescriptor(CpuLayout.CS, (int) (entry >>> 16) & 0xffff);
    s.setRip(entry & 0xffff);
    stack.commit();
    s.setRflags(s.rflags() & ~(long) (Eflags.IF | Eflags.TF | Eflags.AC | Eflags.RF));
  }

  /** INT n of virtual-8086 mode with VME, to the program's own vector table at linear address 0. */
  private void deliverRedirected(int vector, boolean iopl3) {
    long flags = s.rflags();
    long image = flags;
    if (!iopl3) {
      image = flags & ~Eflags.IF | Eflags.IOPL | ((flags & Eflags.VIF) != 0 ? Eflags.IF : 0);
    }
    long entry = mmu.readAs(3, vector * 4L, 4);
    stack.current();
    stack.push(2, image);
    stack.push(2, s.segSelector(CpuLayout.CS));
    stack.push(2, s.rip());
    segmentation.loadVirtual8086(CpuLayout.CS, (int) (entry >>> 16) & 0xffff);
    s.setRip(entry & 0xffff);
    stack.commit();
    s.setRflags(flags & ~(long) (Eflags.TF | (iopl3 ? Eflags.IF : Eflags.VIF)));
  }

  private CpuException gateFault(int exception, int vector) {
    return vcpu.exception(exception, vector * 8 + 2 + segmentation.externalEvent());
  }

  private void checkGate(int vector, int attr, boolean software) {
    if (software && dpl(attr) < s.cpl()) {
      throw gateFault(CpuException.GP, vector);
    }
    if (!isPresent(attr)) {
      throw gateFault(CpuException.NP, vector);
    }
  }

  /** The code segment of a gate, checked; the result is its descriptor. */
  private long handlerCode(int selector) {
    if (Segmentation.isNull(selector)) {
      throw segmentation.fault(CpuException.GP, 0);
    }
    long d = segmentation.descriptor(selector, CpuException.GP);
    int attr = Segmentation.attr(d);
    if (!isCode(attr) || dpl(attr) > s.cpl()) {
      throw segmentation.fault(CpuException.GP, selector);
    }
    if (!isPresent(attr)) {
      throw segmentation.fault(CpuException.NP, selector);
    }
    return d;
  }

  private void deliverProtected(int vector, int error, boolean software, long flags) {
    if (vector * 8 + 7 > (s.u32(CpuLayout.IDT_LIMIT) & 0xffff)) {
      throw gateFault(CpuException.GP, vector);
    }
    long gate = mmu.readSystem(s.u64(CpuLayout.IDT_BASE) + vector * 8L, 8);
    int attr = Segmentation.attr(gate);
    int type = type(attr);
    boolean known =
        switch (type) {
          case TASK_GATE, INTERRUPT_GATE16, TRAP_GATE16, INTERRUPT_GATE32, TRAP_GATE32 ->
              (attr & S) == 0;
          default -> false;
        };
    if (!known) {
      throw gateFault(CpuException.GP, vector);
    }
    checkGate(vector, attr, software);
    if (type == TASK_GATE) {
      tasks.throughGate(gate, TaskSwitch.Cause.INTERRUPT, s.rip());
      if (error != NO_ERROR_CODE) {
        stack.current();
        stack.push((s.segAttr(CpuLayout.TR) & 8) != 0 ? 4 : 2, error);
        stack.commit();
      }
      return;
    }
    int size = (type & 8) != 0 ? 4 : 2;
    int selector = (int) (gate >>> 16) & 0xffff;
    long rip = size == 4 ? gate & 0xffff | gate >>> 32 & 0xffff_0000L : gate & 0xffff;
    long d = handlerCode(selector);
    int codeAttr = Segmentation.attr(d);
    boolean inner = !isConforming(codeAttr) && dpl(codeAttr) < s.cpl();
    boolean virtual8086 = (flags & Eflags.VM) != 0;
    if (virtual8086 && (!inner || dpl(codeAttr) != 0)) {
      throw segmentation.fault(CpuException.GP, selector);
    }
    if (rip > Segmentation.limit(d)) {
      throw segmentation.fault(CpuException.GP, 0);
    }
    int cpl = s.cpl();
    int newSs = 0;
    long newStack = 0;
    if (inner) {
      cpl = dpl(codeAttr);
      newSs = tasks.innerStackSelector(cpl);
      newStack = tasks.checkedInnerStack(newSs, cpl);
      stack.of(newSs, newStack, tasks.innerStackPointer(cpl), cpl);
      if (virtual8086) {
        stack.push(size, s.segSelector(CpuLayout.GS));
        stack.push(size, s.segSelector(CpuLayout.FS));
        stack.push(size, s.segSelector(CpuLayout.DS));
        stack.push(size, s.segSelector(CpuLayout.ES));
      }
      stack.push(size, s.segSelector(CpuLayout.SS));
      stack.push(size, s.gpr(RSP));
    } else {
      stack.current();
    }
    stack.push(size, flags);
    stack.push(size, s.segSelector(CpuLayout.CS));
    stack.push(size, s.rip());
    if (error != NO_ERROR_CODE) {
      stack.push(size, error);
    }
    d = segmentation.markAccessed(selector, d);
    if (inner) {
      segmentation.load(CpuLayout.SS, newSs, segmentation.markAccessed(newSs, newStack));
    }
    segmentation.load(CpuLayout.CS, selector & ~3 | cpl, d);
    s.setRip(rip);
    stack.commit();
    if (virtual8086) {
      segmentation.loadNull(CpuLayout.GS, 0);
      segmentation.loadNull(CpuLayout.FS, 0);
      segmentation.loadNull(CpuLayout.DS, 0);
      segmentation.loadNull(CpuLayout.ES, 0);
    }
    enterHandler((type & 1) == 0);
  }

  private void enterHandler(boolean interruptGate) {
    int cleared = Eflags.TF | Eflags.NT | Eflags.RF | Eflags.VM | (interruptGate ? Eflags.IF : 0);
    s.setRflags(s.rflags() & ~(long) cleared);
  }

  private void deliverLong(int vector, int error, boolean software, long flags) {
    if (vector * 16 + 15 > (s.u32(CpuLayout.IDT_LIMIT) & 0xffff)) {
      throw gateFault(CpuException.GP, vector);
    }
    long address = s.u64(CpuLayout.IDT_BASE) + vector * 16L;
    long gate = mmu.readSystem(address, 8);
    int attr = Segmentation.attr(gate);
    int type = type(attr);
    if ((attr & S) != 0 || type != INTERRUPT_GATE32 && type != TRAP_GATE32) {
      throw gateFault(CpuException.GP, vector);
    }
    checkGate(vector, attr, software);
    int selector = (int) (gate >>> 16) & 0xffff;
    long d = handlerCode(selector);
    int codeAttr = Segmentation.attr(d);
    if ((codeAttr & (L | DB)) != L) {
      throw segmentation.fault(CpuException.GP, selector);
    }
    long rip = gate & 0xffff | gate >>> 32 & 0xffff_0000L | mmu.readSystem(address + 8, 4) << 32;
    if (!s.isCanonical(rip)) {
      throw segmentation.fault(CpuException.GP, 0);
    }
    int ist = (int) (gate >>> 32) & 7;
    int oldCpl = s.cpl();
    int cpl = isConforming(codeAttr) ? oldCpl : dpl(codeAttr);
    long pointer =
        ist != 0 ? tasks.interruptStack(ist) : cpl != oldCpl ? tasks.innerStack64(cpl) : s.gpr(RSP);
    stack.flat(pointer & -16, cpl);
    stack.push(8, s.segSelector(CpuLayout.SS));
    stack.push(8, s.gpr(RSP));
    stack.push(8, flags);
    stack.push(8, s.segSelector(CpuLayout.CS));
    stack.push(8, s.rip());
    if (error != NO_ERROR_CODE) {
      stack.push(8, error);
    }
    segmentation.load(CpuLayout.CS, selector & ~3 | cpl, segmentation.markAccessed(selector, d));
    if (cpl != oldCpl) {
      segmentation.loadNullStack(cpl);
    }
    s.setRip(rip);
    stack.commit();
    enterHandler((type & 1) == 0);
  }
}
