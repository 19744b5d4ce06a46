package dev.pollux.backend.net;

import java.util.Optional;

/** A network card as its machine's networks know it. Machine lock held. */
public interface NetCard {
  /** The hardware address in force, which a guest may have changed. */
  byte[] currentAddress();

  /** What the card has dropped. */
  Drops drops();

  /** What the guest wants to receive; empty for cards that do not say. */
  default Optional<ReceiveFilter> receiveFilter() {
    return Optional.empty();
  }

  /** Has the guest tell the network where it is, if it can. */
  default void announce() {}
}
