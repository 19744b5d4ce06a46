package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.net.Offloads;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One network of a pair. The back end that the user has asked for is in this process, which
 * outlives both sides; each side has a connection to it, and the primary's is the one that is used.
 * What the two say is compared in the primary, as a manager would have it: see the page about
 * pairs.
 *
 * <p>The deciding thread, apart from frames.
 */
final class PairNetwork implements AutoCloseable {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final String id;
  private final Path folder;
  private final Networks networks = new Networks();
  private final NetBackend world;
  private final World card = new World();
  private final Map<String, SideEnd> sides = new LinkedHashMap<>();

  /** The primary's connection; frames of others go nowhere. Null before the first. */
  private volatile SideEnd active;

  /**
   * @param options of the back end, as {@code -netdev} takes them
   * @param folder for sockets
   */
  PairNetwork(DeviceOptions options, Path folder) {
    this.id = options.required("id");
    this.folder = folder;
    world = networks.add(options);
    world.setRunning(true);
    world.link().attachCard(card);
  }

  private Path socket(String name) {
    return folder.resolve(id + "." + name);
  }

  /**
   * Expects a side.
   *
   * @return its {@code -netdev}
   */
  String expect(String side) {
    Map<String, String> server = new LinkedHashMap<>();
    server.put("type", "stream");
    server.put("id", "side-" + side);
    server.put("server", "on");
    server.put("addr.type", "unix");
    server.put("addr.path", socket(side).toString());
    NetBackend connection = networks.add(DeviceOptions.of("network of a pair", server));
    connection.setRunning(true);
    SideEnd end = new SideEnd(connection);
    connection.link().attachCard(end);
    sides.put(side, end);
    return "stream,id=%s,server=off,addr.type=unix,addr.path=%s".formatted(id, socket(side));
  }

  /** From now on this side is the one that the world hears. */
  void follow(String side) {
    active = sides.get(side);
    world.link().ready(card); // what waited for another side
  }

  /** A side is gone for good. */
  void forget(String side) {
    if (sides.remove(side) != null) {
      networks.remove("side-" + side);
    }
  }

  // ---- what makes two sides say the same ----

  /**
   * Makes ready for a comparison; it begins with {@link #begin}.
   *
   * @param number of the pair, which makes the names of its sockets
   */
  void prepare(MachineProcess primary, MachineProcess secondary, int number) throws IOException {
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
  void begin(MachineProcess primary) throws IOException {
    var _ = status(primary, "mirror", true);
    var _ = status(primary, "guest", true);
  }

  /** The primary goes on alone: what was held back leaves. */
  void endOnPrimary(MachineProcess primary) {
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
  void endOnSecondary(MachineProcess survivor) {
    for (String object : List.of("in", "out")) {
      MachineProcess.attempt(() -> run(survivor, "object-del", object().put("id", name(object))));
    }
    for (String device : List.of("mirrored", "said")) {
      MachineProcess.attempt(
          () -> run(survivor, "chardev-remove", object().put("id", name(device))));
    }
  }

  private String name(String part) {
    return id + "-" + part;
  }

  private static ObjectNode object() {
    return JSON.objectNode();
  }

  private static JsonNode run(MachineProcess side, String command, ObjectNode arguments)
      throws IOException {
    return side.run(command, arguments);
  }

  private void server(MachineProcess side, String part, int number) throws IOException {
    chardev(side, part, part, number, true);
  }

  private void client(MachineProcess side, String part, String of, int number) throws IOException {
    chardev(side, part, of, number, false);
  }

  private void chardev(MachineProcess side, String part, String of, int number, boolean server)
      throws IOException {
    ObjectNode arguments = object().put("id", name(part));
    ObjectNode data = arguments.putObject("backend").put("type", "socket").putObject("data");
    data.putObject("addr")
        .put("type", "unix")
        .putObject("data")
        .put("path", socket(of + number).toString());
    data.put("server", server);
    if (server) {
      data.put("wait", false);
    }
    var _ = run(side, "chardev-add", arguments);
  }

  /** Adds a filter; those of a primary begin switched off, before a rewriter that is there. */
  private void add(
      MachineProcess side, String type, String part, String queue, String end, String device)
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

  private boolean hasRewriter(MachineProcess side) {
    try {
      var _ = run(side, "qom-list", object().put("path", "/objects/" + name("rewriter")));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private JsonNode status(MachineProcess side, String part, boolean on) throws IOException {
    return run(
        side,
        "qom-set",
        object()
            .put("path", "/objects/" + name(part))
            .put("property", "status")
            .put("value", on ? "on" : "off"));
  }

  // ---- frames ----

  /** The card that the world sees. */
  private final class World implements NetEnd {
    @Override
    public int take(Frame[] frames, int count) {
      SideEnd to = active;
      return to == null ? count : to.link.fromCard(frames, count);
    }

    @Override
    public void resume() {
      SideEnd from = active;
      if (from != null) {
        from.link.ready(from);
      }
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  /** What a side's connection is plugged into. */
  private final class SideEnd implements NetEnd {
    private final NetLink link;

    SideEnd(NetBackend connection) {
      link = connection.link();
    }

    @Override
    public int take(Frame[] frames, int count) {
      return equals(active) ? world.link().fromCard(frames, count) : count;
    }

    @Override
    public void resume() {
      if (equals(active)) {
        world.link().ready(card);
      }
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  @Override
  public void close() {
    networks.close();
  }
}
