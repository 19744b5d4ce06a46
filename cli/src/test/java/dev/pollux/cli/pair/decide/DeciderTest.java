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

  /** What it says to the other side may be lost, again and again. */
  @Test
  void aCopyThatIsToEndThePairAsksUntilItHasEnded() {
    record = record.joinedBy("b", becomeCopy(), "a/1/joined");
    List<Action> actions = hear(new Event.Wanted(Event.Wish.STOP));
    assertEquals(1, stops(actions));
    actions = pass(4000);
    assertTrue(stops(actions) >= 9, actions::toString);
    assertEquals(Doing.COPY, copy.doing(), "it would go on if the other side died");

    record = record.released(true, "a/1/end");
    actions = hear(new Event.Tick());
    for (int i = 0; i < 10; i++) {
      now += 100 * MILLIS;
      actions.addAll(hear(new Event.Tick()));
    }
    assertTrue(actions.stream().anyMatch(Action.Kill.class::isInstance), actions::toString);
    actions = hear(new Event.Gone());
    assertTrue(actions.stream().anyMatch(Action.Exit.class::isInstance), actions::toString);
  }

  /** Nobody runs the guest: either side may end the pair. */
  @Test
  void aPairThatNobodyRunsIsEndedInTheRecord() {
    record = record.released(false, "a/1/end");
    hear(new Event.Tick());
    List<Action> actions = hear(new Event.Wanted(Event.Wish.STOP));
    Ledger written = writes(actions).getFirst();
    assertTrue(written.ended());
    assertEquals(record.inSync(), written.inSync());
    actions = hear(new Event.Written());
    assertTrue(actions.stream().anyMatch(Action.Exit.class::isInstance), actions::toString);
  }

  /** A write is on the copy's disk only: the guest goes on there, and not from here. */
  @Test
  void aPrimaryWhoseDiskFailsLeavesThePairToItsCopy() {
    Decider primary = primary();
    List<Action> actions = primary.on(new Event.DiskFails(), now);
    assertTrue(actions.stream().anyMatch(Action.Kill.class::isInstance), actions::toString);
    primary.on(new Event.Broken(), now); // the disks are not alike
    actions = primary.on(new Event.Gone(), now);
    Ledger written = writes(actions).getFirst();
    assertEquals("", written.holder());
    assertTrue(written.lists("b"));
  }

  /** Nobody would go on: it is better to run with a disk that fails. */
  @Test
  void aPrimaryWhoseDiskFailsStaysWhereItsCopyHasGone() {
    Decider primary = primary();
    primary.on(new Event.PeerSays(Doing.NOTHING, "of b", true), now);
    primary.on(new Event.Broken(), now);
    List<Action> actions = primary.on(new Event.DiskFails(), now);
    assertTrue(actions.stream().noneMatch(Action.Kill.class::isInstance), actions::toString);
    assertEquals(Doing.RUNNING, primary.doing());
  }

  /** The copy that was made has been lost; the next one is being made. */
  @Test
  void aCopyIsListedOnlyWhenItIsWholeItself() {
    Decider primary = primary();
    primary.on(new Event.Broken(), now);
    primary.on(new Event.Written(), now); // it goes on alone
    primary.on(new Event.PeerSays(Doing.READY, "of b, again", true), now);
    List<Action> actions = primary.on(new Event.Paired("of b"), now);
    assertEquals(List.of(), writes(actions));
    now += TIMING.renewal();
    actions = primary.on(new Event.Paired("of b, again"), now);
    assertTrue(writes(actions).getFirst().lists("b"), actions::toString);
  }

  /** Each in a sentence, rather than with an answer and no change. */
  @Test
  void wishesThatChangeNothingAreRefused() {
    String generation = becomeCopy();
    assertTrue(copy.refusal(Event.Wish.PROMOTE).contains("no copy"), "it is not listed yet");
    assertTrue(copy.refusal(Event.Wish.PROMOTE_ANYWAY).contains("a runs the guest"));
    record = record.joinedBy("b", generation, "a/1/joined");
    pass(1000);
    for (Event.Wish wish : List.of(Event.Wish.PROMOTE, Event.Wish.PROMOTE_ANYWAY)) {
      assertEquals("", copy.refusal(wish));
      List<Action> actions = hear(new Event.Wanted(wish));
      assertTrue(
          actions.contains(new Action.Forward(Event.Wish.DEMOTE)), () -> wish + ": " + actions);
    }
    hear(new Event.PeerSilent());
    hear(new Event.Broken());
    assertTrue(copy.refusal(Event.Wish.PROMOTE).contains("no copy"));
    assertEquals("", copy.refusal(Event.Wish.PROMOTE_ANYWAY));
    assertTrue(copy.refusal(Event.Wish.DEMOTE).contains("b does not run the guest"));
  }

  @Test
  void aPrimaryWithoutACopyIsNotDemoted() {
    Decider primary = primary();
    assertEquals("", primary.refusal(Event.Wish.DEMOTE));
    assertEquals("", primary.refusal(Event.Wish.RESYNC));
    primary.on(new Event.Broken(), now);
    assertTrue(primary.refusal(Event.Wish.DEMOTE).contains("no copy"));
    assertTrue(primary.refusal(Event.Wish.RESYNC).contains("no copy"));
  }

  /** It runs the guest and has a listed copy, whose generation is {@code of b}. */
  private Decider primary() {
    Decider primary = new Decider("a", "b", TIMING, true, "of a", "1");
    primary.on(new Event.Tick(), now);
    primary.on(new Event.PeerSays(Doing.NOTHING, "none", false), now);
    primary.on(new Event.Found(Optional.empty()), now);
    primary.on(new Event.Written(), now); // the first record
    primary.on(new Event.Runs(), now);
    primary.on(new Event.PeerSays(Doing.READY, "of b", true), now);
    List<Action> actions = primary.on(new Event.Paired("of b"), now);
    assertTrue(writes(actions).getFirst().lists("b"), actions::toString);
    primary.on(new Event.PeerSays(Doing.COPY, "of b", true), now);
    primary.on(new Event.Written(), now);
    assertTrue(primary.isProtected());
    return primary;
  }

  private static List<Ledger> writes(List<Action> actions) {
    return actions.stream()
        .filter(Action.Write.class::isInstance)
        .map(action -> ((Action.Write) action).ledger())
        .toList();
  }

  private static long stops(List<Action> actions) {
    return actions.stream()
        .filter(action -> action.equals(new Action.Forward(Event.Wish.STOP)))
        .count();
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
    hear(new Event.Paired(generation));
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
