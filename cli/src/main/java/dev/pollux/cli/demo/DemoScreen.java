package dev.pollux.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import java.util.concurrent.TimeUnit;

/**
 * What people see of the demo: sentences, and below them a line that shows both machines, drawn
 * again and again on a terminal, now and then elsewhere.
 */
final class DemoScreen implements AutoCloseable {
  private static final long PLAIN_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final String ERASE_LINE = "\r\033[K";

  private final PrintStream out;
  private final boolean terminal;
  private boolean drawn;
  private long shown = System.nanoTime() - PLAIN_NANOS;

  /**
   * @param terminal control sequences do something
   */
  DemoScreen(PrintStream out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  /** A sentence that stays. */
  void say(String sentence) {
    erase();
    out.println(sentence);
    out.flush();
  }

  /** Both machines as they are now, in a line that fits 80 columns. */
  void show(long primaryTick, long secondaryTick, JsonNode primary, JsonNode secondary) {
    if (!terminal && System.nanoTime() - shown < PLAIN_NANOS) {
      return;
    }
    shown = System.nanoTime();
    String line =
        "  ticks %d / %d, %d checkpoints, stops %s / %s ms, lag %d ms"
            .formatted(
                primaryTick,
                secondaryTick,
                secondary.path("checkpoints").asLong(),
                stop(primary),
                stop(secondary),
                secondary.path("lag").asLong());
    if (terminal) {
      out.print(ERASE_LINE + line);
      drawn = true;
    } else {
      out.println(line);
    }
    out.flush();
  }

  private static String stop(JsonNode statistics) {
    return "%.1f".formatted(statistics.path("median-stop").asLong() / 1000.0);
  }

  private void erase() {
    if (drawn) {
      out.println();
      drawn = false;
    }
  }

  @Override
  public void close() {
    erase();
    out.flush();
  }
}
