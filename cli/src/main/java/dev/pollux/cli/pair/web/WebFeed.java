package dev.pollux.cli.pair.web;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.pair.watch.PairWatcher;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What pages are told, as server-sent events (HTML standard, section 9.2): {@code view} once a
 * second, {@code happened}, {@code primary} and {@code secondary} with what the consoles have
 * printed, in base64, and {@code switched} when they have changed their places. Whoever comes later
 * gets a summary first. All of it is bounded; of a console that prints too fast the middle is left
 * out. Any thread.
 */
final class WebFeed implements PairWatcher {
  private static final int CONSOLE_BYTES = 64 * 1024;
  private static final int MOST_EVENTS = 200;

  /** Five minutes. */
  private static final int MOST_SAMPLES = 300;

  private final Clock clock;

  // All below: guarded by this. Of each: what a new page gets, and what others have not got yet.
  private final Tail primary = new Tail(CONSOLE_BYTES);
  private final Tail primaryNews = new Tail(CONSOLE_BYTES);
  private final Tail secondary = new Tail(CONSOLE_BYTES);
  private final Tail secondaryNews = new Tail(CONSOLE_BYTES);
  private final Deque<ObjectNode> events = new ArrayDeque<>();
  private final Deque<ObjectNode> eventNews = new ArrayDeque<>();
  private final Deque<ObjectNode> samples = new ArrayDeque<>();
  private Optional<ObjectNode> view = Optional.empty();
  private boolean viewIsNew;
  private boolean switched;

  /** Checkpoints by their causes when they were seen last. */
  private Map<String, Long> counted = new HashMap<>();

  WebFeed(Clock clock) {
    this.clock = clock;
  }

  @Override
  public synchronized void event(String event, String sentence, ObjectNode details) {
    ObjectNode happened = object().put("event", event).put("sentence", sentence);
    happened.put("time", clock.millis());
    keep(events, happened, MOST_EVENTS);
    keep(eventNews, happened, MOST_EVENTS);
  }

  @Override
  public synchronized void progress(PairView now) {
    ObjectNode sample = object().put("time", clock.millis()).put("state", now.state());
    sample.put("lag", now.secondary().path("lag").asLong());
    sample.set("causes", newCheckpoints(now.primary().path("causes")));
    keep(samples, sample, MOST_SAMPLES);
    ObjectNode message = now.json();
    message.set("sample", sample);
    view = Optional.of(message);
    viewIsNew = true;
  }

  /** How many there were since the last look; a new pair begins to count at 0. */
  private ObjectNode newCheckpoints(JsonNode causes) {
    ObjectNode fresh = object();
    Map<String, Long> before = counted;
    counted = new HashMap<>();
    for (JsonNode entry : causes) {
      String cause = entry.path("cause").asText();
      long count = entry.path("checkpoints").asLong();
      counted.put(cause, count);
      long old = before.getOrDefault(cause, 0L);
      if (count != old) {
        fresh.put(cause, count < old ? count : count - old);
      }
    }
    return fresh;
  }

  @Override
  public synchronized void printed(boolean byPrimary, byte[] bytes, int length) {
    (byPrimary ? primary : secondary).add(bytes, length);
    (byPrimary ? primaryNews : secondaryNews).add(bytes, length);
  }

  @Override
  public synchronized void switched() {
    var _ = secondary.take();
    var _ = secondaryNews.take();
    switched = true;
  }

  private static void keep(Deque<ObjectNode> in, ObjectNode what, int most) {
    if (in.size() == most) {
      in.removeFirst();
    }
    in.addLast(what);
  }

  /** What all pages are to be told now. */
  synchronized List<String> news() {
    List<String> messages = new ArrayList<>();
    if (switched) {
      messages.add(message("switched", object().toString()));
    }
    eventNews.forEach(event -> messages.add(message("happened", event.toString())));
    addConsole(messages, "primary", primaryNews.take());
    addConsole(messages, "secondary", secondaryNews.take());
    if (viewIsNew) {
      view.ifPresent(now -> messages.add(message("view", now.toString())));
    }
    switched = false;
    viewIsNew = false;
    eventNews.clear();
    return messages;
  }

  /** What a new page is told first; what has not been handed out as news yet will come again. */
  synchronized List<String> summary() {
    List<String> messages = new ArrayList<>();
    messages.add(message("history", array(samples).toString()));
    events.forEach(event -> messages.add(message("happened", event.toString())));
    addConsole(messages, "primary", primary.bytes());
    addConsole(messages, "secondary", secondary.bytes());
    view.ifPresent(now -> messages.add(message("view", now.toString())));
    return messages;
  }

  private static void addConsole(List<String> to, String name, byte[] bytes) {
    if (bytes.length > 0) {
      to.add(message(name, "\"" + Base64.getEncoder().encodeToString(bytes) + "\""));
    }
  }

  private static ArrayNode array(Collection<ObjectNode> nodes) {
    return JsonNodeFactory.instance.arrayNode().addAll(nodes);
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  /**
   * @param json in one line, as Jackson writes it
   */
  private static String message(String name, String json) {
    return "event: %s\ndata: %s\n\n".formatted(name, json);
  }
}
