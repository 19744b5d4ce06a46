package dev.pollux.cli.pair.decide;

import java.util.Optional;
import java.util.function.Consumer;

/**
 * The coordination service: questions reach it late or not at all, and its answers get lost. What
 * was given up may still happen.
 */
final class SimulatedRegister {
  private static final double SLOW = 0.02;

  private final SimulatedPair pair;
  private Optional<Ledger> ledger = Optional.empty();
  boolean up = true;

  SimulatedRegister(SimulatedPair pair) {
    this.pair = pair;
  }

  Optional<Ledger> ledger() {
    return ledger;
  }

  /**
   * Asks for a look, or a replacement.
   *
   * @param answer hears what came of it, once
   */
  void ask(SimulatedHost from, Optional<Ledger> write, Consumer<Event> answer) {
    boolean[] answered = {false};
    pair.after(pair.timing().lease() / 2, () -> once(answered, answer, new Event.Unanswered()));
    pair.after(
        delay(),
        () -> {
          if (up && from.reachesRegister) {
            Event said = apply(write);
            pair.after(
                delay(),
                () -> {
                  if (up && from.reachesRegister) {
                    once(answered, answer, said);
                  }
                });
          }
        });
  }

  private static void once(boolean[] answered, Consumer<Event> answer, Event said) {
    if (!answered[0]) {
      answered[0] = true;
      answer.accept(said);
    }
  }

  private long delay() {
    return pair.chance(SLOW) ? pair.between(100, 4000) : pair.between(1, 20);
  }

  private Event apply(Optional<Ledger> write) {
    long version = ledger.map(Ledger::version).orElse(0L);
    if (write.isPresent() && write.get().version() == version + 1) {
      ledger = write;
      pair.checkRecord();
      return new Event.Written();
    }
    return new Event.Found(ledger);
  }
}
