package dev.pollux.cli.pair.decide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class DeciderTest {
  private static final long MILLIS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final Timing TIMING =
      new Timing(2000 * MILLIS, 400 * MILLIS, 400 * MILLIS, 1000 * MILLIS);

  private final Decider copy = new Decider("b", "a", TIMING, true, "old", "1");
  private Ledger record = Ledger.first("a", "of a", "a/1/0");
  private long now;

  /** The primary's agent has started anew, say, and knows nothing of this copy. */
  @Test
  void aCopyThatIsNotListedStartsAnew() {
    becomeCopy();
    List<Action> actions = pass(2500);
    assertEquals(Doing.COPY, copy.doing(), "it gives the primary time to list it");
    assertTrue(actions.stream().noneMatch(Action.Kill.class::isInstance), actions::toString);

    actions = pass(2000);
    assertTrue(actions.stream().anyMatch(Action.Kill.class::isInstance), actions::toString);
  }

  @Test
  void aCopyThatIsListedStays() {
    String generation = becomeCopy();
    pass(1000);
    record = record.joinedBy("b", generation, "a/1/joined");
    pass(60_000);
    assertEquals(Doing.COPY, copy.doing());
  }

  /** Returns the name of the generation of the copy's disks. */
  private String becomeCopy() {
    hear(new Event.Tick());
    String generation =
        hear(new Event.PeerSays(Doing.RUNNING, "of a", true)).stream()
            .filter(Action.StartCopy.class::isInstance)
            .map(action -> ((Action.StartCopy) action).generation())
            .findFirst()
            .orElseThrow();
    hear(new Event.Waits());
    hear(new Event.Paired());
    return generation;
  }

  /** The holder renews all the time; looks are answered at once. Returns what was done. */
  private List<Action> pass(long millis) {
    List<Action> done = new ArrayList<>();
    for (long end = now + millis * MILLIS; now < end; now += 100 * MILLIS) {
      if (now % TIMING.renewal() == 0) {
        record = record.renewed("a/1/" + now);
      }
      done.addAll(hear(new Event.Tick()));
    }
    return done;
  }

  private List<Action> hear(Event event) {
    List<Action> actions = new ArrayList<>(copy.on(event, now));
    if (actions.stream().anyMatch(Action.Look.class::isInstance)) {
      actions.addAll(copy.on(new Event.Found(Optional.of(record)), now));
    }
    return actions;
  }
}
