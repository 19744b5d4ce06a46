package dev.pollux.migration.colo.compare;

import java.util.Queue;

/**
 * What is held of both sides of one conversation, and how far they have been found to say the same.
 */
abstract sealed class Conversation permits TcpConversation, DatagramConversation {
  /** What a comparison came to. */
  enum Verdict {
    /** As far as both sides have spoken they have said the same. */
    ALIKE,
    /** They have not: only a checkpoint makes them alike again. */
    DIFFERENT
  }

  /** Where packets go. */
  interface Exits {
    /** One of the primary's may go. It is held no more. */
    void release(Held packet);

    /** One of the secondary's is needed no more. */
    void forget(Held packet);

    /** One of the primary's that has gone goes again, with more room for what the client says. */
    void repeat(Held packet);
  }

  final Queue<Held> primary;
  final Queue<Held> secondary;

  Conversation(Queue<Held> primary, Queue<Held> secondary) {
    this.primary = primary;
    this.secondary = secondary;
  }

  /** A packet of the primary's has come. */
  void addPrimary(Held packet) {
    primary.add(packet);
  }

  /** A packet of the secondary's has come. */
  void addSecondary(Held packet) {
    secondary.add(packet);
  }

  /** Compares what is held. */
  abstract Verdict compare(Exits exits);

  /**
   * Both sides are alike from here on. All packets have been taken out, and go after what this has
   * repeated.
   */
  abstract void checkpoint(Exits exits);

  boolean isEmpty() {
    return primary.isEmpty() && secondary.isEmpty();
  }
}
