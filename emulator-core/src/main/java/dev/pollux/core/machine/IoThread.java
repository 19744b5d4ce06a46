package dev.pollux.core.machine;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that works on the queues of devices outside the machine lock.
 *
 * <p>It has a lock of its own, held during each step: whoever holds that has the queues for
 * himself. Order of locks: the machine's, then this one; what a step wants done with the machine
 * lock it {@linkplain #withMachineLock leaves} for after the step.
 *
 * <p>While the machine is stopped the thread is paused: it starts no work that guests have asked
 * for, only finishes what is under way.
 */
public final class IoThread implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(IoThread.class);

  /** Kicks that one step takes up, so that the lock is let go now and then. */
  private static final int STEP = 64;

  /** Some 10 µs. */
  private static final int BORROW_TRIES = 200;

  private static final long LOOK_AGAIN_NANOS = 200_000;
  private static final long COMPLAIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Work that a device does here. */
  public interface Work {
    /** How messages call it. */
    String name();

    /** Whether nothing that it has begun is under way. The thread's lock is held. */
    boolean isIdle();
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final ReentrantLock machineLock;
  private final ConcurrentLinkedQueue<Kick> kicks = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Runnable> completions = new ConcurrentLinkedQueue<>();
  private final List<Work> works = new CopyOnWriteArrayList<>();

  /** Guarded by {@link #lock}. */
  private List<Runnable> deferred = new ArrayList<>();

  /** Guarded by {@link #lock}. */
  private List<Runnable> unlocked = new ArrayList<>();

  /** There is something in {@link #unlocked}. */
  private volatile boolean hasUnlocked;

  /** Another thread has the lock and settles afterwards. Guarded by {@link #lock}. */
  private boolean borrowed;

  /** There is something in {@link #deferred} that nobody has been woken for. */
  private volatile boolean unsettled;

  /** Whose step a thread does just now, if it does at its end what is left for no lock. */
  private static final ThreadLocal<IoThread> CURRENT = new ThreadLocal<>();

  private final Thread thread;
  private volatile boolean paused = true;
  private volatile boolean ended;
  private volatile boolean sleeping;
  private volatile Thread waiter;
  private final SpinWait poll = new SpinWait(0);

  /**
   * @param name the thread's, for instance {@code IO iothread0}
   */
  IoThread(String name, ReentrantLock machineLock) {
    this.machineLock = machineLock;
    thread = Thread.ofPlatform().name(name).daemon(true).unstarted(this::run);
  }

  /** Begins to run. */
  void begin() {
    thread.start();
  }

  public String name() {
    return thread.getName();
  }

  /** How long the thread looks for more work before it sleeps, at most, in nanoseconds. */
  public void setPollNanos(long nanos) {
    poll.setMostNanos(nanos);
  }

  public long pollNanos() {
    return poll.mostNanos();
  }

  /** The lock that each step holds. */
  public ReentrantLock lock() {
    return lock;
  }

  /** Something that a guest can ask for again and again. */
  public final class Kick {
    private final Runnable handler;
    private final AtomicBoolean raised = new AtomicBoolean();

    private Kick(Runnable handler) {
      this.handler = handler;
    }

    /** Has the handler run soon; often is no more than once. Any thread, no lock needed. */
    public void raise() {
      if (!raised.get() && raised.compareAndSet(false, true)) {
        kicks.add(this);
        wake();
      }
    }
  }

  /**
   * Makes a kick.
   *
   * @param handler runs on this thread with its lock held
   */
  public Kick kick(Runnable handler) {
    return new Kick(handler);
  }

  /** Registers work that has to be finished before the machine counts as stopped. */
  public void add(Work work) {
    works.add(work);
  }

  public void remove(Work work) {
    works.remove(work);
  }

  /** Runs a completion soon with the lock held, also while paused. Any thread. */
  public void post(Runnable completion) {
    completions.add(completion);
    wake();
    Thread waiting = waiter;
    if (waiting != null) {
      LockSupport.unpark(waiting);
    }
  }

  /** Leaves something to be done with the machine lock. This thread's lock is held. */
  public void withMachineLock(Runnable action) {
    deferred.add(action);
    if (borrowed) {
      unsettled = true;
    } else if (Thread.currentThread() != thread) {
      post(() -> {}); // there may be no step under way
    }
  }

  /**
   * Has a completion done with the lock held: at once on the caller's thread where the lock is
   * free, otherwise soon by the thread. The caller holds no lock.
   */
  public void complete(Runnable completion) {
    if (!borrow()) {
      post(completion);
      return;
    }
    List<Runnable> forNoLock;
    CURRENT.set(this);
    try {
      runSafely(completion);
      forNoLock = takeUnlocked();
    } finally {
      CURRENT.remove();
      giveBack();
    }
    settle();
    forNoLock.forEach(IoThread::runSafely);
  }

  /** Leaves something to be done without any lock after the present step. The lock is held. */
  public void withoutLock(Runnable action) {
    unlocked.add(action);
    hasUnlocked = true;
    if (CURRENT.get() != this) {
      post(() -> {});
    }
  }

  /**
   * Leaves something to be done without any lock after the step of an I/O thread that is under way
   * here, or has the executor do it where there is none.
   */
  public static void afterStep(Runnable action, Executor otherwise) {
    IoThread here = CURRENT.get();
    if (here == null) {
      otherwise.execute(action);
    } else {
      here.withoutLock(action);
    }
  }

  private List<Runnable> takeUnlocked() {
    if (unlocked.isEmpty()) {
      return List.of(); // not the list itself, to which others add
    }
    List<Runnable> taken = unlocked;
    unlocked = new ArrayList<>();
    hasUnlocked = false;
    return taken;
  }

  /**
   * Takes the lock for a short piece of work of another thread, unless that would have to wait for
   * long. The thread lets go with {@link #giveBack}, and calls {@link #settle} when it holds no
   * lock any more.
   *
   * @return false if it did not get it
   */
  public boolean borrow() {
    for (int i = 0; i < BORROW_TRIES; i++) {
      if (lock.tryLock()) {
        borrowed = lock.getHoldCount() == 1;
        return true;
      }
      Thread.onSpinWait();
    }
    return false;
  }

  /** Ends what {@link #borrow} began. */
  public void giveBack() {
    borrowed = false;
    lock.unlock();
  }

  /**
   * Has done what was left for the machine lock while the lock was borrowed: at once where that
   * lock is free, otherwise by the I/O thread. Never waits.
   */
  public void settle() {
    if (!unsettled || lock.isHeldByCurrentThread()) {
      return; // a step under way does it at its end
    }
    if (!machineLock.tryLock()) {
      post(() -> {});
      return;
    }
    try {
      List<Runnable> forMachine = List.of();
      if (lock.tryLock()) {
        try {
          forMachine = takeDeferred();
        } finally {
          lock.unlock();
        }
      } else {
        post(() -> {});
      }
      forMachine.forEach(IoThread::runSafely);
    } finally {
      machineLock.unlock();
    }
  }

  private List<Runnable> takeDeferred() {
    unsettled = false;
    if (deferred.isEmpty()) {
      return List.of(); // not the list itself, to which others add
    }
    List<Runnable> taken = deferred;
    deferred = new ArrayList<>();
    return taken;
  }

  private void wake() {
    if (sleeping) {
      LockSupport.unpark(thread);
    }
  }

  private void run() {
    while (!ended) {
      if (!step(true)) {
        poll.await(this::hasWork, this::sleep);
      }
    }
  }

  /**
   * Does what there is to do.
   *
   * @param takeKicks whether to take up new work, unless paused
   * @return false if there was nothing
   */
  private boolean step(boolean takeKicks) {
    boolean worked = false;
    List<Runnable> forMachine;
    List<Runnable> forNoLock = List.of();
    IoThread around = CURRENT.get();
    lock.lock();
    try {
      CURRENT.set(takeKicks ? this : null);
      Runnable completion;
      while ((completion = completions.poll()) != null) {
        runSafely(completion);
        worked = true;
      }
      Kick kick;
      for (int i = 0; i < STEP && takeKicks && !paused && (kick = kicks.poll()) != null; i++) {
        kick.raised.set(false);
        runSafely(kick.handler);
        worked = true;
      }
      forMachine = takeDeferred();
      if (takeKicks) {
        forNoLock = takeUnlocked();
      }
    } finally {
      CURRENT.set(around);
      lock.unlock();
    }
    if (!forMachine.isEmpty()) {
      machineLock.lock();
      try {
        forMachine.forEach(IoThread::runSafely);
      } finally {
        machineLock.unlock();
      }
    }
    forNoLock.forEach(IoThread::runSafely);
    return worked;
  }

  private boolean hasWork() {
    return !completions.isEmpty() || hasUnlocked || !paused && !kicks.isEmpty();
  }

  private void sleep() {
    sleeping = true;
    // Whoever adds work now sees that this thread sleeps; what was added before is seen here.
    if (!hasWork() && !ended) {
      LockSupport.park(this);
    }
    sleeping = false;
  }

  private static void runSafely(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException e) {
      log.error("internal error on an I/O thread; the machine goes on", e);
    }
  }

  /**
   * Takes up no new work and returns when nothing is under way. The machine lock is not held by the
   * caller: what is finished may need it.
   */
  void pause() {
    paused = true;
    awaitIdle(() -> works.stream().allMatch(Work::isIdle));
  }

  /** Whether the machine stands still: no work is begun. The thread's lock is held. */
  public boolean isPaused() {
    return paused;
  }

  /** Takes up work again. */
  void resume() {
    paused = false;
    LockSupport.unpark(thread);
  }

  /** Waits for the end of the present step: what it has written is then seen by all. */
  @SuppressWarnings("LockNotBeforeTry") // it is taken only to wait for who has it
  void barrier() {
    lock.lock();
    lock.unlock();
  }

  /**
   * Waits until some work is idle, and does itself what the thread would have to do for that, so
   * that the caller may hold the machine lock. The work must not begin anything new meanwhile.
   */
  public void awaitIdle(Work work) {
    awaitIdle(work::isIdle);
  }

  private void awaitIdle(BooleanSupplier idle) {
    long complainAt = System.nanoTime() + COMPLAIN_NANOS;
    Thread before = waiter;
    waiter = Thread.currentThread();
    try {
      while (true) {
        step(false);
        lock.lock();
        try {
          if (completions.isEmpty() && idle.getAsBoolean()) {
            return;
          }
        } finally {
          lock.unlock();
        }
        LockSupport.parkNanos(this, LOOK_AGAIN_NANOS);
        if (System.nanoTime() > complainAt) {
          complainAt = System.nanoTime() + COMPLAIN_NANOS;
          log.warn("{}: still waiting for requests of {}", thread.getName(), busy());
        }
      }
    } finally {
      waiter = before;
    }
  }

  private List<String> busy() {
    lock.lock();
    try {
      return works.stream().filter(work -> !work.isIdle()).map(Work::name).toList();
    } finally {
      lock.unlock();
    }
  }

  /** Ends the thread. Nothing uses it any more. */
  @Override
  public void close() {
    ended = true;
    LockSupport.unpark(thread);
  }
}
