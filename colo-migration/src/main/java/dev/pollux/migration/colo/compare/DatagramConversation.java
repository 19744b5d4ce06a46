package dev.pollux.migration.colo.compare;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.function.BiPredicate;
import java.util.function.Consumer;

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
  Verdict compare(Consumer<Held> release, Consumer<Held> forget) {
    while (!primary.isEmpty() && !secondary.isEmpty()) {
      Held like = takeLike(primary.element());
      if (like == null) {
        return Verdict.DIFFERENT;
      }
      forget.accept(like);
      release.accept(primary.remove());
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
  void checkpoint() {
    // Nothing is known but the packets.
  }
}
