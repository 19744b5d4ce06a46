package dev.pollux.core.machine;

import dev.pollux.core.host.RunDelay;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Waiting without sleep, for threads whose work comes again within microseconds when a guest does
 * input and output: waking a thread takes longer than that. Nothing is spent on it where work has
 * not come in time lately, nor where others want the processor: then whoever is to bring the work
 * would come later. Belongs to one thread.
 */
public final class SpinWait {
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** The host is busy where this part of the time was spent on waiting for a processor. */
  private static final int BUSY_PART = 20;

  /** Once it is, for so long. */
  private static final long BUSY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private volatile long mostNanos;
  private boolean worthwhile;

  /** Made by the thread itself, when it is first needed. */
  private RunDelay delay;

  private long delayed;
  private long looked;
  private long busyUntil;

  /**
   * @param mostNanos how long to look for work before sleeping; 0 for not at all
   */
  public SpinWait(long mostNanos) {
    this.mostNanos = mostNanos;
  }

  /** Changes how long it looks for work, in nanoseconds. Any thread. */
  public void setMostNanos(long nanos) {
    mostNanos = nanos;
  }

  public long mostNanos() {
    return mostNanos;
  }

  /**
   * Waits until there is work.
   *
   * @param hasWork asked again and again
   * @param sleep waits for work without using a processor; not called if some came before
   */
  public void await(BooleanSupplier hasWork, Runnable sleep) {
    long most = mostNanos;
    long start = System.nanoTime();
    if (worthwhile && !isHostBusy(start)) {
      while (System.nanoTime() - start < most) {
        if (hasWork.getAsBoolean()) {
          return;
        }
        Thread.onSpinWait();
      }
    }
    sleep.run();
    worthwhile = System.nanoTime() - start < most;
  }

  private boolean isHostBusy(long now) {
    if (delay == null) {
      delay = new RunDelay();
      busyUntil = now;
    }
    if (now - looked > LOOK_NANOS) {
      long total = delay.nanos();
      if ((total - delayed) * BUSY_PART > now - looked) {
        busyUntil = now + BUSY_NANOS;
      }
      delayed = total;
      looked = now;
    }
    return now - busyUntil < 0;
  }
}
