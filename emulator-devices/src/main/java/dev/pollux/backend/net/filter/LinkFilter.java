package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetFilter;
import dev.pollux.backend.net.NetLink;

/** What all filters have in common. A closed one has put back what it kept. */
public abstract class LinkFilter implements NetFilter, AutoCloseable {
  private final String id;
  private final NetLink link;
  private final Direction direction;
  private volatile boolean on;

  /**
   * @param link where it is put by whoever makes it
   */
  protected LinkFilter(String id, NetLink link, Direction direction, boolean on) {
    this.id = id;
    this.link = link;
    this.direction = direction;
    this.on = on;
  }

  @Override
  public final String id() {
    return id;
  }

  @Override
  public final Direction direction() {
    return direction;
  }

  @Override
  public final boolean isOn() {
    return on;
  }

  /** Switches it on or off. Any thread. */
  public void setOn(boolean switchedOn) {
    on = switchedOn;
  }

  public final NetLink link() {
    return link;
  }

  /** Sends a frame on from this filter's place. */
  protected final boolean passOn(Frame frame, Direction way) {
    return link.inject(this, frame, way);
  }

  @Override
  public void close() {
    link.removeFilter(this);
  }
}
