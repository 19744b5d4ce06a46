package dev.pollux.migration.colo.compare;

import java.util.Queue;
import java.util.function.Consumer;

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

  /**
   * Compares what is held.
   *
   * @param release takes packets of the primary's that may go
   * @param forget takes packets of the secondary's that are needed no more
   */
  abstract Verdict compare(Consumer<Held> release, Consumer<Held> forget);

  /** Both sides are alike from here on. All packets have been taken out. */
  abstract void checkpoint();

  boolean isEmpty() {
    return primary.isEmpty() && secondary.isEmpty();
  }
}
