package dev.pollux.core.machine;

import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.config.InternalErrors;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The machine's one event loop: timers, completions of back ends, monitor commands. Each step runs
 * on the loop's thread with the machine lock held, and is short.
 */
public final class EventLoop {
  private static final Logger log = LoggerFactory.getLogger(EventLoop.class);

  /** Tasks in one step: timers and vCPUs have their turn however many more are posted. */
  private static final int MOST_TASKS = 64;

  /** Given to those who wait for the machine lock between two steps. */
  private static final long TURN_NANOS = 50_000;

  private final ReentrantLock machineLock;
  private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
  private final MachineClocks clocks = new MachineClocks(this::wakeUp);
  private volatile Thread thread;
  private volatile boolean stopping;

  EventLoop(ReentrantLock machineLock) {
    this.machineLock = machineLock;
  }

  public MachineClocks clocks() {
    return clocks;
  }

  /** Runs {@code task} soon on the loop. Any thread; tasks of one thread keep their order. */
  public void post(Runnable task) {
    tasks.add(task);
    wakeUp();
  }

  /**
   * Runs {@code work} on the loop; the future completes with its result or exception. Any thread.
   */
  public <T> CompletableFuture<T> call(Supplier<T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    post(
        () -> {
          try {
            result.complete(work.get());
          } catch (RuntimeException | Error e) {
            result.completeExceptionally(e);
          }
        });
    return result;
  }

  public boolean isLoopThread() {
    return Thread.currentThread() == thread;
  }

  /** Runs the loop on the calling thread until {@link #stop}. */
  public void run() {
    thread = Thread.currentThread();
    while (!stopping) {
      step();
    }
    thread = null;
  }

  /** Makes {@link #run} return after the current step. Any thread. */
  public void stop() {
    stopping = true;
    wakeUp();
  }

  private void step() {
    long wait;
    machineLock.lock();
    try {
      for (int i = 0; i < MOST_TASKS && !stopping && !tasks.isEmpty(); i++) {
        runSafely(tasks.remove());
      }
      runSafely(clocks::runDue);
      wait = clocks.nanosToNextDeadline();
    } finally {
      machineLock.unlock();
    }
    if (wait > 0 && tasks.isEmpty() && !stopping) {
      // unpark() before this point makes park return at once, so no wake-up is lost.
      LockSupport.parkNanos(this, Math.min(wait, TimeUnit.SECONDS.toNanos(60)));
    } else if (machineLock.hasQueuedThreads()) {
      // The lock is not fair: without this pause the next step would take it again at once.
      LockSupport.parkNanos(this, TURN_NANOS);
    }
  }

  private static void runSafely(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException | Error e) {
      InternalErrors.report(log, "on the event loop; the machine goes on", e);
    }
  }

  private void wakeUp() {
    Thread t = thread;
    if (t != null && t != Thread.currentThread()) {
      LockSupport.unpark(t);
    }
  }
}
