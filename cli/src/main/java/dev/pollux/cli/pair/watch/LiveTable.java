package dev.pollux.cli.pair.watch;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** A pair as a table of a few lines, for a terminal. */
public final class LiveTable {
  /** Of networks, disks, causes; what is beyond is counted. */
  private static final int MOST_ROWS = 4;

  private static final double MICROS_PER_MILLI = 1000;
  private static final double MEBIBYTE = 1 << 20;

  private LiveTable() {}

  /** The lines of the table. */
  public static List<String> lines(PairView view) {
    List<String> lines = new ArrayList<>();
    row(lines, "state", view.state() + sides(view));
    if (!view.primary().isEmpty()) {
      JsonNode statistics = view.primary();
      row(
          lines,
          "checkpoints",
          statistics.path("checkpoints").asLong() + causes(statistics.path("causes")));
      row(
          lines,
          "sent",
          "%.1f MiB, %d pages"
              .formatted(
                  statistics.path("bytes").asLong() / MEBIBYTE, statistics.path("pages").asLong()));
      row(lines, "stops", "primary " + stops(statistics));
    }
    if (!view.secondary().isEmpty()) {
      row(lines, view.primary().isEmpty() ? "stops" : "", "copy    " + stops(view.secondary()));
      row(lines, "lag", view.secondary().path("lag").asLong() + " ms");
    }
    rows(lines, "network", view.networks().stream().map(LiveTable::network).toList());
    rows(lines, "disk", view.disks().stream().map(LiveTable::disk).toList());
    return lines;
  }

  private static void row(List<String> lines, String title, String text) {
    lines.add("%-12s%s".formatted(title, text).stripTrailing());
  }

  private static void rows(List<String> lines, String title, List<String> texts) {
    texts.stream().limit(MOST_ROWS).forEach(text -> row(lines, title, text));
    if (texts.size() > MOST_ROWS) {
      row(lines, "", "and %d more".formatted(texts.size() - MOST_ROWS));
    }
  }

  private static String sides(PairView view) {
    return (view.runs().isEmpty() ? "" : ": %s runs the guest".formatted(view.runs()))
        + (view.copy().isEmpty()
            ? ""
            : view.secondary().isEmpty()
                ? ", %s is being made its copy".formatted(view.copy())
                : ", %s would go on".formatted(view.copy()));
  }

  private static String causes(JsonNode causes) {
    List<JsonNode> all =
        StreamSupport.stream(causes.spliterator(), false)
            .filter(cause -> cause.path("checkpoints").asLong() > 0)
            .sorted(
                Comparator.comparingLong((JsonNode cause) -> cause.path("checkpoints").asLong())
                    .reversed())
            .toList();
    if (all.isEmpty()) {
      return "";
    }
    return all.stream()
        .limit(MOST_ROWS)
        .map(
            cause ->
                "%s %d".formatted(cause.path("cause").asText(), cause.path("checkpoints").asLong()))
        .collect(Collectors.joining(", ", ": ", all.size() > MOST_ROWS ? " ..." : ""));
  }

  private static String stops(JsonNode statistics) {
    return "%.1f ms, 99 %% below %.1f ms, longest %.1f ms"
        .formatted(
            statistics.path("median-stop").asLong() / MICROS_PER_MILLI,
            statistics.path("percentile99-stop").asLong() / MICROS_PER_MILLI,
            statistics.path("longest-stop").asLong() / MICROS_PER_MILLI);
  }

  private static String network(PairView.Network network) {
    return "%s: %d packets alike, %d with a checkpoint, %d held, %d dropped"
        .formatted(
            network.id(),
            network.alike(),
            network.byCheckpoint(),
            network.held(),
            network.dropped());
  }

  private static String disk(PairView.Disk disk) {
    if (disk.inSync()) {
      return disk.id() + ": in sync";
    }
    return disk.length() == 0
        ? disk.id() + ": no copy"
        : "%s: %d %% copied, %.0f of %.0f MiB"
            .formatted(
                disk.id(),
                100 * disk.done() / disk.length(),
                disk.done() / MEBIBYTE,
                disk.length() / MEBIBYTE);
  }

  /** In one line: a window's title. */
  public static String title(PairView view) {
    return view.secondary().isEmpty()
        ? "pollux: " + view.state()
        : "pollux: %s, %d checkpoints, lag %d ms"
            .formatted(
                view.state(),
                view.secondary().path("checkpoints").asLong(),
                view.secondary().path("lag").asLong());
  }

  /**
   * What a terminal is sent to see the lines in place of those that it showed before, the cursor
   * below them. What is too long for it is cut off by the terminal itself.
   *
   * @param before lines that were drawn last, 0 for none
   */
  public static String draw(int before, List<String> lines) {
    return erase(before) + "\033[?7l" + String.join("\n", lines) + "\n\033[?7h";
  }

  /** Takes so many lines away again. */
  public static String erase(int lines) {
    return lines == 0 ? "" : "\r\033[%dA\033[J".formatted(lines);
  }
}
