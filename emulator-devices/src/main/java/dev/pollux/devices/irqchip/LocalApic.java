package dev.pollux.devices.irqchip;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.InterruptController;
import dev.pollux.core.cpu.Interrupts;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.SystemBus;
import dev.pollux.devices.timer.TickPacer;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The local APIC of one vCPU, xAPIC and x2APIC (Intel SDM vol. 3, chapter 12). Its timer counts
 * guest nanoseconds.
 *
 * <p>All state changes with the machine lock held. The methods of {@link InterruptController} are
 * called by the vCPU's thread without it and take it; {@link Vcpu#raise} and {@link Vcpu#clear}
 * tell the vCPU.
 *
 * <p>Where firmware would have set up virtual wire mode, LINT0 of the first vCPU takes interrupts
 * of the 8259 pair already after reset, as on QEMU.
 */
public final class LocalApic implements Device, InterruptController {
  // Register numbers: MMIO offset / 16, MSR - 0x800.
  private static final int ID = 0x02;
  private static final int VERSION = 0x03;
  private static final int TPR = 0x08;
  private static final int APR = 0x09;
  private static final int PPR = 0x0a;
  private static final int EOI = 0x0b;
  private static final int LDR = 0x0d;
  private static final int DFR = 0x0e;
  private static final int SVR = 0x0f;
  private static final int ISR = 0x10;
  private static final int TMR = 0x18;
  private static final int IRR = 0x20;
  private static final int ESR = 0x28;
  private static final int ICR_LOW = 0x30;
  private static final int ICR_HIGH = 0x31;
  private static final int LVT = 0x32;
  private static final int INITIAL_COUNT = 0x38;
  private static final int CURRENT_COUNT = 0x39;
  private static final int DIVIDE = 0x3e;
  private static final int SELF_IPI = 0x3f;

  // Local vector table, in the order of its registers from 0x32 on.
  private static final int LVT_TIMER = 0;
  private static final int LVT_LINT0 = 3;
  private static final int LVT_LINT1 = 4;
  private static final int LVT_ERROR = 5;
  private static final int LVT_COUNT = 6;

  private static final int[] LVT_WRITABLE = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

  /** Delivery status and remote IRR: read-only, ignored when written. */
  private static final int LVT_READ_ONLY = 1 << 12 | 1 << 14;

  private static final int LVT_REMOTE_IRR = 1 << 14;
  private static final int LVT_LEVEL = 1 << 15;
  private static final int LVT_MASKED = 1 << 16;

  private static final int VERSION_VALUE = 0x14 | (LVT_COUNT - 1) << 16;
  private static final int SVR_ENABLE = 1 << 8;
  private static final int SVR_WRITABLE = 0x3ff;

  private static final int TIMER_PERIODIC = 1;
  private static final int TIMER_TSC_DEADLINE = 2;

  private static final int ERROR_SEND_ILLEGAL_VECTOR = 1 << 5;
  private static final int ERROR_RECEIVED_ILLEGAL_VECTOR = 1 << 6;
  private static final int ERROR_ILLEGAL_REGISTER = 1 << 7;

  private static final long BASE_BSP = 1 << 8;
  private static final long BASE_X2APIC = 1 << 10;
  private static final long BASE_ENABLE = 1 << 11;

  public static final DeviceType<SystemBus> TYPE = DeviceType.part(SystemBus.KIND, "apic");

