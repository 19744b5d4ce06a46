package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.PrintStream;
import java.time.Instant;
import java.util.Optional;

/**
 * What a pair tells: sentences for people on standard error, or a JSON object a line for programs
 * on standard output. On a terminal that shows no console, a line below says how both sides are
 * now. Any thread.
 */
public final class PairReport {
  private static final String ERASE_LINE = "\r\033[K";

  private final PrintStream out;
  private final PrintStream people;
  private final boolean json;
  private final boolean live;
  private final Optional<PairMetrics> metrics;
  private boolean drawn;

  /**
   * @param live a line of the terminal may be drawn again and again
   * @param metrics count, too
   */
  public PairReport(
      PrintStream out,
      PrintStream people,
      boolean json,
      boolean live,
      Optional<PairMetrics> metrics) {
    this.metrics = metrics;
    this.out = out;
    this.people = people;
    this.json = json;
    this.live = live && !json;
  }

  public static ObjectNode details() {
    return JsonNodeFactory.instance.objectNode();
  }

  /** Tells of something that has happened. */
  public synchronized void event(String event, String sentence, ObjectNode details) {
    metrics.ifPresent(m -> m.event(event));
    if (json) {
      line(event, details);
    } else {
      erase();
      people.println("pollux: " + sentence);
      people.flush();
    }
  }

  private void line(String event, ObjectNode details) {
    Instant now = Instant.now();
    ObjectNode line =
        details().put("event", event).put("time", now.getEpochSecond() + now.getNano() / 1e9);
    line.setAll(details);
    out.println(JsonWriter.write(line, false));
    out.flush();
  }

  /** Tells how it goes, where somebody looks at that. */
  public synchronized void progress(String state, JsonNode primary, JsonNode secondary) {
    metrics.ifPresent(m -> m.progress(primary, secondary));
    if (json) {
      ObjectNode details = details().put("state", state);
      details.set("primary", primary);
      details.set("secondary", secondary);
      line("status", details);
    } else if (live) {
      people.print(ERASE_LINE + describe(state, primary, secondary));
      people.flush();
      drawn = true;
    }
  }

  /** A line that fits 80 columns. */
  static String describe(String state, JsonNode primary, JsonNode secondary) {
    return secondary.isEmpty()
        ? state
        : "%s: %d checkpoints, stops %s / %s ms, lag %d ms"
            .formatted(
                state,
                secondary.path("checkpoints").asLong(),
                stop(primary),
                stop(secondary),
                secondary.path("lag").asLong());
  }

  private static String stop(JsonNode statistics) {
    return "%.1f".formatted(statistics.path("median-stop").asLong() / 1000.0);
  }

  private void erase() {
    if (drawn) {
      people.print(ERASE_LINE);
      drawn = false;
    }
  }
}
