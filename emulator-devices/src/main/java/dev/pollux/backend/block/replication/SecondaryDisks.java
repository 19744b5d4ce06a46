package dev.pollux.backend.block.replication;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.job.BlockJobs;
import dev.pollux.backend.block.job.CopyBeforeWrite;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.function.Consumer;

/**
 * The disks below the secondary's replication node. The primary writes to the disk; what that
 * overwrites is kept in the hidden one. The secondary's guest writes to the active one and reads
 * active, hidden and disk, in this order: the primary's disk of the last checkpoint, and what it
 * has written itself. A checkpoint empties active and hidden. When the secondary takes over both
 * are merged into the disk, so that what the primary has written since is undone.
 *
 * <p>Until then nobody needs what is in active and hidden after a failure of the host, so that
 * flushes of them are ignored. From then on, until the merge has ended, whoever finds the three
 * after a failure has to merge them; so both are flushed and marked before it begins, and emptied
 * before the first write that goes to the disk alone.
 */
final class SecondaryDisks {
  private static final int LEAST_PIECE_BITS = 16;

  private final BlockGraph graph;
  private final ReplicationNode node;
  private final Qcow2Image active;
  private final Qcow2Image hidden;
  private final BlockNode disk;
  private final CopyBeforeWrite keep;

  /**
   * Finds the disks.
   *
   * @throws ConfigException if they are not as they have to be
   */
  SecondaryDisks(BlockGraph graph, ReplicationNode node) {
    this.graph = graph;
    this.node = node;
    this.active = image(node.file(), "Active");
    this.hidden = image(active.backing(), "Hidden");
    this.disk = hidden.backing();
    check();
    int bits =
        Math.max(LEAST_PIECE_BITS, Math.max(pieceBits(hidden), BlockJobs.usualPieceBits(disk)));
    this.keep = new CopyBeforeWrite(disk, hidden, bits, node::awaitRequests);
  }

  private static int pieceBits(Qcow2Image image) {
    return Integer.numberOfTrailingZeros(image.clusterSize());
  }

  private static Qcow2Image image(BlockNode node, String which) {
    if (!(node instanceof Qcow2Image image)) {
      throw new ConfigException(
          which + " disk is no qcow2 image, or is missing; only those can be emptied");
    }
    if (image.backing() == null) {
      throw new ConfigException(which + " disk doesn't have backing file");
    }
    return image;
  }

  private void check() {
    if (active.length() != hidden.length() || hidden.length() != disk.length()) {
      throw new ConfigException(
          "Active disk, hidden disk, secondary disk's length are not the same");
    }
    if (graph.backends().stream().noneMatch(b -> b.root().filter(disk::equals).isPresent())) {
      throw new ConfigException("Secondary disk doesn't have block backend");
    }
    if (graph
        .find(node.topId())
        .filter(top -> isAbove(top) && graph.parents(top).isEmpty())
        .isEmpty()) {
      throw new ConfigException("No top_bs or it is invalid");
    }
  }

  private boolean isAbove(BlockNode top) {
    return top.equals(node) || top.children().stream().anyMatch(child -> isAbove(child.node()));
  }

  /** From here on the primary's writes can be undone. Event loop. */
  void start() throws IOException {
    graph.makeWritable(active);
    graph.makeWritable(hidden);
    graph.makeWritable(disk);
    ignoreFlushes(true);
    graph.drained(
        () -> {
          disk.addObserver(keep);
          empty();
        });
  }

  private void ignoreFlushes(boolean ignore) throws IOException {
    for (Qcow2Image image : new Qcow2Image[] {active, hidden}) {
      BlockNode file = image.child("file");
      CacheMode cache = file.options().cache();
      file.reopen(
          file.options().withCache(new CacheMode(cache.writeback(), cache.direct(), ignore)));
    }
  }

  /** The disk is what the primary has; the guest of this side stands still. */
  void checkpoint() throws IOException {
    graph.drained(this::empty);
  }

  private void empty() throws IOException {
    keep.begin();
    active.makeEmpty();
    hidden.makeEmpty();
  }

  /** The disk belongs to this side's guest as it sees it. The primary's writes are not kept. */
  void stop() throws IOException {
    graph.exports().protect(disk);
    graph.drained(() -> disk.removeObserver(keep));
    ignoreFlushes(false);
  }

  /**
   * As {@link #stop}, and what is in active and hidden outlives this process and the host's power.
   * After that both name what they stand on: an active disk that does has taken over.
   *
   * @throws IOException if they cannot be written; the merge must not begin
   */
  void takeOver() throws IOException {
    stop();
    hidden.changeBackingFile(disk.fileName(), disk.driver());
    active.changeBackingFile(hidden.fileName(), hidden.driver());
  }

  /**
   * Merges the disks into one while the guest goes on.
   *
   * @param end is told how it went: null, or what has failed
   */
  void merge(Consumer<String> end) throws IOException {
    BlockJobs.merge(graph.jobs(), active, disk, this::emptyForGood, end);
  }

  /** The disk has everything; hidden first, since active hides what is old there. */
  private void emptyForGood() throws IOException {
    hidden.makeEmpty();
    active.makeEmpty();
  }
}
