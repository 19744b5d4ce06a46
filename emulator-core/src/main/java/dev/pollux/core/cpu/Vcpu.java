package dev.pollux.core.cpu;

import dev.pollux.core.host.Backoff;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.machine.SpinWait;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.mmu.Mmu;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.Migratable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A virtual CPU: its state block, its thread and the loop that runs it.
 *
 * <p>The thread executes guest code in its {@link ExecutionEngine} without any lock. Others reach
 * it through bits of {@link CpuLayout#PENDING} ({@link #raise}), which make the engine return to
 * the loop here at the next block boundary.
 */
public final class Vcpu implements Migratable, AutoCloseable {
  /** How long a halted vCPU looks for an interrupt before its thread sleeps, at most. */
  private static final long HALT_POLL_NANOS = 200_000;

  private static final Logger log = LoggerFactory.getLogger(Vcpu.class);

  private static final int MOST_PROTECTIONS = 16;

  /** The vCPU that a thread runs. */
  private static final ThreadLocal<Vcpu> CURRENT = new ThreadLocal<>();

  private final Machine machine;
  private final int index;
  private final CpuModel model;
  private final CpuState state;
  private final Mmu mmu;
  private final ControlRegisters controlRegisters;
  private final DebugRegisters debugRegisters;
  private final ModelSpecificRegisters msrs;
  private final Segmentation segmentation;
  private final TaskSwitch taskSwitch;
  private final FarTransfers farTransfers;
  private final SystemCalls systemCalls;
  private final Stack stack;
  private final FlagInstructions flagInstructions;
  private final Ports ports;
  private final InterruptDelivery delivery;
  private final ExecutionEngine engine;
  private final CpuException exception = new CpuException();
  private final Thread thread;

  private InterruptController interruptController;
  private volatile boolean terminated;
  private volatile boolean waiting;

  private final SpinWait halted;
  private volatile int sipiVector;

  /**
   * The loop is parked and everything of the vCPU may be touched by others. Changed with the
   * monitor of {@code this} held.
   */
  private volatile boolean paused = true;

  /** Deferred protections of single pages: many at once are done as one. */
  private final AtomicInteger protections = new AtomicInteger();

  /** The next instruction is to be executed alone. vCPU thread. */
  private boolean exclusionWanted;

  /** No other vCPU is in guest code. vCPU thread. */
  private boolean exclusive;

  /** Waits for the others so that code may be made from a page; null for nothing to do. */
  private Runnable unsettled;

  /** See {@link Rendezvous}; changed by the vCPU's thread only. */
  private final AtomicInteger visits = new AtomicInteger();

  private volatile boolean pauseRequested = true;

  /**
   * @param index number of the vCPU, also its initial APIC id
   * @param engineFactory makes the engine once everything else of the vCPU stands
   */
  public Vcpu(
      Machine machine,
      int index,
      CpuModel model,
      CpuState state,
      Function<Vcpu, ExecutionEngine> engineFactory) {
    this.machine = machine;
    this.index = index;
    this.model = model;
    this.state = state;
    this.mmu = new Mmu(this);
    this.controlRegisters = new ControlRegisters(this);
    this.debugRegisters = new DebugRegisters(this);
    this.msrs = new ModelSpecificRegisters(this);
    this.segmentation = new Segmentation(this);
    this.taskSwitch = new TaskSwitch(this, segmentation);
    this.farTransfers = new FarTransfers(this, segmentation, taskSwitch);
    this.systemCalls = new SystemCalls(this);
    this.stack = new Stack(this, segmentation);
    this.flagInstructions = new FlagInstructions(this, stack);
    this.ports = new Ports(this, taskSwitch);
    this.delivery = new InterruptDelivery(this, segmentation, taskSwitch);
    this.engine = engineFactory.apply(this);
    // One processor at least is left to those who end the wait.
    boolean spins = index < Runtime.getRuntime().availableProcessors() - 1;
    this.halted = new SpinWait(spins ? HALT_POLL_NANOS : 0);
    this.thread = Thread.ofPlatform().name("CPU " + index).daemon(true).unstarted(this::loop);
  }

  /**
   * The vCPU whose thread calls, or null: tells a device with registers per CPU who accesses them.
   */
  public static Vcpu current() {
    return CURRENT.get();
  }

  public Machine machine() {
    return machine;
  }

  public int index() {
    return index;
  }

  public CpuModel model() {
    return model;
  }

  public CpuState cpuState() {
    return state;
  }

  public Mmu mmu() {
    return mmu;
  }

  public ControlRegisters controlRegisters() {
    return controlRegisters;
  }

  public DebugRegisters debugRegisters() {
    return debugRegisters;
  }

  public ModelSpecificRegisters msrs() {
    return msrs;
  }

  public Segmentation segmentation() {
    return segmentation;
  }

  public FarTransfers farTransfers() {
    return farTransfers;
  }

  public SystemCalls systemCalls() {
    return systemCalls;
  }

  public FlagInstructions flagInstructions() {
    return flagInstructions;
  }

  /** A stack for instructions that push and pop; one at a time. */
  public Stack stack() {
    return stack;
  }

  public Ports ports() {
    return ports;
  }

  public InterruptDelivery delivery() {
    return delivery;
  }

  public ExecutionEngine engine() {
    return engine;
  }

  public InterruptController interruptController() {
    return interruptController;
  }

  public void setInterruptController(InterruptController controller) {
    interruptController = controller;
  }

  /** The vCPU's one exception object, ready to throw. vCPU thread. */
  public CpuException exception(int vector, int errorCode) {
    return exception.with(vector, errorCode);
  }

  /** Has a debug trap delivered after the present instruction; DR6 bits. vCPU thread. */
  public void raiseDebugTrap(int causes) {
    state.setU32(CpuLayout.PENDING_DEBUG, state.u32(CpuLayout.PENDING_DEBUG) | causes);
    state.setExitRequest(true);
  }

  /**
   * Makes the engine look for interrupts where flags have changed that may let one through. vCPU
   * thread.
   */
  void recheckInterrupts() {
    if (delivery.interruptible()) {
      state.setExitRequest(true);
    }
  }

  /**
   * Halts until an interrupt that is not masked; the engine returns. vCPU thread, RIP behind the
   * instruction.
   */
  public void halt() {
    state.setU32(CpuLayout.HALTED, CpuLayout.HALTED_WAITING);
    state.setExitRequest(true);
  }

  /**
   * Called before code is made from a page's bytes; they may be read after true, and every write
   * from then on is told to engines. After false they may not be read yet: the engine returns to
   * the loop, where the other vCPUs are waited for, and asks again. vCPU thread.
   */
  public boolean watchCode(RamBlock block, long page) {
    int writes = block.watchCode(page);
    if (writes == RamBlock.CODE_WATCHED) {
      return true;
    }
    mmu.protectPage(block, page);
    if (machine.rendezvous().alone()) {
      block.settleCode(page, writes);
      return block.watchCode(page) == RamBlock.CODE_WATCHED;
    }
    unsettled =
        () -> {
          machine.vcpus().stream()
              .filter(vcpu -> vcpu != this)
              .forEach(vcpu -> vcpu.protectPage(block, page));
          machine.rendezvous().await();
          block.settleCode(page, writes);
        };
    state.setExitRequest(true);
    return false;
  }

  /** Takes the write tags from a page's translations before the next instruction. */
  private void protectPage(RamBlock block, long page) {
    if (protections.get() < MOST_PROTECTIONS) {
      protections.incrementAndGet();
      defer(
          () -> {
            mmu.protectPage(block, page);
            protections.decrementAndGet();
          });
    } else {
      requestWriteProtection();
    }
  }

  /**
   * True if no other vCPU is in guest code. Otherwise the engine has to leave the present
   * instruction before it has changed anything, and the loop lets it be executed alone. vCPU
   * thread.
   */
  public boolean exclusive() {
    if (!exclusive && !machine.rendezvous().alone()) {
      exclusionWanted = true;
      state.setExitRequest(true);
      return false;
    }
    return true;
  }

  /** True where the present instruction was left because it has to be executed alone. */
  public boolean exclusionWanted() {
    return exclusionWanted;
  }

  /** What CPUID answers here. vCPU thread. */
  public CpuModel.Leaf cpuid(int leaf, int subleaf) {
    boolean apic = interruptController == null || (interruptController.apicBase() & 1 << 11) != 0;
    return model.cpuid(leaf, subleaf, state, index, apic);
  }

  /**
   * The time-stamp counter: guest time at 1 GHz, shifted by {@link CpuLayout#TSC_OFFSET}. vCPU
   * thread or vCPU parked.
   */
  public long tsc() {
    long now = machine.clocks().virtualNow();
    if (machine.clocks().isTimerDue(now) && Thread.currentThread() == thread) {
      runDueTimers();
    }
    return now + state.u64(CpuLayout.TSC_OFFSET);
  }

  /**
   * A guest that measures time expects the interrupts of that time. The event loop may be late on a
   * busy host, so the vCPU does its work.
   */
  private void runDueTimers() {
    machine.lock().lock();
    try {
      machine.clocks().runDueVirtual();
    } finally {
      machine.lock().unlock();
    }
  }

  /** The guest time in nanoseconds at which {@link #tsc} reaches {@code tsc}. */
  public long virtualTimeOfTsc(long tsc) {
    return tsc - state.u64(CpuLayout.TSC_OFFSET);
  }

  // ---- what others ask of the vCPU; any thread ----

  /** Sets bits of {@link Interrupts} and makes the vCPU look at them. */
  public void raise(int bits) {
    state.orPending(bits);
    kick();
  }

  /** Clears bits of {@link Interrupts}. */
  public void clear(int bits) {
    state.andPending(~bits);
  }

  /** Makes the engine return to the loop, and a halted vCPU look again. */
  public void kick() {
    state.setExitRequest(true);
    if (waiting) {
      LockSupport.unpark(thread);
    }
  }

  /**
   * Delivers a start-up IPI: execution starts at {@code vector << 12} in real mode, if the vCPU
   * waits for it.
   */
  public void startupIpi(int vector) {
    sipiVector = vector;
    raise(Interrupts.SIPI);
  }

  int sipiVector() {
    return sipiVector;
  }

  void setSipiVector(int vector) {
    sipiVector = vector & 0xff;
  }

  /**
   * Resets the processor as the INIT message does; a start-up IPI that came before has no effect
   * any more.
   */
  public void initialize() {
    clear(Interrupts.SIPI);
    raise(Interrupts.INIT);
  }

  /**
   * Has the TLB dropped before the next instruction. A vCPU that sleeps is not woken for it. {@link
   * Rendezvous#await} tells when no access is under way that used the old translations.
   */
  public void requestTlbFlush() {
    state.orPending(Interrupts.TLB_FLUSH);
    leaveGuest();
  }

  /**
   * Has all writes go the slow way, where they are seen, once per page, from the next instruction
   * on. Otherwise as {@link #requestTlbFlush}.
   */
  public void requestWriteProtection() {
    state.orPending(Interrupts.PROTECT);
    leaveGuest();
  }

  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();

  /**
   * Runs {@code task} on the vCPU's thread before its next instruction, whenever that is; at once
   * where the vCPU is parked. For what only its thread may touch: TLB, decoded and translated code.
   */
  public void defer(Runnable task) {
    if (Thread.currentThread() == thread) {
      task.run();
      return;
    }
    synchronized (this) {
      if (paused) {
        task.run();
        return;
      }
    }
    tasks.add(task);
    state.orPending(Interrupts.TASK);
    leaveGuest();
  }

  private void leaveGuest() {
    if ((visits.get() & 1) != 0) {
      state.setExitRequest(true);
    }
  }

  /** Odd while the vCPU is in guest code; {@link Rendezvous} says what that means. */
  int visits() {
    return visits.get();
  }

  /** Asks the vCPU to park; {@link #awaitPaused} tells when it has. */
  public void requestPause() {
    pauseRequested = true;
    state.orPending(Interrupts.PAUSE);
    state.setExitRequest(true);
  }

  /**
   * Waits until no guest instruction executes and all state of the vCPU is still. A vCPU that
   * sleeps is not woken for that. Not with the machine lock held: the vCPU may be waiting for it.
   */
  public void awaitPaused() {
    Backoff backoff = new Backoff();
    while (!paused && !waiting) {
      backoff.pause();
    }
  }

  /** Lets a paused vCPU run; starts its thread the first time. */
  public void resume() {
    synchronized (this) {
      pauseRequested = false;
      paused = false;
      state.andPending(~Interrupts.PAUSE);
      if (thread.getState() == Thread.State.NEW) {
        thread.start();
      }
      notifyAll();
    }
  }

  /** Ends the thread. */
  public void terminate() {
    terminated = true;
    requestPause();
    LockSupport.unpark(thread);
    synchronized (this) {
      notifyAll();
    }
    if (thread.getState() != Thread.State.NEW && Thread.currentThread() != thread) {
      try {
        thread.join(5000);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Power-on state (Intel SDM vol. 3, 11.1); vCPU parked. The first vCPU starts, the others wait
   * for INIT and SIPI.
   */
  public void reset() {
    CpuReset.powerOn(this, index == 0);
    dropTlb();
    kick();
  }

  // ---- the vCPU's thread ----

  private void loop() {
    CURRENT.set(this);
    try {
      while (!terminated) {
        if (pauseRequested) {
          parkUntilResumed();
          continue;
        }
        state.setExitRequest(false);
        handleRequests();
        if (exclusionWanted) {
          machine.rendezvous().exclusively(this::stepAlone);
        } else {
          visitGuest(engine::run);
        }
        if (unsettled != null) {
          unsettled.run();
          unsettled = null;
        }
        if (machine.rendezvous().closed()) {
          machine.rendezvous().awaitOpen();
        } else if (asleep()) {
          halted.await(this::hasWork, this::waitForWork);
        }
      }
    } catch (RuntimeException | Error e) {
      log.error(
          "internal error: CPU {} stopped at rip {}", index, Long.toHexString(state.rip()), e);
      machine.requestExit(ShutdownCause.HOST_ERROR, 1);
    } finally {
      synchronized (this) {
        paused = true;
      }
    }
  }

  /** Delivers interrupts and executes, unless something has to be done first. */
  private void visitGuest(Runnable execute) {
    visits.incrementAndGet();
    try {
      if (isAskedBeforeGuest()) {
        // Not to sleep before what waits has been looked at.
        state.setExitRequest(true);
      } else {
        delivery.deliverPending();
        if (!asleep()) {
          execute.run();
        }
      }
    } finally {
      visits.incrementAndGet();
    }
  }

  /**
   * Does something long in the middle of a visit to guest code, for which nobody who waits for the
   * vCPU to pass an instruction boundary has to wait. vCPU thread, between two instructions.
   *
   * @param work writes nothing to the guest's memory
   * @return false if something has been asked meanwhile that must be looked at before anything of
   *     the guest is touched: the engine has to return to the loop now
   */
  public boolean stepOut(Runnable work) {
    visits.incrementAndGet();
    try {
      work.run();
    } finally {
      visits.incrementAndGet();
    }
    if (isAskedBeforeGuest()) {
      state.setExitRequest(true);
      return false;
    }
    return true;
  }

  private boolean isAskedBeforeGuest() {
    return (state.pending() & Interrupts.BEFORE_GUEST) != 0 || machine.rendezvous().closed();
  }

  private void stepAlone() {
    exclusive = true;
    try {
      visitGuest(
          () -> {
            exclusionWanted = false;
            engine.runOne();
          });
    } finally {
      exclusive = false;
    }
  }

  private boolean asleep() {
    return state.u32(CpuLayout.HALTED) != 0 || state.u32(CpuLayout.WAIT_FOR_SIPI) != 0;
  }

  private synchronized void parkUntilResumed() {
    while (pauseRequested && !terminated) {
      paused = true;
      try {
        wait();
      } catch (InterruptedException e) {
        // Only termination ends the thread.
      }
    }
    paused = false;
  }

  /** What others asked for; outside of guest code. */
  private void handleRequests() {
    int pending = state.pending();
    if ((pending & Interrupts.TLB_FLUSH) != 0) {
      state.andPending(~Interrupts.TLB_FLUSH);
      dropTlb();
    }
    if ((pending & Interrupts.PROTECT) != 0) {
      state.andPending(~Interrupts.PROTECT);
      mmu.protectAll();
    }
    if ((pending & Interrupts.TASK) != 0) {
      state.andPending(~Interrupts.TASK);
      Runnable task;
      while ((task = tasks.poll()) != null) {
        task.run();
      }
    }
    if ((pending & Interrupts.INIT) != 0) {
      state.andPending(~Interrupts.INIT);
      CpuReset.init(this, index == 0);
      dropTlb();
    }
    if ((state.pending() & Interrupts.SIPI) != 0) {
      state.andPending(~Interrupts.SIPI);
      if (state.u32(CpuLayout.WAIT_FOR_SIPI) != 0) {
        CpuReset.startUp(this, sipiVector);
        dropTlb();
      }
    }
  }

  private void dropTlb() {
    mmu.flushAll();
    engine.flushTlb();
  }

  private boolean hasWork() {
    return state.exitRequested() || pauseRequested || terminated;
  }

  /**
   * A halted vCPU: wakes for what would interrupt it. Nothing of the vCPU changes meanwhile, so it
   * counts as paused.
   */
  private void waitForWork() {
    waiting = true;
    try {
      while (!hasWork()) {
        LockSupport.parkNanos(this, TimeUnit.SECONDS.toNanos(1));
      }
    } finally {
      waiting = false;
    }
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(CpuSavedState.STATE, this);
  }

  @Override
  public void close() {
    engine.close();
    mmu.close();
    state.close();
  }
}
