package dev.pollux.cli.pair;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.DeviceOptions;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One network of a pair. The back end that the user has asked for is in this process, which
 * outlives both sides; each side has a connection to it, and the primary's is the one that is used.
 *
 * <p>The deciding thread, apart from frames.
 */
final class PairNetwork implements AutoCloseable {
  private final String id;
  private final Path folder;
  private final ComparedNetwork compared;
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
    this.compared = new ComparedNetwork(id, Places.in(folder));
    world = networks.add(options);
    world.setRunning(true);
    world.link().attachCard(card);
  }

  /** How the two sides are made to say the same. */
  ComparedNetwork compared() {
    return compared;
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
