package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.LiveTable;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.pair.watch.PairWatcher;
import dev.pollux.qmp.protocol.JsonWriter;
import java.io.PrintStream;
import java.time.Instant;
import java.util.List;

/**
 * What a pair tells: sentences for people on standard error, or a JSON object a line for programs
 * on standard output. On a terminal that shows no console a table below says how both sides are
 * now. Any thread.
 */
public final class PairReport implements AutoCloseable {
  private final PrintStream out;
  private final PrintStream people;
  private final boolean json;
  private final boolean live;
  private final List<PairWatcher> watchers;

  /** Lines of the table that is on the screen. */
  private int drawn;

  /**
   * @param live a table on {@code people} may be drawn again and again
   * @param watchers are told, too
   */
  public PairReport(
      PrintStream out, PrintStream people, boolean json, boolean live, List<PairWatcher> watchers) {
    this.watchers = List.copyOf(watchers);
    this.out = out;
    this.people = people;
    this.json = json;
    this.live = live && !json;
  }

  /** As the constructor, on this process's output; who reads that may stop reading. */
  public static PairReport ofProcess(boolean json, boolean live, List<PairWatcher> watchers) {
    return new PairReport(
        Outlet.lines("events", System.out, true),
        Outlet.lines("sentences", System.err, false),
        json,
        live,
        watchers);
  }

  public static ObjectNode details() {
    return JsonNodeFactory.instance.objectNode();
  }

  /** Tells of something that has happened. */
  public synchronized void event(String event, String sentence, ObjectNode details) {
    watchers.forEach(watcher -> watcher.event(event, sentence, details));
    if (json) {
      line(event, details);
      return;
    }
    erase(); // until the next look: what it said may be over
    people.println("pollux: " + sentence);
    people.flush();
  }

  private void erase() {
    people.print(LiveTable.erase(drawn));
    drawn = 0;
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
  public synchronized void progress(PairView view) {
    watchers.forEach(watcher -> watcher.progress(view));
    if (json) {
      line("status", view.json());
    } else if (live) {
      List<String> lines = LiveTable.lines(view);
      people.print(LiveTable.draw(drawn, lines));
      people.flush();
      drawn = lines.size();
    }
  }

  /** Waits a moment for who reads it, and ends the watchers. */
  @Override
  public synchronized void close() {
    erase();
    out.close();
    people.close();
    watchers.forEach(PairWatcher::close);
  }
}
