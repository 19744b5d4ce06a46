package dev.pollux.core.machine;

import java.util.function.BooleanSupplier;

/**
 * Waiting without sleep, for threads whose work comes again within microseconds when a guest does
 * input and output: waking a thread takes longer than that. Where work has not come in time lately,
 * nothing is spent on it. Belongs to one thread.
 */
public final class SpinWait {
  private volatile long mostNanos;
  private boolean worthwhile;

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
    if (worthwhile) {
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
}
