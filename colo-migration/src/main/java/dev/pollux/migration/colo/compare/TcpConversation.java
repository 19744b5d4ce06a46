package dev.pollux.migration.colo.compare;

import java.util.Comparator;
import java.util.PriorityQueue;

/**
 * One direction of a TCP connection: two streams of bytes, which each side may cut into segments,
 * repeat and acknowledge as it likes. Bytes are compared by their sequence numbers, the end of a
 * stream among them. One of the primary's segments goes when all its bytes were found alike and the
 * secondary has acknowledged what it acknowledges: no client forgets what only one side has.
 *
 * <p>Nor does a client send more than the secondary has room for, where it would be lost: a pure
 * acknowledgement goes with the smaller of both windows, and again when the secondary's has grown.
 */
final class TcpConversation extends Conversation {
  private static final Comparator<Held> BY_SEQUENCE =
      (a, b) -> a.start == b.start ? Long.compare(a.number, b.number) : a.start - b.start;

  /** The highest number that one side has acknowledged, and the window that it told with it. */
  private static final class Acknowledged {
    private static final int ANY = 0xffff;

    private boolean known;
    private int number;
    private int window = ANY;

    void note(Held packet) {
      if (packet.acknowledges() && (!known || packet.acknowledged - number >= 0)) {
        number = packet.acknowledged;
        window = packet.isSyn() ? ANY : packet.window(); // a SYN's is in other units
        known = true;
      }
    }

    void set(Acknowledged other) {
      known = other.known;
      number = other.number;
      window = ANY;
    }

    void forget() {
      known = false;
      window = ANY;
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

  /** The last that went, where it had a larger window than the secondary; and that window. */
  private Held narrowed;

  private int ownWindow;

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
      narrowed = null;
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
      narrowed = null;
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
  Verdict compare(Exits exits) {
    Verdict verdict = compareAll(exits);
    if (narrowed != null && isWorthWhile(Math.min(ownWindow, bySecondary.window))) {
      repeat(exits);
    }
    return verdict;
  }

  private Verdict compareAll(Exits exits) {
    if (replaced) {
      return Verdict.DIFFERENT;
    }
    while (true) {
      while (!secondary.isEmpty() && isDone(secondary.element())) {
        exits.forget(secondary.remove());
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
        narrow(ours);
        exits.release(primary.remove());
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

  /** Takes from the window what the secondary has no room for. */
  private void narrow(Held ours) {
    narrowed = null;
    if (ours.isPureAcknowledgement() && ours.window() > bySecondary.window) {
      narrowed = ours;
      ownWindow = ours.window();
      ours.setWindow(bySecondary.window);
    }
  }

  /**
   * A client that waits for room needs to hear of it where there is much more (RFC 9293, 3.8.6).
   */
  private boolean isWorthWhile(int window) {
    return window >= Math.max(1, 2 * narrowed.window());
  }

  private void repeat(Exits exits) {
    narrowed.setWindow(Math.min(ownWindow, bySecondary.window));
    exits.repeat(narrowed);
    narrowed = narrowed.window() < ownWindow ? narrowed : null;
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
  void checkpoint(Exits exits) {
    compared = said;
    comparedIsKnown = saidIsKnown;
    replaced = false;
    bySecondary.set(byPrimary);
    if (narrowed != null) {
      repeat(exits);
    }
  }
}
