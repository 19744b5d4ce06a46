package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.NodeOptions;

/** A disk that is no faster than its group may be ({@code throttle}). */
public final class ThrottleNode extends FilterNode {
  private final ThrottleGroup group;

  public ThrottleNode(NodeOptions options, BlockNode file, ThrottleGroup group) {
    super(options, "file", file);
    this.group = group;
  }

  public boolean isIn(ThrottleGroup other) {
    return group.equals(other);
  }

  @Override
  public String driver() {
    return "throttle";
  }

  @Override
  public boolean waits() {
    return true;
  }

  @Override
  void before(Request request, long offset, long length) {
    if (request != Request.FLUSH) {
      group.await(request != Request.READ, length);
    }
  }
}
