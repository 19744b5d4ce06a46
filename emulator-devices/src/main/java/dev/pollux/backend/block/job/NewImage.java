package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.HostFile;
import java.io.IOException;
import java.util.Optional;

/** An image to be made ({@code blockdev-create}). */
public sealed interface NewImage {
  /** The node it is written to; empty for none. Event loop. */
  default Optional<BlockNode> node(BlockGraph graph) throws IOException {
    return Optional.empty();
  }

  /**
   * Makes it.
   *
   * @param node what {@link #node} has given
   */
  void create(Optional<BlockNode> node) throws IOException;

  /**
   * A file of the host; one that is there is emptied.
   *
   * @param size bytes
   */
  record File(String name, long size, Preallocation preallocation) implements NewImage {
    @Override
    public void create(Optional<BlockNode> node) throws IOException {
      if (preallocation == Preallocation.METADATA) {
        throw new ConfigException("Unsupported preallocation mode: metadata");
      }
      try (HostFile _ = HostFile.open(name, HostFile.O_RDWR | HostFile.O_CREAT)) {
        // Only to be there: it is emptied under its lock.
      } catch (IOException e) {
        throw new IOException("Could not create '%s': %s".formatted(name, e.getMessage()), e);
      }
      try (FileNode made = FileNode.open(NodeOptions.of("new"), name, Locking.ON)) {
        made.resize(0);
        preallocation.raw(made, size);
      }
    }
  }

  /**
   * An image of that format.
   *
   * @param file what it is written to: a node's name, or its description
   */
  record Qcow2(BlockOptions.Child file, Qcow2Creator creator, Preallocation preallocation)
      implements NewImage {
    private static final int LEAST_BITS = 9;
    private static final int MOST_BITS = 21;
    private static final int USUAL_COUNT_ORDER = 4;
    private static final int MOST_COUNT_ORDER = 6;

    @Override
    public Optional<BlockNode> node(BlockGraph graph) throws IOException {
      return Optional.of(graph.openChild(file));
    }

    @Override
    public void create(Optional<BlockNode> node) throws IOException {
      check();
      BlockNode to = node.orElseThrow();
      if (to.driver().equals("file")) {
        to.resize(0);
      }
      creator.create(to);
      preallocation.qcow2(to);
    }

    private void check() {
      if ((creator.size() & 511) != 0) {
        throw new ConfigException("Image size must be a multiple of 512 bytes");
      }
      if (creator.version() < 3) {
        need(
            !creator.lazyRefcounts(),
            "Lazy refcounts only supported with compatibility level 1.1 and above");
        need(
            creator.refcountOrder() == USUAL_COUNT_ORDER,
            "Different refcount widths than 16 bits require compatibility level 1.1 or above");
        need(
            !creator.zstd(),
            "Non-zlib compression type is only supported with compatibility level 1.1 and above");
      }
      if (creator.clusterBits() < LEAST_BITS || creator.clusterBits() > MOST_BITS) {
        throw new ConfigException("Cluster size must be a power of two between 512 and 2048k");
      }
      if (creator.refcountOrder() < 0 || creator.refcountOrder() > MOST_COUNT_ORDER) {
        throw new ConfigException(
            "Refcount width must be a power of two and may not exceed 64 bits");
      }
      if (creator.backingFile().isEmpty() && !creator.backingFormat().isEmpty()) {
        throw new ConfigException("Backing format cannot be used without backing file");
      }
      if (!creator.backingFile().isEmpty() && preallocation != Preallocation.OFF) {
        throw new ConfigException("Backing file and preallocation cannot be used at the same time");
      }
    }

    private static void need(boolean met, String what) {
      if (!met) {
        throw new ConfigException(what + " (use version=v3 or greater)");
      }
    }
  }
}
