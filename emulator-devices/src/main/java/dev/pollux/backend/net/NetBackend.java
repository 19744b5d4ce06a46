package dev.pollux.backend.net;

import java.util.ArrayList;
import java.util.List;

/**
 * The host's side of a network: what {@code -netdev} makes. It owns the links to its cards, one for
 * each queue.
 */
public abstract class NetBackend implements NetEnd, AutoCloseable {
  private final String id;
  private final List<NetLink> links = new ArrayList<>();
  private final Drops drops = new Drops();
  private final List<Runnable> dependants = new ArrayList<>();

  @SuppressWarnings("this-escape") // nothing is sent before the subclass is made
  protected NetBackend(String id) {
    this.id = id;
    addLink(this);
  }

  /** Adds a queue with an end of its own; the first is the back end itself. */
  protected final NetLink addLink(NetEnd end) {
    NetLink link = new NetLink();
    link.attachBackend(end);
    links.add(link);
    return link;
  }

  /** The name given by the user. */
  public final String id() {
    return id;
  }

  /** The type's name on the command line. */
  public abstract String type();

  /** What it is connected to, as {@code info network} shows it: {@code net=10.0.2.0}. */
  public abstract String describe();

  /** The cable to the card, of several queues that of the first. */
  public final NetLink link() {
    return links.getFirst();
  }

  /** The cables to the card, one a queue. */
  public final List<NetLink> links() {
    return List.copyOf(links);
  }

  /** Takes nothing more from a card, nor gives it anything. */
  protected final void unplug() {
    links.forEach(link -> link.attachBackend(null));
  }

  /** What the back end has dropped. */
  public final Drops drops() {
    return drops;
  }

  /** Lines that {@code info usernet} shows; empty for other types. */
  public List<String> connections() {
    return List.of();
  }

  /**
   * The machine runs or stands still: timers of what the guest takes part in stand still with it.
   */
  public void setRunning(boolean running) {
    links.forEach(link -> link.setDelivering(running));
  }

  /** Runs something before the back end is taken away. Machine lock held. */
  public final void onRemove(Runnable action) {
    dependants.add(action);
  }

  /** What was asked for before does not matter any more. Machine lock held. */
  public final void forgetOnRemove(Runnable action) {
    dependants.remove(action);
  }

  final void tellDependants() {
    List.copyOf(dependants).forEach(Runnable::run);
  }

  /** Lets go of all host resources. */
  @Override
  public abstract void close();
}
