package dev.pollux.backend.net;

/** A network card as its machine's networks know it. Machine lock held. */
public interface NetCard extends NetEnd {
  /** The hardware address in force, which a guest may have changed. */
  byte[] currentAddress();

  /** Has the guest tell the network where it is, if it can. */
  default void announce() {}
}
