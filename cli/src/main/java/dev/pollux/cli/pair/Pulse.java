package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * Whether a side's monitor answers: it is asked ten times a second, one question at a time, so that
 * when something is to be decided it is known for how long the side has been silent. Any thread.
 */
public final class Pulse {
  private static final long PERIOD_MILLIS = 100;

  private final MachineProcess process;
  private volatile long answered = System.nanoTime();

  /** Begins to ask, until the process ends. */
  Pulse(MachineProcess process) {
    this.process = process;
    Thread.ofVirtual().name("pulse").start(this::beat);
  }

  /** Milliseconds since the last answer. */
  public long silentMillis() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - answered);
  }

  private void beat() {
    try {
      while (process.isAlive()) {
        var _ = process.send("query-status", JsonNodeFactory.instance.objectNode()).get();
        answered = System.nanoTime();
        Thread.sleep(PERIOD_MILLIS);
      }
    } catch (IOException | ExecutionException e) {
      // The monitor is gone, and with it the process.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
