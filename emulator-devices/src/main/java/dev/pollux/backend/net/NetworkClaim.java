package dev.pollux.backend.net;

import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A network card's hold on a back end, or on none: then its cable ends nowhere. The cable is in the
 * card from {@link #connect} to {@link #release}. Machine lock held, for all of it.
 */
public final class NetworkClaim {
  private final Networks networks;
  private final List<NetLink> links;
  private final String name;
  private Supplier<String> path = () -> "";
  private final String backend;
  private final byte[] address;
  private NetCard card;
  private String model = "card";

  /** Somebody has looked at the filter since the last change that was told. */
  private boolean tellsFilter = true;

  NetworkClaim(
      Networks networks, List<NetLink> links, String name, String backend, byte[] address) {
    this.networks = networks;
    this.links = links;
    this.name = name;
    this.backend = backend;
    this.address = address;
  }

  /**
   * Says where the card is among the objects.
   *
   * @param place its path, asked for at each event
   */
  public void locate(Supplier<String> place) {
    path = place;
  }

  /** The cable, of several queues that of the first. */
  public NetLink link() {
    return links.getFirst();
  }

  /** The cables, one for each queue that the back end has. */
  public List<NetLink> links() {
    return links;
  }

  /** The card's name; empty where it has none. */
  public String name() {
    return name;
  }

  /** The card's name, or what monitors call it where it has none: {@code e1000.0}. */
  public String label() {
    return name.isEmpty() ? model + "." + networks.index(this) : name;
  }

  String model() {
    return model;
  }

  /** The back end's name; empty for none. */
  public String backend() {
    return backend;
  }

  /** The card's own hardware address, 6 bytes; the guest may use another. */
  public byte[] address() {
    return address.clone();
  }

  /**
   * Plugs the cable into a card with one queue.
   *
   * @param type the card's, as {@code -device} names it
   */
  public <C extends NetCard & NetEnd> void connect(C whole, String type) {
    connect(whole, List.of(whole), type);
  }

  /**
   * Plugs the cables into the card. Of several the first is in use, until the card says otherwise.
   *
   * @param ends the card's, one a queue, not more than there are cables
   * @param type the card's, as {@code -device} names it
   */
  public void connect(NetCard whole, List<? extends NetEnd> ends, String type) {
    card = whole;
    model = type;
    for (int i = 0; i < ends.size(); i++) {
      links.get(i).attachCard(ends.get(i));
    }
    useQueues(1);
  }

  /** From now on the card uses this many queues, of those it has connected the first. */
  public void useQueues(int count) {
    if (links.size() > 1) {
      for (int i = 0; i < links.size(); i++) {
        links.get(i).setActive(i < count);
      }
    }
  }

  /** The card; null before {@link #connect}. */
  public NetCard card() {
    return card;
  }

  /** What {@code info network} says of the card. */
  public String describe() {
    return "model=%s,macaddr=%s".formatted(model, MacAddress.text(card.currentAddress()));
  }

  /** The guest wants other frames than before. */
  public void filterChanged() {
    if (tellsFilter) {
      tellsFilter = false;
      networks.listener().filterChanged(name, path.get());
    }
  }

  /** What the guest wants to receive, if the card says; from now on its next change is told. */
  public Optional<ReceiveFilter> takeFilter() {
    Optional<ReceiveFilter> filter = card.receiveFilter();
    tellsFilter |= filter.isPresent();
    return filter;
  }

  /** Gives the back end back, whose frames are dropped from now on. */
  public void release() {
    links.forEach(link -> link.attachCard(null));
    networks.release(this);
  }
}
