package dev.pollux.migration.lease;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.HostClock;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Until when a machine may run and be heard. What keeps the deadline is in the machine's own
 * process, so that it holds also where whoever renews it has died or stands still: the network asks
 * {@link #isOpen} for each frame, and a thread has the guest stopped.
 */
final class RunLease implements AutoCloseable {
  static final long NO_LIMIT = 0;

  private static final Logger log = LoggerFactory.getLogger(RunLease.class);
  private static final long LONGEST_SLEEP_NANOS = 1_000_000_000;

  /** A guest that the emulator holds for a moment is looked at again. */
  private static final long RETRY_NANOS = 50_000_000;

  private final Machine machine;
  private final Thread watch;
  private volatile long until = NO_LIMIT;
  private volatile boolean closed;

  /** The guest was stopped here, not by a user. Changed with the machine lock held. */
  private volatile boolean stopped;

  RunLease(Machine machine) {
    this.machine = machine;
    this.watch = Thread.ofPlatform().name("lease").daemon(true).start(this::watch);
  }

  long until() {
    return until;
  }

  /** Whether output may leave now. Any thread. */
  boolean isOpen() {
    long end = until;
    return end == NO_LIMIT || HostClock.bootNanos() < end;
  }

  /** Sets the deadline; a guest that an earlier one has stopped goes on. Machine lock held. */
  void allow(long end) {
    if (end < 0) {
      throw new ConfigException("Parameter 'until' expects uint64");
    }
    until = end;
    LockSupport.unpark(watch);
    if (stopped && isOpen()) {
      stopped = false;
      log.info("the lease was renewed: the guest goes on");
      if (machine.runState().is(RunState.PAUSED)) {
        machine.start();
      }
    }
  }

  private void watch() {
    while (!closed) {
      long end = until;
      if (end == NO_LIMIT) {
        LockSupport.park(this);
        continue;
      }
      long left = end - HostClock.bootNanos();
      if (left > 0) {
        LockSupport.parkNanos(this, Math.min(left, LONGEST_SLEEP_NANOS));
      } else {
        machine.loop().post(this::stop);
        LockSupport.parkNanos(this, stopped ? LONGEST_SLEEP_NANOS : RETRY_NANOS);
      }
    }
  }

  /** Event loop. */
  private void stop() {
    RunState now = machine.runState().current();
    if (closed || isOpen() || now != RunState.RUNNING && now != RunState.SUSPENDED) {
      return;
    }
    stopped = true;
    log.warn("the lease has run out: the guest is stopped until it is renewed");
    machine.pause();
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(watch);
  }
}
