package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.cli.process.Monitor;
import java.io.IOException;
import java.util.List;

/**
 * What makes two sides say the same on a network: they are compared in the primary, as a manager
 * would have it. See the page about pairs.
 */
public final class ComparedNetwork {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final String id;
  private final Places places;

  /**
   * @param id of the back end of either side
   */
  public ComparedNetwork(String id, Places places) {
    this.id = id;
    this.places = places;
  }

  /**
   * Makes ready for a comparison; it begins with {@link #begin}.
   *
   * @param number of the pair, which makes the names of its sockets
   */
  public void prepare(Monitor primary, Monitor secondary, int number) throws IOException {
    server(primary, "mirror", number);
    server(primary, "secondary", number);
    for (String loop : List.of("guest", "released")) {
      server(primary, loop, number);
      client(primary, loop + "-end", loop, number);
    }
    client(secondary, "mirrored", "mirror", number);
    client(secondary, "said", "secondary", number);
    add(secondary, "filter-redirector", "in", "tx", "indev", "mirrored");
    add(secondary, "filter-redirector", "out", "rx", "outdev", "said");
    add(secondary, "filter-rewriter", "rewriter", "all", "", "");

    add(primary, "filter-mirror", "mirror", "tx", "outdev", "mirror");
    add(primary, "filter-redirector", "released", "rx", "indev", "released");
    add(primary, "filter-redirector", "guest", "rx", "outdev", "guest");
    var _ =
        run(primary, "object-add", object().put("qom-type", "iothread").put("id", name("thread")));
    var _ =
        run(
            primary,
            "object-add",
            object()
                .put("qom-type", "colo-compare")
                .put("id", name("compare"))
                .put("primary_in", name("guest-end"))
                .put("secondary_in", name("secondary"))
                .put("outdev", name("released-end"))
                .put("iothread", name("thread")));
  }

  /** Has the primary mirror and compare; its guest stands still. */
  public void begin(Monitor primary) throws IOException {
    var _ = status(primary, "mirror", true);
    var _ = status(primary, "guest", true);
  }

  /** The primary goes on alone: what was held back leaves. */
  public void endOnPrimary(Monitor primary) {
    MachineProcess.attempt(() -> status(primary, "mirror", false));
    MachineProcess.attempt(() -> status(primary, "guest", false));
    for (String object : List.of("mirror", "guest", "compare", "released", "thread")) {
      MachineProcess.attempt(() -> run(primary, "object-del", object().put("id", name(object))));
    }
    for (String device :
        List.of("guest-end", "released-end", "guest", "released", "secondary", "mirror")) {
      MachineProcess.attempt(
          () -> run(primary, "chardev-remove", object().put("id", name(device))));
    }
  }

  /**
   * The secondary goes on alone. Its rewriter stays: connections that were opened before keep their
   * numbers.
   */
  public void endOnSecondary(Monitor survivor) {
    for (String object : List.of("in", "out")) {
      MachineProcess.attempt(() -> run(survivor, "object-del", object().put("id", name(object))));
    }
    for (String device : List.of("mirrored", "said")) {
      MachineProcess.attempt(
          () -> run(survivor, "chardev-remove", object().put("id", name(device))));
    }
  }

  /** Arguments of {@code qom-get} for what the comparison has done. */
  ObjectNode path() {
    return object()
        .put("path", "/objects/" + name("compare"))
        .put("property", "x-pollux-statistics");
  }

  /**
   * How it fares.
   *
   * @param statistics the answer
   */
  PairView.Network view(JsonNode statistics) {
    return PairView.Network.of(id, statistics);
  }

  private String name(String part) {
    return id + "-" + part;
  }

  private static ObjectNode object() {
    return JSON.objectNode();
  }

  private static JsonNode run(Monitor side, String command, ObjectNode arguments)
      throws IOException {
    return side.run(command, arguments);
  }

  private void server(Monitor side, String part, int number) throws IOException {
    chardev(side, part, part, number, true);
  }

  private void client(Monitor side, String part, String of, int number) throws IOException {
    chardev(side, part, of, number, false);
  }

  private void chardev(Monitor side, String part, String of, int number, boolean server)
      throws IOException {
    ObjectNode arguments = object().put("id", name(part));
    ObjectNode data = arguments.putObject("backend").put("type", "socket").putObject("data");
    data.set("addr", places.at("%s.%s%d".formatted(id, of, number), Places.End.PRIMARY).legacy());
    data.put("server", server);
    if (server) {
      data.put("wait", false);
    }
    var _ = run(side, "chardev-add", arguments);
  }

  /** Adds a filter; those of a primary begin switched off, before a rewriter that is there. */
  private void add(Monitor side, String type, String part, String queue, String end, String device)
      throws IOException {
    ObjectNode arguments =
        object().put("qom-type", type).put("id", name(part)).put("netdev", id).put("queue", queue);
    if (!end.isEmpty()) {
      arguments.put(end, name(device));
    }
    if (List.of("mirror", "guest").contains(part)) {
      arguments.put("status", "off");
    }
    if (!type.equals("filter-rewriter") && hasRewriter(side)) {
      arguments.put("insert", "before").put("position", "id=" + name("rewriter"));
    }
    var _ = run(side, "object-add", arguments);
  }

  private boolean hasRewriter(Monitor side) {
    try {
      var _ = run(side, "qom-list", object().put("path", "/objects/" + name("rewriter")));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private JsonNode status(Monitor side, String part, boolean on) throws IOException {
    return run(
        side,
        "qom-set",
        object()
            .put("path", "/objects/" + name(part))
            .put("property", "status")
            .put("value", on ? "on" : "off"));
  }
}
