package dev.pollux.migration;

import java.util.EnumSet;
import java.util.Set;

/** The status of one migration; listeners hear of changes in order. Any thread. */
public final class StatusHolder {
  private final MigrationListener listener;
  private MigrationStatus status = MigrationStatus.NONE;

  public StatusHolder(MigrationListener listener) {
    this.listener = listener;
  }

  public synchronized MigrationStatus get() {
    return status;
  }

  /** Enters a status if the present one is as expected; whether it was. */
  public boolean change(MigrationStatus from, MigrationStatus to) {
    return change(EnumSet.of(from), to);
  }

  /** Enters a status if the present one is one of those expected; whether it was. */
  public synchronized boolean change(Set<MigrationStatus> from, MigrationStatus to) {
    if (!from.contains(status)) {
      return false;
    }
    status = to;
    notifyAll();
    listener.statusChanged(to);
    return true;
  }

  /** Waits while the status is {@code status}, at most so long. */
  synchronized void awaitChange(MigrationStatus from, long millis) throws InterruptedException {
    long deadline = System.nanoTime() + millis * 1_000_000;
    long left = millis;
    while (status == from && left > 0) {
      wait(left);
      left = (deadline - System.nanoTime()) / 1_000_000;
    }
  }
}
