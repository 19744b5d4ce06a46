package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;

/** {@code filter-drop}: nothing passes in its direction. */
public final class DropFilter extends LinkFilter {
  public DropFilter(String id, NetLink link, Direction direction, boolean on) {
    super(id, link, direction, on);
  }

  @Override
  public boolean takesUnfinished() {
    return true;
  }

  @Override
  public boolean pass(Frame frame, Direction way) {
    return false;
  }
}