  private static final StateDescriptor<LocalApic> STATE =
      StateDescriptor.of(LocalApic.class, "apic", 2)
          .u64("apic-base", a -> a.apicBase, (a, v) -> a.apicBase = v)
          .u8("tpr", a -> a.tpr, (a, v) -> a.tpr = v)
          .u32("ldr", a -> a.ldr, (a, v) -> a.ldr = v)
          .u32("dfr", a -> a.dfr, (a, v) -> a.dfr = v | 0x0fff_ffff)
          .u16("svr", SVR_WRITABLE, a -> a.svr, (a, v) -> a.svr = v)
          .u32Array("isr", 8, a -> a.isr)
          .u32Array("tmr", 8, a -> a.tmr)
          .u32Array("irr", 8, a -> a.irr)
          .u8("esr", a -> a.esr, (a, v) -> a.esr = v)
          .u8("esr-pending", a -> a.esrPending, (a, v) -> a.esrPending = v)
          .u64("icr", a -> a.icr, (a, v) -> a.icr = v)
          .u32Array("lvt", LVT_COUNT, a -> a.lvt)
          .u32("initial-count", a -> a.initialCount, (a, v) -> a.initialCount = v)
          .u8("divide", 11, a -> a.divide, (a, v) -> a.divide = v)
          .u64("count-start", a -> a.countStart, (a, v) -> a.countStart = v)
          .u64("next-tick", a -> a.nextTick, (a, v) -> a.nextTick = v)
          .u64("tsc-deadline", a -> a.tscDeadline, (a, v) -> a.tscDeadline = v)
          .timer("timer", a -> a.timer)
          .bool("lint0", a -> a.lint0, (a, v) -> a.lint0 = v)
          .since(2)
          .bool("count-ended", a -> a.countEnded, (a, v) -> a.countEnded = v)
          .afterLoad(LocalApic::afterLoad);

  private final ApicBus bus;
  private final Vcpu vcpu;
  private final int apicId;
  private final ReentrantLock lock;
  private final GuestTimer timer;

  private long apicBase;

  /** Volatile: the vCPU reads CR8 without the lock; only its own thread writes it. */
  @SuppressWarnings("NonAtomicVolatileUpdate")
  private volatile int tpr;

  private int ldr;
  private int dfr;
  private int svr;
  private final int[] isr = new int[8];
  private final int[] tmr = new int[8];
  private final int[] irr = new int[8];

  /** What software reads: the errors up to its last write. */
  private int esr;

  /** Errors since software's last write to the ESR. */
  private int esrPending;

  private long icr;
  private final int[] lvt = new int[LVT_COUNT];
  private int initialCount;

  /** The divide configuration register. */
  private int divide;

  /** Guest time at which the count began at {@link #initialCount}, ns. */
  private long countStart;

  /** Guest time at which the periodic timer is due next, ns. */
  private long nextTick;

  private long tscDeadline;

  /** A count that ended in one-shot mode: it stays at 0 until it is written, whatever the mode. */
  private boolean countEnded;

  /** Present level of the INTR line from the PIC. */
  private boolean lint0;

  @HostOnly("follows from the vCPU's number")
  private final boolean bootstrap;

  /** Attaches an APIC to its vCPU and to the others; its id is that which CPUID shows. */
  public LocalApic(ApicBus bus, Vcpu vcpu) {
    this.bus = bus;
    this.vcpu = vcpu;
    this.apicId = vcpu.model().topology().apicId(vcpu.index());
    this.bootstrap = vcpu.index() == 0;
    this.lock = vcpu.machine().lock();
    this.timer = vcpu.machine().clocks().timer(ClockType.VIRTUAL, "apic-timer", this::timerExpired);
    bus.attach(this);
    vcpu.setInterruptController(this);
    powerOn();
  }

  @Override
  public String id() {
    return "apic";
  }

  /** True if the vector is requested and not accepted by the CPU. */
  boolean isRequested(int vector) {
    return (irr[vector >> 5] >> vector & 1) != 0;
  }

  @Override
  public void reset() {
    powerOn();
    bus.placePages();
    update();
  }

  private void powerOn() {
    apicBase = ApicBus.ADDRESS | BASE_ENABLE | (bootstrap ? BASE_BSP : 0);
    lint0 = false;
    resetRegisters();
  }

  /**
   * The state after power-on or INIT but for APIC id and base (Intel SDM vol. 3, 12.4.7.1 and
   * 12.4.7.3).
   */
  private void resetRegisters() {
    tpr = 0;
    ldr = 0;
    dfr = -1;
    svr = 0xff;
    Arrays.fill(isr, 0);
    Arrays.fill(tmr, 0);
    Arrays.fill(irr, 0);
    esr = 0;
    esrPending = 0;
    icr = 0;
    Arrays.fill(lvt, LVT_MASKED);
    if (bootstrap) {
      lvt[LVT_LINT0] = DeliveryMode.EXT_INT.ordinal() << 8;
    }
    initialCount = 0;
    divide = 0;
    countStart = 0;
    nextTick = 0;
    tscDeadline = 0;
    countEnded = false;
    timer.cancel();
    if (inX2apicMode()) {
      ldr = x2apicLogicalId();
    }
  }

