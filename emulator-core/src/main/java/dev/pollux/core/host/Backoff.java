package dev.pollux.core.host;

import java.util.concurrent.locks.LockSupport;

/**
 * Waiting for something that another thread is about to do: first without giving up the processor,
 * then giving it to others, at last asleep. One object per wait.
 */
public final class Backoff {
  private static final int SPINS = 200;
  private static final int YIELDS = 20;
  private static final long SLEEP_NANOS = 20_000;

  private int count;

  /** Waits a little, longer with each call. */
  public void pause() {
    count++;
    if (count <= SPINS) {
      Thread.onSpinWait();
    } else if (count <= SPINS + YIELDS) {
      Thread.yield();
    } else {
      LockSupport.parkNanos(SLEEP_NANOS);
    }
  }
}
