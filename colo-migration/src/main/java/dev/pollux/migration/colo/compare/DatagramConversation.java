package dev.pollux.migration.colo.compare;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.function.BiPredicate;

/**
 * Packets that stand each for itself. The secondary may have sent them in another order; all of the
 * primary's that have their like go.
 */
final class DatagramConversation extends Conversation {
  private final BiPredicate<Held, Held> alike;

  /**
   * @param alike whether two packets say the same
   */
  DatagramConversation(BiPredicate<Held, Held> alike) {
    super(new ArrayDeque<>(), new ArrayDeque<>());
    this.alike = alike;
  }

  @Override
  Verdict compare(Exits exits) {
    while (!primary.isEmpty() && !secondary.isEmpty()) {
      Held like = takeLike(primary.element());
      if (like == null) {
        return Verdict.DIFFERENT;
      }
      exits.forget(like);
      exits.release(primary.remove());
    }
    return Verdict.ALIKE;
  }

  private Held takeLike(Held wanted) {
    for (Iterator<Held> all = secondary.iterator(); all.hasNext(); ) {
      Held candidate = all.next();
      if (alike.test(wanted, candidate)) {
        all.remove();
        return candidate;
      }
    }
    return null;
  }

  @Override
  void checkpoint(Exits exits) {
    // Nothing is known but the packets.
  }
}
