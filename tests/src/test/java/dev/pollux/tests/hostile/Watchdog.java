package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.colo.ColoMachine;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** Asks a machine's monitor all the time how it is, and keeps how long the answers took. */
final class Watchdog implements AutoCloseable {
  /** Ample, for a host that is busy with other things; an event loop that waits takes for ever. */
  private static final long PATIENCE_MILLIS = 10_000;

  private static final long PAUSE_MILLIS = 100;

  private final ColoMachine machine;
  private final Thread thread;
  private volatile long longest;
  private volatile long asked;
  private volatile boolean ended;

  Watchdog(ColoMachine machine) {
    this.machine = machine;
    thread = Thread.ofPlatform().daemon(true).start(this::watch);
  }

  private void watch() {
    try {
      while (!ended) {
        asked = System.nanoTime();
        var _ = machine.run("query-status");
        longest = Math.max(longest, System.nanoTime() - asked);
        asked = 0;
        HostileLink.pause(PAUSE_MILLIS);
      }
    } catch (IOException | CommandFailed e) {
      // The machine has ended, as the test will find out.
    }
  }

  /** The monitor has answered each time, and soon. */
  void check() {
    long since = asked;
    long waited = since == 0 ? 0 : System.nanoTime() - since;
    long millis = TimeUnit.NANOSECONDS.toMillis(Math.max(longest, waited));
    assertTrue(millis < PATIENCE_MILLIS, () -> "the monitor has not answered for " + millis);
  }

  @Override
  public void close() {
    ended = true;
    try {
      thread.join(PATIENCE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