  private void afterLoad() {
    apicBase &= BASE_BSP | BASE_X2APIC | BASE_ENABLE | addressMask();
    for (int i = 0; i < LVT_COUNT; i++) {
      lvt[i] &= LVT_WRITABLE[i] | LVT_READ_ONLY;
    }
    bus.placePages();
    update();
  }

  // ---- modes and addressing ----

  private boolean enabled() {
    return (apicBase & BASE_ENABLE) != 0;
  }

  private boolean inX2apicMode() {
    return (apicBase & BASE_X2APIC) != 0;
  }

  private boolean softwareEnabled() {
    return (svr & SVR_ENABLE) != 0;
  }

  boolean takesInterrupts() {
    return enabled() && softwareEnabled();
  }

  boolean hasMmio() {
    return enabled() && !inX2apicMode();
  }

  long mmioAddress() {
    return apicBase & addressMask();
  }

  private long addressMask() {
    return (1L << vcpu.model().physicalAddressBits()) - 0x1000;
  }

  private int x2apicLogicalId() {
    return apicId >> 4 << 16 | 1 << (apicId & 15);
  }

  /** True where a message with this destination is for this APIC (Intel SDM vol. 3, 12.6.2). */
  boolean isAddressedBy(int destination, boolean wide, boolean logical) {
    if (!enabled()) {
      return false;
    }
    if (destination == (wide ? -1 : 0xff)) {
      return true;
    }
    if (!logical) {
      return destination == apicId;
    }
    if (inX2apicMode()) {
      return destination >>> 16 == ldr >>> 16 && (destination & ldr & 0xffff) != 0;
    }
    int logicalId = ldr >>> 24;
    if (dfr >>> 28 == 0xf) { // flat
      return destination >>> 8 == 0 && (destination & logicalId) != 0;
    }
    return destination >>> 4 == logicalId >>> 4 && (destination & logicalId & 0xf) != 0;
  }

  int arbitrationPriority() {
    return Math.max(processorPriority(), Math.max(highest(irr), 0) & 0xf0);
  }

  // ---- accepting interrupts ----

  /** Takes a message that is for this APIC. */
  void accept(DeliveryMode mode, int vector, boolean level) {
    switch (mode) {
      case FIXED, LOWEST_PRIORITY -> acceptFixed(vector, level);
      case SMI -> vcpu.raise(Interrupts.SMI);
      case NMI -> vcpu.raise(Interrupts.NMI);
      case INIT -> {
        resetRegisters();
        update();
        vcpu.initialize();
      }
      case START_UP -> vcpu.startupIpi(vector);
      case EXT_INT -> acceptFixed(bus.pic().acknowledge(), false);
      case RESERVED -> {}
    }
  }

