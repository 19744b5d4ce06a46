package dev.pollux.backend.block.replication;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.nbd.NbdNode;
import dev.pollux.backend.block.node.QuorumNode;
import dev.pollux.backend.block.replication.ReplicationNode.Mode;
import dev.pollux.backend.block.replication.ReplicationNode.Stage;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All disks of a pair on one side. Event loop, machine lock held, but where something else is said.
 */
public final class Replication {
  private final BlockGraph graph;
  private final Map<ReplicationNode, SecondaryDisks> secondaries = new HashMap<>();

  /** Connections to the other side's disks. Any thread reads it. */
  private volatile List<NbdNode> remote = List.of();

  /** What writes to both sides' disks. Any thread reads it. */
  private volatile List<QuorumNode> copying = List.of();

  /** Those disks on the primary. Any thread reads it. */
  private volatile List<BlockBackend> disks = List.of();

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
    disks = disks();
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

  private List<QuorumNode> quorums() {
    return graph.nodes().stream()
        .filter(QuorumNode.class::isInstance)
        .map(QuorumNode.class::cast)
        .filter(quorum -> remote.stream().anyMatch(copy -> isAbove(quorum, copy)))
        .toList();
  }

  private static boolean isAbove(BlockNode node, BlockNode copy) {
    return node.equals(copy) || node.children().stream().anyMatch(c -> isAbove(c.node(), copy));
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

  /** Disks of the guest with a copy elsewhere. */
  private List<BlockBackend> disks() {
    return graph.backends().stream()
        .filter(disk -> disk.root().filter(this::hasCopy).isPresent())
        .toList();
  }

  private boolean hasCopy(BlockNode node) {
    return remote.stream().anyMatch(copy -> isAbove(node, copy));
  }

  // ---- the primary ----

  /**
   * The guest is about to stand still, for which its requests have to end: most do so while it
   * still runs. Without the machine lock.
   *
   * @param millis so long at most
   */
  public void ebb(long millis) throws InterruptedException {
    disks.forEach(BlockBackend::beginEbb);
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    for (BlockBackend disk : disks) {
      disk.awaitEbb(TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime()));
    }
  }

  /** Its requests are taken up again. Any thread. */
  public void flow() {
    disks.forEach(BlockBackend::endEbb);
  }

  /**
   * The guest stands still and its state was taken: what it writes from now on reaches the other
   * side's disks only after {@link #letGo}.
   */
  public void hold() {
    remote = copies();
    copying = quorums();
    disks.forEach(BlockBackend::endEbb);
    disks = disks();
    remote.forEach(NbdNode::hold);
  }

  /**
   * Whether all copies have what the guest was told is written, as of {@link #hold}. What one has
   * missed is hidden from the guest by the node above, not from who goes on with that copy. Any
   * thread.
   *
   * @throws IOException saying what is missing where
   */
  public void check() throws IOException {
    for (QuorumNode quorum : copying) {
      if (!quorum.missed().isEmpty()) {
        throw new IOException("the disks are not alike: " + quorum.missed());
      }
    }
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
    Map<ReplicationNode, SecondaryDisks> own = new LinkedHashMap<>();
    for (ReplicationNode node : nodes()) {
      if (node.stage() == Stage.RUNNING) {
        stop(node, failover, own);
      }
    }
    boolean marked =
        own.entrySet().stream().map(Replication::takeOver).reduce(true, (a, b) -> a && b);
    for (Map.Entry<ReplicationNode, SecondaryDisks> each : own.entrySet()) {
      if (marked) {
        each.getValue().merge(failure -> merged(each.getKey(), failure));
      } else {
        merged(each.getKey(), "not merged");
      }
    }
  }

  private void stop(
      ReplicationNode node, boolean failover, Map<ReplicationNode, SecondaryDisks> own)
      throws IOException {
    SecondaryDisks disks = secondaries.remove(node);
    if (disks == null) {
      node.become(Stage.DONE);
    } else if (failover) {
      own.put(node, disks);
    } else {
      disks.checkpoint();
      disks.stop();
      node.become(Stage.DONE);
    }
  }

  /** Whether that has been written; all disks come before the first merge. */
  private static boolean takeOver(Map.Entry<ReplicationNode, SecondaryDisks> each) {
    each.getKey().become(Stage.FAILOVER);
    try {
      each.getValue().takeOver();
      return true;
    } catch (IOException | ConfigException e) {
      log().error("disk {}: {}", each.getKey().name(), e.getMessage());
      return false;
    }
  }

  /** Got when there is something to say, as {@link BlockGraph}'s. */
  private static Logger log() {
    return LoggerFactory.getLogger(Replication.class);
  }

  private static void merged(ReplicationNode node, String failure) {
    if (failure == null) {
      node.become(Stage.DONE);
      log().info("disk {}: merged; it is this side's own", node.name());
    } else {
      node.become(Stage.FAILOVER_FAILED);
      log()
          .error(
              "disk {}: {}; the guest goes on with the active and the hidden disk, keep them",
              node.name(),
              failure);
    }
  }
}
