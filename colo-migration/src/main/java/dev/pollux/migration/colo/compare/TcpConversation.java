package dev.pollux.migration.colo.compare;

import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.function.Consumer;

/**
 * One direction of a TCP connection: two streams of bytes, which each side may cut into segments,
 * repeat and acknowledge as it likes. Bytes are compared by their sequence numbers, and one of the
 * primary's segments goes when all its bytes were found alike and the secondary, too, has taken
 * what it acknowledges. Segments without bytes say nothing that must be alike.
 */
final class TcpConversation extends Conversation {
  private static final Comparator<Held> BY_SEQUENCE =
      (a, b) -> a.start == b.start ? Long.compare(a.number, b.number) : a.start - b.start;

  /** The highest number that one side has acknowledged. */
  private static final class Acknowledged {
    private boolean known;
    private int number;

    void note(Held packet) {
      if (packet.acknowledges() && (!known || packet.acknowledged - number > 0)) {
        number = packet.acknowledged;
        known = true;
      }
    }

    boolean covers(int other) {
      return known && other - number <= 0;
    }
  }

  private final Acknowledged byPrimary = new Acknowledged();
  private final Acknowledged bySecondary = new Acknowledged();

  /** Up to here, and without a gap, both streams are alike, where that is known at all. */
  private int compared;

  private boolean comparedIsKnown;

  /** Numbers of two connections are among the packets: nothing can be said of them. */
  private boolean replaced;

  TcpConversation() {
    super(new PriorityQueue<>(BY_SEQUENCE), new PriorityQueue<>(BY_SEQUENCE));
  }

  @Override
  void addPrimary(Held packet) {
    if (packet.isSyn() && !(comparedIsKnown && packet.start == compared)) {
      // A new connection, perhaps in the place of an old one, of which something still waits.
      replaced = !primary.isEmpty();
      compared = packet.start;
      comparedIsKnown = true;
    }
    byPrimary.note(packet);
    super.addPrimary(packet);
  }

  @Override
  void addSecondary(Held packet) {
    bySecondary.note(packet);
    super.addSecondary(packet);
  }

  @Override
  Verdict compare(Consumer<Held> release, Consumer<Held> forget) {
    if (replaced) {
      return Verdict.DIFFERENT;
    }
    while (!primary.isEmpty() && !secondary.isEmpty()) {
      if (isDone(primary.element())) {
        release.accept(primary.remove());
      } else if (isDone(secondary.element())) {
        forget.accept(secondary.remove());
      } else if (isBehindGap(primary.element()) || isBehindGap(secondary.element())) {
        return Verdict.ALIKE; // what is missing comes again
      } else if (!advance(primary.element(), secondary.element())) {
        return Verdict.DIFFERENT;
      }
    }
    while (!secondary.isEmpty() && isCompared(secondary.element())) {
      forget.accept(secondary.remove());
    }
    return Verdict.ALIKE;
  }

  /** It has no bytes, or none that were not compared. */
  private boolean isDone(Held packet) {
    return packet.length() == 0 || isCompared(packet);
  }

  /** It has bytes, all of which were found alike. */
  private boolean isCompared(Held packet) {
    return packet.length() > 0 && comparedIsKnown && packet.endSequence() - compared <= 0;
  }

  private boolean isBehindGap(Held packet) {
    return comparedIsKnown && packet.start - compared > 0;
  }

  /** Compares the bytes that both have from the place where the comparison stands. */
  private boolean advance(Held ours, Held theirs) {
    if (!comparedIsKnown && ours.start != theirs.start) {
      return false;
    }
    int from = comparedIsKnown ? compared : ours.start;
    int count = Math.min(ours.endSequence() - from, theirs.endSequence() - from);
    if (!ours.samePayload(from, count, theirs)) {
      return false;
    }
    boolean isSame = ours.start == theirs.start && ours.length() == theirs.length();
    boolean isWhole = from + count == ours.endSequence();
    if (isWhole && !isSame && !isTaken(ours)) {
      return false;
    }
    compared = from + count;
    comparedIsKnown = true;
    return true;
  }

  /** Whether both sides have taken what it acknowledges. */
  private boolean isTaken(Held packet) {
    return byPrimary.covers(packet.acknowledged) && bySecondary.covers(packet.acknowledged);
  }

  /** Both guests go on from the same state, at numbers that their next segments tell. */
  @Override
  void checkpoint() {
    comparedIsKnown = false;
    replaced = false;
  }
}
