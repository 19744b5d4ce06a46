package dev.pollux.backend.block.replication;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.nbd.NbdNode;
import dev.pollux.backend.block.node.QuorumNode;
import dev.pollux.backend.block.replication.ReplicationNode.Mode;
import dev.pollux.backend.block.replication.ReplicationNode.Stage;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All disks of a pair on one side. Event loop, machine lock held, but where something else is said.
 */
public final class Replication {
  private static final Logger log = LoggerFactory.getLogger(Replication.class);

  private final BlockGraph graph;
  private final Map<ReplicationNode, SecondaryDisks> secondaries = new HashMap<>();

  /** Connections to the other side's disks. Any thread reads it. */
  private volatile List<NbdNode> remote = List.of();

  public Replication(BlockGraph graph) {
    this.graph = graph;
  }

  private List<ReplicationNode> nodes() {
    return graph.nodes().stream()
        .filter(ReplicationNode.class::isInstance)
        .map(ReplicationNode.class::cast)
        .toList();
  }

  /**
   * Begins, on all disks that are replicated. A disk that was a secondary's once and belongs to
   * this side now is none of them any more.
   *
   * @throws ConfigException if a disk is not described as it has to be
   */
  public void start(Mode mode) throws IOException {
    graph.activate();
    for (ReplicationNode node : nodes()) {
      switch (node.stage()) {
        case DONE, FAILOVER, FAILOVER_FAILED -> {}
        case RUNNING -> throw new ConfigException("Block replication is running or done");
        case NONE -> start(node, mode);
      }
    }
    remote = mode == Mode.PRIMARY ? copies() : List.of();
  }

  private void start(ReplicationNode node, Mode mode) throws IOException {
    if (node.mode() != mode) {
      throw new ConfigException(
          "node %s replicates as %s, and this side is the %s"
              .formatted(node.name(), word(node.mode()), word(mode)));
    }
    if (mode == Mode.SECONDARY) {
      SecondaryDisks disks = new SecondaryDisks(graph, node);
      disks.start();
      secondaries.put(node, disks);
    }
    node.become(Stage.RUNNING);
  }

  private static String word(Mode mode) {
    return mode.name().toLowerCase(java.util.Locale.ROOT);
  }

  /** Connections below nodes that keep copies elsewhere. */
  private List<NbdNode> copies() {
    return graph.nodes().stream()
        .filter(NbdNode.class::isInstance)
        .map(NbdNode.class::cast)
        .filter(this::isCopy)
        .toList();
  }

  private boolean isCopy(BlockNode node) {
    return graph.nodes().stream()
        .filter(parent -> parent.children().stream().anyMatch(c -> c.node().equals(node)))
        .anyMatch(
            parent ->
                parent instanceof QuorumNode
                    || parent instanceof ReplicationNode
                    || isCopy(parent));
  }

  // ---- the primary ----

  /**
   * The guest stands still and its state was taken: what it writes from now on reaches the other
   * side's disks only after {@link #letGo}.
   */
  public void hold() {
    remote = copies();
    remote.forEach(NbdNode::hold);
  }

  /** The other side has the state that was taken. Any thread. */
  public void letGo() {
    remote.forEach(NbdNode::letGo);
  }

  /** There is no pair any more: the copies elsewhere are of no use. Any thread. */
  public void abandon() {
    remote.forEach(NbdNode::abandon);
  }

  // ---- the secondary ----

  /**
   * The disks are what the primary's were when the state that is put in place was taken. The guest
   * stands still.
   */
  public void checkpoint() throws IOException {
    for (SecondaryDisks disks : secondaries.values()) {
      disks.checkpoint();
    }
  }

  /** What has gone wrong; empty for nothing. */
  public Optional<String> error() {
    for (ReplicationNode node : nodes()) {
      if (node.stage() == Stage.NONE) {
        return Optional.of("Block replication is not running");
      }
      if (node.error() != null) {
        return Optional.of("I/O error occurred");
      }
    }
    return Optional.empty();
  }

  /**
   * Ends.
   *
   * @param failover this side goes on: as its guest sees them the disks are its own
   */
  public void stop(boolean failover) throws IOException {
    for (ReplicationNode node : nodes()) {
      if (node.stage() == Stage.RUNNING) {
        stop(node, failover);
      }
    }
  }

  private void stop(ReplicationNode node, boolean failover) throws IOException {
    SecondaryDisks disks = secondaries.remove(node);
    if (disks == null) {
      node.become(Stage.DONE);
      return;
    }
    if (!failover) {
      disks.checkpoint();
      disks.stop();
      node.become(Stage.DONE);
      return;
    }
    disks.stop();
    node.become(Stage.FAILOVER);
    disks.merge(failure -> merged(node, failure));
  }

  private static void merged(ReplicationNode node, String failure) {
    if (failure == null) {
      node.become(Stage.DONE);
      log.info("disk {}: merged; it is this side's own", node.name());
    } else {
      node.become(Stage.FAILOVER_FAILED);
      log.error(
          "disk {}: {}; the guest goes on with the active and the hidden disk, keep them",
          node.name(),
          failure);
    }
  }
}
