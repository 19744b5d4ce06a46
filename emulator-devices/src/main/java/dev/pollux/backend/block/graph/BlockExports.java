package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.nbd.NbdAddress;
import dev.pollux.backend.block.nbd.NbdExport;
import dev.pollux.backend.block.nbd.NbdServer;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * The nodes that a machine's NBD server offers, by their ids. Guarded by the machine lock; the
 * server's own threads look only at what it offers.
 */
public final class BlockExports {
  private static final Pattern ID = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");

  /** The most connections at a time where nothing is said. */
  public static final int MOST_CONNECTIONS = 100;

  private final BlockGraph graph;

  /** By id. The server's threads read it. */
  private final Map<String, NbdExport> exports = new ConcurrentHashMap<>();

  private NbdServer server;

  BlockExports(BlockGraph graph) {
    this.graph = graph;
  }

  /** What the server's clients see. */
  private final class Directory implements NbdServer.Directory {
    @Override
    public Optional<NbdExport> find(String name) {
      return exports.values().stream().filter(each -> each.name().equals(name)).findFirst();
    }

    @Override
    public Collection<NbdExport> all() {
      return exports.values();
    }
  }

  /** Starts the server ({@code nbd-server-start}). */
  public void startServer(NbdAddress address, int mostConnections) {
    if (server != null) {
      throw new ConfigException("NBD server already running");
    }
    try {
      server = NbdServer.start(address, new Directory(), mostConnections);
    } catch (IOException e) {
      throw new ConfigException(
          "Failed to bind socket to %s: %s".formatted(address, e.getMessage()), e);
    }
  }

  /** The server's TCP port, where one runs. */
  public Optional<Integer> port() throws IOException {
    return server == null ? Optional.empty() : Optional.of(server.port());
  }

  /** Stops the server and removes its exports ({@code nbd-server-stop}). */
  public void stopServer() {
    if (server == null) {
      throw new ConfigException("NBD server not running");
    }
    server.close();
    server = null;
    List.copyOf(exports.keySet()).forEach(this::remove);
  }

  /** An export and its id. */
  public record Entry(String id, NbdExport export) {}

  /** All exports. */
  public List<Entry> all() {
    List<Entry> list = new ArrayList<>();
    exports.forEach((id, export) -> list.add(new Entry(id, export)));
    return list;
  }

  /**
   * Offers a node.
   *
   * @param node a node's or a backend's name
   * @param name by which clients ask for it
   * @param description for people; may be empty
   */
  public void add(String id, String node, String name, String description, boolean writable)
      throws IOException {
    if (!ID.matcher(id).matches()) {
      throw new ConfigException("Invalid block export id");
    }
    if (exports.containsKey(id)) {
      throw new ConfigException("Block export id '%s' is already in use".formatted(id));
    }
    BlockNode exported = graph.require(node);
    if (server == null) {
      throw new ConfigException("NBD server not running");
    }
    if (exports.values().stream().anyMatch(each -> each.name().equals(name))) {
      throw new ConfigException("NBD server already has export named '%s'".formatted(name));
    }
    if (writable && exported.readOnly()) {
      throw new ConfigException("Cannot export read-only node as writable");
    }
    graph.activateEarly(exported);
    BlockBackend backend = graph.addBackend("", exported);
    exports.put(id, new NbdExport(name, description, backend, writable));
  }

  /** Cuts off an export's clients and forgets it. */
  public void remove(String id) {
    NbdExport export = require(id);
    exports.remove(id);
    export.close();
    graph.removeBackend(export.backend());
    graph.listener().exportDeleted(id);
  }

  /** From now on clients may only read a node; those that are there are cut off. */
  public void protect(BlockNode node) {
    exports.replaceAll(
        (_, export) ->
            export.node().equals(node) && export.writable() ? export.readOnlyCopy() : export);
  }

  /** Whether clients use an export. */
  public boolean isInUse(String id) {
    return !require(id).sessions().isEmpty();
  }

  private NbdExport require(String id) {
    NbdExport export = exports.get(id);
    if (export == null) {
      throw new ConfigException("Export '%s' is not found".formatted(id));
    }
    return export;
  }

  void close() {
    if (server != null) {
      stopServer();
    }
  }
}
