package dev.pollux.backend.net;

import dev.pollux.backend.chr.PeerAddress;

/** Hears of peers of a machine's networks. Any thread; must not block. */
public interface NetworkListener {
  /** A stream has a peer now. */
  default void connected(String netdev, PeerAddress peer) {}

  /** A stream has lost its peer. */
  default void disconnected(String netdev) {}

  /**
   * A guest wants other frames of its card than before, for the first time since somebody looked.
   *
   * @param card its name; empty where it has none
   * @param path where it is among the objects
   */
  default void filterChanged(String card, String path) {}
}
