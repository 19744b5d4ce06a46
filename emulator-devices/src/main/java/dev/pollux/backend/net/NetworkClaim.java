package dev.pollux.backend.net;

import java.util.function.Supplier;

/**
 * A network card's hold on a back end, or on none: then its cable ends nowhere. Machine lock held.
 */
public final class NetworkClaim {
  private final Networks networks;
  private final NetLink link;
  private final String name;
  private final String backend;
  private final byte[] address;
  private NetCard card;
  private Supplier<String> description = () -> "";

  NetworkClaim(Networks networks, NetLink link, String name, String backend, byte[] address) {
    this.networks = networks;
    this.link = link;
    this.name = name;
    this.backend = backend;
    this.address = address;
  }

  public NetLink link() {
    return link;
  }

  /** The card's name; empty where it has none. */
  public String name() {
    return name;
  }

  /** The back end's name; empty for none. */
  public String backend() {
    return backend;
  }

  /** The card's own hardware address. */
  public byte[] address() {
    return address.clone();
  }

  /**
   * Plugs the cable into the card.
   *
   * @param shown what {@code info network} says of the card
   */
  public void connect(NetCard end, Supplier<String> shown) {
    card = end;
    description = shown;
    link.attachCard(end);
  }

  public NetCard card() {
    return card;
  }

  /** What {@code info network} says of the card. */
  public String describe() {
    return description.get();
  }

  /** Gives the back end back. */
  public void release() {
    link.attachCard(null);
    networks.release(this);
  }
}
