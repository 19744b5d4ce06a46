package dev.pollux.backend.net;

import dev.pollux.backend.chr.PeerAddress;

/** Hears of peers of a machine's networks. Any thread; must not block. */
public interface NetworkListener {
  /** A stream has a peer now. */
  default void connected(String netdev, PeerAddress peer) {}

  /** A stream has lost its peer. */
  default void disconnected(String netdev) {}
}
