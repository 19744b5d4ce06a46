package dev.pollux.migration.colo;

import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/**
 * Says when the next checkpoint is due. Calls for one that come before it is made are one; each
 * call sets the timer anew. Any thread.
 */
final class CheckpointTrigger {
  private final LongSupplier delayMillis;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by lock.
  private CheckpointCause cause;

  /** The guests have differed since the state was taken last. */
  private boolean differed;

  private boolean interrupted;
  private long deadline;

  /**
   * @param delayMillis time from one call to the timer's next one
   */
  CheckpointTrigger(LongSupplier delayMillis) {
    this.delayMillis = delayMillis;
    deadline = nextDeadline();
  }

  private long nextDeadline() {
    return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(Math.max(1, delayMillis.getAsLong()));
  }

  /** Calls for a checkpoint. */
  void call(CheckpointCause why) {
    lock.lock();
    try {
      if (cause == null) {
        cause = why;
      }
      differed |= why == CheckpointCause.NETWORK;
      deadline = nextDeadline();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Sets the timer anew without calling. */
  void arm() {
    lock.lock();
    try {
      deadline = nextDeadline();
    } finally {
      lock.unlock();
    }
  }

  /** Makes {@link #await} return, now and ever after. */
  void interrupt() {
    lock.lock();
    try {
      interrupted = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Waits for a call.
   *
   * @param atMost nanoseconds
   * @return the cause of the first call; empty if none came so far, or after an interrupt
   */
  Optional<CheckpointCause> await(long atMost) {
    long end = System.nanoTime() + atMost;
    lock.lock();
    try {
      while (cause == null && !interrupted) {
        long now = System.nanoTime();
        if (now >= deadline) {
          cause = CheckpointCause.TIMER;
          deadline = nextDeadline();
        } else if (now >= end) {
          break;
        } else {
          long _ = changed.awaitNanos(Math.min(deadline, end) - now);
        }
      }
      return interrupted ? Optional.empty() : Optional.ofNullable(cause);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    } finally {
      lock.unlock();
    }
  }

  /** Nanoseconds until the timer calls. */
  long remaining() {
    lock.lock();
    try {
      return deadline - System.nanoTime();
    } finally {
      lock.unlock();
    }
  }

  /** The state was taken: calls so far will be answered by this checkpoint. */
  void taken() {
    lock.lock();
    try {
      cause = null;
      differed = false;
    } finally {
      lock.unlock();
    }
  }

  /**
   * The checkpoint is whole. It is the answer to calls that came meanwhile, too, but for those of
   * guests that have differed since the state was taken.
   */
  void clear() {
    lock.lock();
    try {
      cause = differed ? CheckpointCause.NETWORK : null;
    } finally {
      lock.unlock();
    }
  }
}
