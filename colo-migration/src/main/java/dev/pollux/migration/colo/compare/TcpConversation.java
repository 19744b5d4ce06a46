package dev.pollux.migration.colo.compare;

import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.function.Consumer;

/**
 * One direction of a TCP connection: two streams of bytes, which each side may cut into segments,
 * repeat and acknowledge as it likes. Bytes are compared by their sequence numbers, the end of a
 * stream among them. One of the primary's segments goes when all its bytes were found alike and the
 * secondary has acknowledged what it acknowledges: no client forgets what only one side has.
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

    void set(Acknowledged other) {
      known = other.known;
      number = other.number;
    }

    void forget() {
      known = false;
    }

    boolean covers(Held packet) {
      return !packet.acknowledges() || known && packet.acknowledged - number <= 0;
    }
  }

  private final Acknowledged byPrimary = new Acknowledged();
  private final Acknowledged bySecondary = new Acknowledged();

  /** Up to here, and without a gap, both streams are alike, where that is known at all. */
  private int compared;

  private boolean comparedIsKnown;

  /** Numbers of two connections are among the packets: nothing can be said of them. */
  private boolean replaced;

  /** How the secondary has last begun a connection itself, and whether that was shown already. */
  private int begunAt;

  private boolean begunIsKnown;
  private boolean isBegun;

  /** How the primary's beginning that was shown last began. */
  private int shownAt;

  private boolean shownIsKnown;

  /** What the secondary has acknowledged with its answer to a client that begins a connection. */
  private int answered;

  private boolean answeredIsKnown;

  private boolean resetBySecondary;

  /** The number behind everything that the primary has said. */
  private int said;

  private boolean saidIsKnown;

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
      saidIsKnown = false;
      byPrimary.forget();
      if (!hasBegun(packet)) {
        resetBySecondary = false;
        bySecondary.forget();
      }
    }
    if (!saidIsKnown || packet.endSequence() - said > 0) {
      said = packet.endSequence();
      saidIsKnown = true;
    }
    byPrimary.note(packet);
    super.addPrimary(packet);
  }

  @Override
  void addSecondary(Held packet) {
    if (packet.isSyn()) {
      resetBySecondary = false;
      bySecondary.forget();
      if (packet.acknowledges()) {
        answered = packet.acknowledged;
        answeredIsKnown = true;
      } else if (!begunIsKnown || packet.start != begunAt) {
        begunAt = packet.start;
        begunIsKnown = true;
        isBegun = true;
      }
    }
    resetBySecondary |= packet.isReset();
    bySecondary.note(packet);
    super.addSecondary(packet);
  }

  @Override
  Verdict compare(Consumer<Held> release, Consumer<Held> forget) {
    if (replaced) {
      return Verdict.DIFFERENT;
    }
    while (true) {
      while (!secondary.isEmpty() && isDone(secondary.element())) {
        forget.accept(secondary.remove());
      }
      if (primary.isEmpty()) {
        return Verdict.ALIKE;
      }
      Held ours = primary.element();
      if (isDone(ours)) {
        if (!isSaid(ours)) {
          return Verdict.ALIKE; // the secondary will say it
        }
        show(ours);
        release.accept(primary.remove());
      } else if (secondary.isEmpty() || isBehindGap(ours) || isBehindGap(secondary.element())) {
        return Verdict.ALIKE; // what is missing comes again
      } else if (!advance(ours, secondary.element())) {
        return Verdict.DIFFERENT;
      }
    }
  }

  /** It has no bytes, or none that were not compared. */
  private boolean isDone(Held packet) {
    return packet.length() == 0 || comparedIsKnown && packet.endSequence() - compared <= 0;
  }

  /** Whether the secondary has said the same as one of the primary's segments without its bytes. */
  private boolean isSaid(Held ours) {
    if (ours.isReset()) {
      return resetBySecondary;
    }
    return (!ours.isSyn() || hasBegun(ours)) && bySecondary.covers(ours);
  }

  /** Whether the secondary, too, has begun the connection that a segment begins. */
  private boolean hasBegun(Held ours) {
    return ours.acknowledges()
        ? answeredIsKnown && answered == ours.acknowledged
        : isBegun || shownIsKnown && shownAt == ours.start;
  }

  private void show(Held ours) {
    if (ours.isSyn() && !ours.acknowledges()) {
      shownAt = ours.start;
      shownIsKnown = true;
      isBegun = false;
    }
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
    compared = from + count;
    comparedIsKnown = true;
    return true;
  }

  /** Both guests go on from the same state, in which all was said that the primary has said. */
  @Override
  void checkpoint() {
    compared = said;
    comparedIsKnown = saidIsKnown;
    replaced = false;
    bySecondary.set(byPrimary);
  }
}
