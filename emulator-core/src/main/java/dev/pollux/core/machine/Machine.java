package dev.pollux.core.machine;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.cpu.Rendezvous;
import dev.pollux.core.cpu.TraceLog;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.memory.CodeWatch;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.memory.WriteClient;
import dev.pollux.core.state.StateRegistry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A virtual machine: the owner of memory, buses, clocks, devices and vCPUs.
 *
 * <p>One lock guards all device state and everything here: vCPU threads take it for each device
 * access, the event loop holds it for each of its steps. {@link #stop} and {@link #start} are
 * called on the event loop, or before it runs.
 */
public final class Machine implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Machine.class);

  /**
   * How a guest's end is handled.
   *
   * @param rebootEnds a guest reset ends the process ({@code -no-reboot})
   * @param stayAfterShutdown a power-off, or a reset that ends it, stops the machine and keeps it
   *     ({@code -no-shutdown})
   */
  public record EndPolicy(boolean rebootEnds, boolean stayAfterShutdown) {}

  private final ReentrantLock lock = new ReentrantLock();
  private final EventLoop loop = new EventLoop(lock);
  private final AddressSpace memory = new AddressSpace("memory", lock);
  private final AddressSpace io = new AddressSpace("I/O", lock);
  private TraceLog traceLog = TraceLog.OFF;
  private final CodeWatch codeWatch = new CodeWatch();
  private final StateRegistry states = new StateRegistry();
  private final RunStateMachine runState = new RunStateMachine();
  private final List<RamBlock> ramBlocks = new ArrayList<>();

  /** Grows while vCPUs look at it, when a device with a ROM is plugged in. */
  private final List<RamBlock> roms = new CopyOnWriteArrayList<>();

  private final List<Device> devices = new ArrayList<>();
  private final List<Vcpu> vcpus = new ArrayList<>();

  /** Guards {@link #ended}: a signal, for one, comes at any time. */
  private final Object end = new Object();

  /** The vCPUs' memory is gone, or about to go. */
  private boolean ended;

  private final List<IoThread> ioThreads = new CopyOnWriteArrayList<>();
  private final Rendezvous rendezvous = new Rendezvous();
  private final List<MachineListener> listeners = new CopyOnWriteArrayList<>();

  /** The guest has said that its crash kernel runs, and nobody has been told yet. */
  private final AtomicBoolean crashLoaded = new AtomicBoolean();

  private final String name;
  private final EndPolicy policy;
  private volatile int exitStatus;

  /** Guarded by the machine lock. */
  private boolean asleep;

  /** Guarded by the machine lock. */
  private boolean keptAfterShutdown;

  /** Guarded by the machine lock. */
  private IrqLine floatErrorLine = IrqLine.none();

  /**
   * @param name what people call it, may be empty
   */
  public Machine(String name, EndPolicy policy) {
    this.name = name;
    this.policy = policy;
  }

  public String name() {
    return name;
  }

  public ReentrantLock lock() {
    return lock;
  }

  public EventLoop loop() {
    return loop;
  }

  public MachineClocks clocks() {
    return loop.clocks();
  }

  /** Guest-physical memory. */
  public AddressSpace memory() {
    return memory;
  }

  /** The 65,536 I/O ports. */
  public AddressSpace io() {
    return io;
  }

  /** What is logged of the guest's execution. */
  public TraceLog traceLog() {
    return traceLog;
  }

  /** Before the vCPUs are made. */
  public void setTraceLog(TraceLog log) {
    traceLog = log;
  }

  /** Tells engines when code is written. */
  public CodeWatch codeWatch() {
    return codeWatch;
  }

  /** Connects FERR#, by which vCPUs with CR0.NE clear report x87 errors. */
  public void setFloatErrorLine(IrqLine line) {
    floatErrorLine = line;
  }

  /** Drives FERR#. Takes the machine lock. */
  public void driveFloatError(boolean level) {
    lock.lock();
    try {
      floatErrorLine.set(level);
    } finally {
      lock.unlock();
    }
  }

  public StateRegistry states() {
    return states;
  }

  public RunStateMachine runState() {
    return runState;
  }

  public List<RamBlock> ramBlocks() {
    return Collections.unmodifiableList(ramBlocks);
  }

  public List<Vcpu> vcpus() {
    return Collections.unmodifiableList(vcpus);
  }

  /** Brings the vCPUs to instruction boundaries. */
  public Rendezvous rendezvous() {
    return rendezvous;
  }

  public List<Device> devices() {
    return Collections.unmodifiableList(devices);
  }

  public void addRamBlock(RamBlock block) {
    ramBlocks.add(block);
    block.setWatcher(WriteClient.CODE, codeWatch);
  }

  /** Enters ROM: guests execute it, but it comes from a file and is not part of the state. */
  public void addRom(RamBlock block) {
    roms.add(block);
  }

  /**
   * The RAM or ROM that holds a host address from a TLB.
   *
   * @throws IllegalStateException if none does
   */
  public RamBlock blockAt(long host) {
    for (RamBlock ram : ramBlocks) {
      if (ram.contains(host)) {
        return ram;
      }
    }
    for (RamBlock rom : roms) {
      if (rom.contains(host)) {
        return rom;
      }
    }
    throw new IllegalStateException("no memory at " + Long.toHexString(host));
  }

  /** Enters a device for reset, saving and closing. */
  public <D extends Device> D add(D device) {
    devices.add(device);
    states.register(device.id(), device);
    return device;
  }

  /**
   * Makes a thread for queues of devices.
   *
   * @param threadName for instance {@code IO iothread0}
   */
  public IoThread addIoThread(String threadName) {
    IoThread thread = new IoThread(threadName, lock);
    ioThreads.add(thread);
    if (runState.is(RunState.RUNNING)) {
      thread.resume();
    }
    thread.begin();
    return thread;
  }

  /** Ends a thread that no device uses any more. */
  public void removeIoThread(IoThread thread) {
    ioThreads.remove(thread);
    thread.close();
  }

  /** Takes a device out again and closes it. Machine lock held. */
  public void remove(Device device) {
    devices.remove(device);
    states.unregister(device);
    device.close();
  }

  /** Enters a vCPU; its saved state comes before the devices that are added later. */
  public void add(Vcpu vcpu) {
    vcpus.add(vcpu);
    rendezvous.add(vcpu);
    states.register("cpu", vcpu);
    memory.onChange(vcpu::requestTlbFlush);
  }

  public void addListener(MachineListener listener) {
    listeners.add(listener);
  }

  /** Ends what {@link #addListener} began. */
  public void removeListener(MachineListener listener) {
    listeners.remove(listener);
  }

  /** What the process ends with; 0 unless a device such as isa-debug-exit says otherwise. */
  public int exitStatus() {
    return exitStatus;
  }

  /**
   * Starts the vCPUs; a guest that sleeps goes on sleeping. Event loop or before it runs, machine
   * lock held.
   */
  public void start() {
    if (runState.is(RunState.RUNNING)) {
      return;
    }
    if (asleep) {
      runState.set(RunState.SUSPENDED);
      listeners.forEach(MachineListener::resumed);
      return;
    }
    listeners.forEach(MachineListener::starting);
    runState.set(RunState.RUNNING);
    clocks().setRunning(true);
    resumeVcpus();
    listeners.forEach(MachineListener::resumed);
  }

  /**
   * Parks the vCPUs and enters {@code state}; returns when no guest instruction executes any more.
   * Event loop, machine lock held (it is let go while waiting for vCPUs that want it).
   */
  public void stop(RunState state) {
    boolean wasLive = runState.is(RunState.RUNNING) || runState.is(RunState.SUSPENDED);
    if (runState.is(RunState.RUNNING)) {
      pauseVcpus();
      clocks().setRunning(false);
    }
    runState.set(state);
    if (wasLive) {
      listeners.forEach(MachineListener::stopped);
    }
  }

  /**
   * Pauses the guest for a user: at once, or, where the emulator itself holds it for a moment,
   * instead of letting it go on afterwards. Event loop, machine lock held.
   */
  public void pause() {
    if (runState.is(RunState.RUNNING) || runState.is(RunState.SUSPENDED)) {
      stop(RunState.PAUSED);
    } else {
      runState.askPause();
    }
  }

  /**
   * Ends a hold, or the wait for a migration: the guest is in {@code state} again, but does not run
   * where a user has paused it meanwhile. Event loop, machine lock held, vCPUs parked.
   */
  public void goOn(RunState state) {
    RunState next = runState.afterHold(state);
    if (next.isRunning()) {
      start();
    } else {
      setStoppedState(runState.mayBecome(next) ? next : RunState.PAUSED);
    }
  }

  /**
   * Pauses all vCPUs, runs {@code work} and lets them go on, unless the work has changed the run
   * state. While it runs no guest instruction executes, all state of all vCPUs is in their state
   * blocks, and the caller may touch TLBs and translated code; guest time goes on. Vcpus in guest
   * code stop at the next backward or indirect jump, those that sleep are not woken: microseconds,
   * where the host has a processor for each. Event loop, machine lock held (it is let go while
   * waiting for vCPUs that want it).
   */
  public void whileParked(Runnable work) {
    boolean wasRunning = runState.is(RunState.RUNNING);
    if (wasRunning) {
      pauseVcpus();
    }
    try {
      work.run();
    } finally {
      if (wasRunning && runState.is(RunState.RUNNING)) {
        resumeVcpus();
      }
    }
  }

  /**
   * Returns when no write is under way, by a vCPU or a device, that does not see the watches armed
   * before the call ({@link RamBlock#watch}): from then on their clients are told of every write.
   * The guest is not stopped; vCPUs do their part at the next instruction boundary, sleeping ones
   * when they wake. Any thread but a vCPU's; if the machine lock is held it is let go while waiting
   * for vCPUs that want it.
   */
  @SuppressWarnings("LockNotBeforeTry") // it is taken only to wait for who has it
  public void synchronizeWatches() {
    vcpus.forEach(Vcpu::requestWriteProtection);
    // Devices write to memory with the machine lock held, or on I/O threads with theirs; what is
    // read from a disk right into memory is told once more when it is there.
    lock.lock();
    lock.unlock();
    ioThreads.forEach(IoThread::barrier);
    withoutLock(rendezvous::await);
  }

  /** Returns when no vCPU executes, and no I/O thread has anything under way. */
  private void pauseVcpus() {
    vcpus.forEach(Vcpu::requestPause);
    withoutLock(
        () -> {
          vcpus.forEach(Vcpu::awaitPaused);
          ioThreads.forEach(IoThread::pause);
        });
  }

  private void resumeVcpus() {
    ioThreads.forEach(IoThread::resume);
    vcpus.forEach(Vcpu::resume);
  }

  private void withoutLock(Runnable wait) {
    int holds = lock.getHoldCount();
    for (int i = 0; i < holds; i++) {
      lock.unlock();
    }
    try {
      wait.run();
    } finally {
      for (int i = 0; i < holds; i++) {
        lock.lock();
      }
    }
  }

  /** Changes the run state of a machine whose vCPUs do not run. Machine lock held. */
  public void setStoppedState(RunState state) {
    if (state == RunState.RUNNING || runState.is(RunState.RUNNING)) {
      throw new IllegalStateException("use start and stop");
    }
    runState.set(state);
  }

  /** Asks for a reset, as a device or a monitor does. Any thread. */
  public void requestReset(ShutdownCause cause) {
    if (policy.rebootEnds() && cause != ShutdownCause.SNAPSHOT_LOAD) {
      requestShutdown(cause);
    } else {
      ask(Vcpu::kick);
      loop.post(() -> reset(cause));
    }
  }

  /** Resets all devices and vCPUs at once. Event loop, machine lock held. */
  public void reset(ShutdownCause cause) {
    boolean wasRunning = runState.is(RunState.RUNNING);
    if (wasRunning) {
      pauseVcpus();
    }
    resetDevices();
    if (cause != ShutdownCause.SNAPSHOT_LOAD) {
      listeners.forEach(l -> l.reset(cause));
    }
    if (wasRunning) {
      resumeVcpus();
    } else if (cause != ShutdownCause.SNAPSHOT_LOAD
        && !runState.current().isHold()
        && !runState.is(RunState.INMIGRATE)) {
      runState.set(RunState.PRELAUNCH); // a user's reset of a guest that stands
    }
  }

  /** Puts every part into its power-on state. vCPUs parked, machine lock held. */
  public void resetDevices() {
    asleep = false;
    vcpus.forEach(Vcpu::reset);
    List.copyOf(devices).forEach(Device::reset); // some go with a reset
  }

  /** Asks for the end of the machine. Any thread. */
  public void requestShutdown(ShutdownCause cause) {
    requestExit(cause, 0);
  }

  /** Asks for the end of the machine with an exit status of the process. Any thread. */
  public void requestExit(ShutdownCause cause, int status) {
    if (status != 0) {
      exitStatus = status;
    }
    ask(Vcpu::requestPause);
    loop.post(() -> shutdown(cause, status != 0));
  }

  /** Asks all vCPUs for something, unless the machine ends just now. Any thread. */
  private void ask(Consumer<Vcpu> request) {
    synchronized (end) {
      if (!ended) {
        vcpus.forEach(request);
      }
    }
  }

  /**
   * Has the machine stay when its guest powers off, whatever the policy says: what happens to the
   * guest is decided elsewhere. Machine lock held.
   */
  public void keepAfterShutdown(boolean keep) {
    keptAfterShutdown = keep;
  }

  private void shutdown(ShutdownCause cause, boolean always) {
    listeners.forEach(l -> l.shutdown(cause));
    boolean stay =
        (keptAfterShutdown && cause.byGuest())
            || (policy.stayAfterShutdown() && !always && !cause.endsProcess());
    if (runState.mayBecome(RunState.SHUTDOWN)) {
      stop(RunState.SHUTDOWN);
    } else if (runState.current().isRunning()) {
      stop(RunState.PAUSED);
    }
    log.debug("shutdown: {}", cause.qmpName());
    if (!stay) {
      loop.stop();
    }
  }

  /**
   * The guest's kernel says that it has panicked: the machine ends, or stands where it is to stay
   * after a shutdown. Any thread.
   */
  public void requestPanic() {
    vcpus.forEach(Vcpu::requestPause);
    loop.post(this::panic);
  }

  private void panic() {
    if (!runState.is(RunState.RUNNING)) {
      return; // It was stopped or has ended meanwhile, or has said so before.
    }
    boolean ends = !policy.stayAfterShutdown();
    listeners.forEach(l -> l.panicked(ends));
    stop(RunState.GUEST_PANICKED);
    if (ends) {
      shutdown(ShutdownCause.GUEST_PANIC, false);
    }
  }

  /** The guest's crash kernel runs. Any thread. */
  public void tellCrashLoaded() {
    if (crashLoaded.compareAndSet(false, true)) { // however often the guest says it
      loop.post(
          () -> {
            crashLoaded.set(false);
            listeners.forEach(MachineListener::crashLoaded);
          });
    }
  }

  /** The guest goes to sleep in RAM. Any thread. */
  public void requestSuspend() {
    vcpus.forEach(Vcpu::requestPause);
    loop.post(this::suspend);
  }

  /** Where a user or a migration was first, the guest sleeps when that is over. */
  private void suspend() {
    if (runState.is(RunState.RUNNING)) {
      pauseVcpus();
      clocks().setRunning(false);
      runState.set(RunState.SUSPENDED);
    } else if (!runState.is(RunState.PAUSED) && !runState.current().isHold()) {
      return; // It was reset or has ended meanwhile.
    }
    asleep = true;
    listeners.forEach(MachineListener::suspended);
  }

  /** The guest goes to sleep on disk, which a machine sees as its power-off. Any thread. */
  public void requestSuspendToDisk() {
    loop.post(() -> listeners.forEach(MachineListener::suspendedToDisk));
    requestShutdown(ShutdownCause.GUEST_SHUTDOWN);
  }

  /**
   * Wakes a guest that sleeps in RAM: everything but its memory is reset, and who boots it
   * continues it. Event loop, machine lock held.
   *
   * @return false where it does not sleep
   */
  public boolean wakeUp(WakeupReason reason) {
    if (!runState.is(RunState.SUSPENDED)) {
      return false;
    }
    loop.post(() -> finishWakeUp(reason));
    return true;
  }

  private void finishWakeUp(WakeupReason reason) {
    if (runState.is(RunState.SUSPENDED)) {
      listeners.forEach(MachineListener::starting);
      resetDevices();
      listeners.forEach(l -> l.wokenUp(reason));
      runState.set(RunState.RUNNING);
      clocks().setRunning(true);
      resumeVcpus();
    }
  }

  /** Whether the guest sleeps in RAM, whatever the emulator does with it meanwhile. */
  public boolean isAsleep() {
    return asleep;
  }

  /** As a loaded state has it. Machine lock held, vCPUs parked. */
  public void setAsleep(boolean asleep) {
    this.asleep = asleep;
  }

  /** The power button was pressed. Any thread. */
  public void requestPowerdown() {
    loop.post(() -> listeners.forEach(MachineListener::poweredDown));
  }

  /** Ends vCPU threads, closes devices, unmaps memory. The event loop has returned. */
  @Override
  public void close() {
    vcpus.forEach(Vcpu::terminate);
    ioThreads.forEach(IoThread::pause);
    lock.lock();
    try {
      devices.forEach(Device::close);
      devices.clear(); // who looks for one later, with the lock, finds none without memory
    } finally {
      lock.unlock();
    }
    ioThreads.forEach(IoThread::close);
    synchronized (end) {
      ended = true;
    }
    vcpus.forEach(Vcpu::close);
    ramBlocks.forEach(RamBlock::close);
    roms.forEach(RamBlock::close);
  }
}