  private void acceptFixed(int vector, boolean level) {
    if (!takesInterrupts()) {
      return;
    }
    if (vector < 16) {
      error(ERROR_RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    setBit(irr, vector);
    if (level) {
      setBit(tmr, vector);
    } else {
      clearBit(tmr, vector);
    }
    update();
  }

  private void error(int bits) {
    boolean known = (esrPending & bits) == bits;
    esrPending |= bits;
    if (!known && (lvt[LVT_ERROR] & LVT_MASKED) == 0) {
      acceptFixed(lvt[LVT_ERROR] & 0xff, false);
    }
  }

  /** The INTR line of the 8259 pair. */
  void setLint0(boolean level) {
    boolean rising = level && !lint0;
    lint0 = level;
    int entry = lvt[LVT_LINT0];
    if (rising) {
      deliverLocal(LVT_LINT0);
    } else if (!level
        && DeliveryMode.of(entry >> 8) == DeliveryMode.FIXED
        && (entry & LVT_LEVEL) != 0) {
      clearBit(irr, entry & 0xff);
    }
    update();
  }

  void pulseLint1() {
    deliverLocal(LVT_LINT1);
  }

  private void deliverLocal(int index) {
    int entry = lvt[index];
    if ((entry & (LVT_MASKED | LVT_REMOTE_IRR)) != 0 || !enabled()) {
      return;
    }
    DeliveryMode mode = DeliveryMode.of(entry >> 8);
    switch (mode) {
      case FIXED -> {
        boolean level = (entry & LVT_LEVEL) != 0 && index == LVT_LINT0;
        if (level && softwareEnabled()) {
          lvt[index] |= LVT_REMOTE_IRR;
        }
        acceptFixed(entry & 0xff, level);
      }
      case SMI, NMI, INIT -> accept(mode, 0, false);
      case EXT_INT, LOWEST_PRIORITY, START_UP, RESERVED -> {} // ExtINT is the level itself
    }
  }

  /** True where INTR goes to the CPU past the APIC's own priorities. */
  private boolean externalInterrupt() {
    if (!lint0) {
      return false;
    }
    int entry = lvt[LVT_LINT0];
    return enabled()
        ? (entry & LVT_MASKED) == 0 && DeliveryMode.of(entry >> 8) == DeliveryMode.EXT_INT
        : bootstrap;
  }

  private int processorPriority() {
    int inService = Math.max(highest(isr), 0) & 0xf0;
    return (tpr & 0xf0) >= inService ? tpr : inService;
  }

  /** The vector that the CPU would take now, or -1. */
  private int deliverable() {
    int vector = takesInterrupts() ? highest(irr) : -1;
    return vector >= 0 && (vector & 0xf0) > (processorPriority() & 0xf0) ? vector : -1;
  }

  /** Tells the vCPU whether there is something to acknowledge. */
  private void update() {
    boolean told = (vcpu.cpuState().pending() & Interrupts.HARD) != 0;
    if (deliverable() >= 0 || externalInterrupt()) {
      if (!told) {
        vcpu.raise(Interrupts.HARD);
      }
    } else if (told) {
      vcpu.clear(Interrupts.HARD);
    }
  }

  private void endOfInterrupt() {
    int vector = highest(isr);
    if (vector < 0) {
      return;
    }
    clearBit(isr, vector);
    if (isSet(tmr, vector)) {
      if ((lvt[LVT_LINT0] & (LVT_REMOTE_IRR | 0xff)) == (LVT_REMOTE_IRR | vector)) {
        lvt[LVT_LINT0] &= ~LVT_REMOTE_IRR;
        if (lint0) {
          deliverLocal(LVT_LINT0);
        }
      }
      bus.endOfInterrupt(vector);
    }
    update();
  }

  // ---- what the vCPU's thread calls ----

  @Override
  public int acknowledge() {
    lock.lock();
    try {
      int vector = deliverable();
      if (vector >= 0) {
        clearBit(irr, vector);
        setBit(isr, vector);
      } else if (externalInterrupt()) {
        vector = bus.pic().acknowledge();
      }
      update();
      return vector;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public int taskPriority() {
    return tpr >> 4;
  }

  @Override
  public void setTaskPriority(int priority) {
    lock.lock();
    try {
      tpr = (priority & 15) << 4;
      update();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public long apicBase() {
    lock.lock();
    try {
      return apicBase;
    } finally {
      lock.unlock();
    }
  }

  /** Allows the transitions of Intel SDM vol. 3, figure 12-27. */
  @Override
  public boolean setApicBase(long value) {
    lock.lock();
    try {
      boolean enable = (value & BASE_ENABLE) != 0;
      boolean x2apic = (value & BASE_X2APIC) != 0;
      if ((value & ~(addressMask() | BASE_BSP | BASE_X2APIC | BASE_ENABLE)) != 0
          || x2apic && (!enable || !enabled() || !vcpu.model().has(CpuFeature.X2APIC))
          || inX2apicMode() && enable && !x2apic) {
        return false;
      }
      boolean wasEnabled = enabled();
      boolean wasX2apic = inX2apicMode();
      apicBase = value;
      if (wasEnabled && !enable) {
        resetRegisters();
      }
      if (x2apic && !wasX2apic) {
        ldr = x2apicLogicalId();
        icr &= 0xffff_ffffL;
      }
      bus.placePages();
      update();
      return true;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean x2apicReadable(int index) {
    lock.lock();
    try {
      return inX2apicMode()
          && (exists(index) || index == LDR)
          && index != ICR_HIGH
          && index != EOI
          && index != APR
          && index != DFR;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public long readX2apic(int index) {
    lock.lock();
    try {
      return switch (index) {
        case ID -> apicId;
        case ICR_LOW -> icr;
        default -> read(index) & 0xffff_ffffL;
      };
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean writeX2apic(int index, long value) {
    lock.lock();
    try {
      if (!inX2apicMode() || !allowedInX2apic(index, value)) {
        return false;
      }
      switch (index) {
        case ICR_LOW -> {
          icr = value;
          sendIpi((int) (value >>> 32), true);
        }
        case SELF_IPI -> sendToSelf((int) value & 0xff, false);
        default -> write(index, (int) value);
      }
      return true;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Which MSRs can be written, and which of their bits are not reserved (Intel SDM vol. 3, table
   * 12-6).
   */
  private static boolean allowedInX2apic(int index, long value) {
    if (index >= LVT && index < LVT + LVT_COUNT) {
      return (value & ~(long) (LVT_WRITABLE[index - LVT] | LVT_READ_ONLY)) == 0;
    }
    return switch (index) {
      case TPR, SELF_IPI -> value >>> 8 == 0;
      case EOI, ESR -> value == 0;
      case SVR -> (value & ~SVR_WRITABLE) == 0;
      case ICR_LOW -> (value & 0xfff3_2000L) == 0;
      case INITIAL_COUNT -> value >>> 32 == 0;
      case DIVIDE -> (value & ~0xbL) == 0;
      default -> false;
    };
  }

  @Override
  public long tscDeadline() {
    lock.lock();
    try {
      expireIfDue();
      return tscDeadline;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void setTscDeadline(long value) {
    lock.lock();
    try {
      if (timerMode() == TIMER_TSC_DEADLINE) {
        expireIfDue();
        tscDeadline = value;
        armTimer(now());
      }
    } finally {
      lock.unlock();
    }
  }

  // ---- registers ----

  long readMmio(int offset) {
    if ((offset & 15) != 0) {
      return 0;
    }
    int index = offset >> 4;
    if (!exists(index)) {
      error(ERROR_ILLEGAL_REGISTER);
      return 0;
    }
    return read(index) & 0xffff_ffffL;
  }

  void writeMmio(int offset, int value) {
    if ((offset & 15) != 0) {
      return;
    }
    int index = offset >> 4;
    if (!exists(index)) {
      error(ERROR_ILLEGAL_REGISTER);
    } else if (index == ICR_LOW) {
      icr = icr & ~0xffff_ffffL | value & 0xccfffL;
      sendIpi((int) (icr >>> 56), false);
    } else {
      write(index, value);
    }
  }

  private static boolean exists(int index) {
    return index == ID
        || index == VERSION
        || index >= TPR && index <= EOI
        || index >= LDR && index <= ESR
        || index >= ICR_LOW && index <= CURRENT_COUNT
        || index == DIVIDE;
  }

  private int read(int index) {
    if (index >= LVT && index < LVT + LVT_COUNT) {
      return lvt[index - LVT];
    }
    if (index >= ISR && index < ESR) {
      int[] bits = index < TMR ? isr : index < IRR ? tmr : irr;
      return bits[index & 7];
    }
    return switch (index) {
      case ID -> apicId << 24;
      case VERSION -> VERSION_VALUE;
      case TPR -> tpr;
      case APR -> arbitrationPriority();
      case PPR -> processorPriority();
      case LDR -> ldr;
      case DFR -> dfr;
      case SVR -> svr;
      case ESR -> esr;
      case ICR_LOW -> (int) icr;
      case ICR_HIGH -> (int) (icr >>> 32);
      case INITIAL_COUNT -> initialCount;
      case CURRENT_COUNT -> currentCount();
      case DIVIDE -> divide;
      default -> 0;
    };
  }

  private void write(int index, int value) {
    if (index >= LVT && index < LVT + LVT_COUNT) {
      writeLvt(index - LVT, value);
      return;
    }
    switch (index) {
      case TPR -> {
        tpr = value & 0xff;
        update();
      }
      case EOI -> endOfInterrupt();
      case LDR -> ldr = value & 0xff00_0000;
      case DFR -> dfr = value | 0x0fff_ffff;
      case SVR -> writeSvr(value & SVR_WRITABLE);
      case ESR -> {
        esr = esrPending;
        esrPending = 0;
      }
      case ICR_HIGH -> icr = icr & 0xffff_ffffL | (value & 0xff00_0000L) << 32;
      case INITIAL_COUNT -> {
        if (timerMode() != TIMER_TSC_DEADLINE) {
          expireIfDue();
          initialCount = value;
          countEnded = false;
          countStart = now();
          armTimer(countStart);
        }
      }
      case DIVIDE -> {
        expireIfDue();
        int remaining = currentCount();
        divide = value & 0xb;
        countOnFrom(remaining);
        armTimer(now());
      }
      default -> {}
    }
  }

  private void writeSvr(int value) {
    expireIfDue();
    svr = value;
    if (!softwareEnabled()) {
      for (int i = 0; i < LVT_COUNT; i++) {
        lvt[i] |= LVT_MASKED;
      }
    }
    armTimer(now());
    update();
  }

  private void writeLvt(int index, int value) {
    if (index == LVT_TIMER) {
      expireIfDue();
    }
    int oldMode = timerMode();
    int remaining = currentCount();
    lvt[index] =
        value & LVT_WRITABLE[index]
            | lvt[index] & LVT_READ_ONLY
            | (softwareEnabled() ? 0 : LVT_MASKED);
    if (index == LVT_TIMER) {
      if (oldMode == TIMER_TSC_DEADLINE != (timerMode() == TIMER_TSC_DEADLINE)) {
        initialCount = 0;
        tscDeadline = 0;
      } else if (oldMode != timerMode()) {
        countEnded = remaining == 0;
        countOnFrom(remaining);
      }
      armTimer(now());
    } else if (index == LVT_LINT0 && (lvt[index] & LVT_LEVEL) == 0) {
      lvt[index] &= ~LVT_REMOTE_IRR;
    }
    update();
  }

  // ---- inter-processor interrupts ----

  /** Sends what the interrupt command register says (Intel SDM vol. 3, 12.6.1). */
  private void sendIpi(int destination, boolean wide) {
    int command = (int) icr;
    int vector = command & 0xff;
    DeliveryMode mode = DeliveryMode.of(command >> 8);
    boolean levelTriggered = (command & 1 << 15) != 0;
    boolean asserted = (command & 1 << 14) != 0;
    if (mode == DeliveryMode.RESERVED
        || mode == DeliveryMode.EXT_INT
        || mode == DeliveryMode.INIT
            && levelTriggered
            && !asserted) { // INIT level de-assert has no effect any more
      return;
    }
    if (vector < 16 && (mode == DeliveryMode.FIXED || mode == DeliveryMode.LOWEST_PRIORITY)) {
      error(ERROR_SEND_ILLEGAL_VECTOR);
      return;
    }
    switch (command >> 18 & 3) {
      case 0 -> bus.deliver(destination, wide, (command & 1 << 11) != 0, mode, vector, false);
      case 1 -> sendToSelf(vector, false);
      case 2 -> bus.broadcast(this, true, mode, vector, false);
      default -> bus.broadcast(this, false, mode, vector, false);
    }
  }

  private void sendToSelf(int vector, boolean level) {
    if (vector < 16) {
      error(ERROR_SEND_ILLEGAL_VECTOR);
    } else {
      acceptFixed(vector, level);
    }
  }

  // ---- timer ----

  private long now() {
    return vcpu.machine().clocks().virtualNow();
  }

  private int timerMode() {
    return lvt[LVT_TIMER] >> 17 & 3;
  }

  private int divideShift() {
    return ((divide >> 1 & 4 | divide & 3) + 1) & 7;
  }

  /** Length of the whole count, ns. */
  private long countPeriod() {
    return Integer.toUnsignedLong(initialCount) << divideShift();
  }

  private int currentCount() {
    long initial = Integer.toUnsignedLong(initialCount);
    if (initial == 0 || countEnded || timerMode() == TIMER_TSC_DEADLINE) {
      return 0;
    }
    long elapsed = now() - countStart >> divideShift();
    if (timerMode() == TIMER_PERIODIC) {
      return (int) (initial - Long.remainderUnsigned(elapsed, initial));
    }
    return elapsed < 0 || elapsed >= initial ? 0 : (int) (initial - elapsed);
  }

  /** The count goes on from {@code remaining} at the present pace. */
  private void countOnFrom(int remaining) {
    long counted = Integer.toUnsignedLong(initialCount) - Integer.toUnsignedLong(remaining);
    countStart = now() - (counted << divideShift());
  }

  /**
   * Lets an expiry come before what software does next to the timer: the event loop may be late.
   */
  private void expireIfDue() {
    if (timer.isArmed() && timer.deadline() <= now()) {
      timer.cancel();
      timerExpired();
    }
  }

  /** Arms the host's timer for the next expiry that software would see after {@code now}. */
  private void armTimer(long now) {
    timer.set(GuestTimer.NEVER);
    if (timerMode() == TIMER_TSC_DEADLINE) {
      armDeadline(now);
      return;
    }
    long period = countPeriod();
    if ((lvt[LVT_TIMER] & LVT_MASKED) != 0 || period == 0 || countEnded) {
      return;
    }
    if (timerMode() == TIMER_PERIODIC) {
      nextTick = now + period - Math.floorMod(now - countStart, period);
      timer.set(TickPacer.deadline(nextTick, period, now));
    } else if (now - countStart >= 0 && now - countStart < period) {
      timer.set(countStart + period);
    }
  }

  /** A deadline disarms itself, masked or not; one that is past does so at once. */
  private void armDeadline(long now) {
    if (tscDeadline == 0) {
      return;
    }
    if (Long.compareUnsigned(vcpu.tsc(), tscDeadline) >= 0) {
      timerExpired();
      return;
    }
    // The latest representable time stands for deadlines that the clock never reaches.
    long deadline = vcpu.virtualTimeOfTsc(tscDeadline);
    timer.set(deadline < now ? Long.MAX_VALUE : deadline);
  }

  private void timerExpired() {
    boolean expired = true;
    if (timerMode() == TIMER_TSC_DEADLINE) {
      expired =
          Long.compareUnsigned(vcpu.tsc(), tscDeadline)
              >= 0; // false where the TSC was set back meanwhile
      if (expired) {
        tscDeadline = 0;
      }
    }
    if (timerMode() == TIMER_PERIODIC && isRequested(lvt[LVT_TIMER] & 0xff)) {
      timer.set(TickPacer.retry(now()));
      return;
    }
    if (expired && (lvt[LVT_TIMER] & LVT_MASKED) == 0) {
      acceptFixed(lvt[LVT_TIMER] & 0xff, false);
    }
    switch (timerMode()) {
      case TIMER_PERIODIC -> armNextPeriod();
      case TIMER_TSC_DEADLINE -> armTimer(now());
      default -> countEnded = true;
    }
  }

  private void armNextPeriod() {
    long now = now();
    long period = countPeriod();
    if (period != 0) {
      nextTick += TickPacer.periodsToNext(nextTick, period, now) * period;
      timer.set(TickPacer.deadline(nextTick, period, now));
    }
  }

  // ---- 256-bit registers ----

  private static int highest(int[] bits) {
    for (int i = 7; i >= 0; i--) {
      if (bits[i] != 0) {
        return i * 32 + 31 - Integer.numberOfLeadingZeros(bits[i]);
      }
    }
    return -1;
  }

  private static void setBit(int[] bits, int n) {
    bits[n >> 5] |= 1 << n;
  }

  private static void clearBit(int[] bits, int n) {
    bits[n >> 5] &= ~(1 << n);
  }

  private static boolean isSet(int[] bits, int n) {
    return (bits[n >> 5] & 1 << n) != 0;
  }

  @Override
  public boolean isLoadedLast() {
    return true;
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
