package dev.pollux.backend.block.graph;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;
import java.io.IOException;

/** Makes nodes of one kind. */
@FunctionalInterface
public interface BlockDriver {
  /**
   * Opens a node, its children first.
   *
   * @param common what every node can be told, read from the options already
   * @param options the rest; the driver complains about what it does not know
   * @throws IOException if a file cannot be opened or makes no sense
   */
  BlockNode open(NodeOptions common, BlockOptions options, BlockGraph graph) throws IOException;
}
