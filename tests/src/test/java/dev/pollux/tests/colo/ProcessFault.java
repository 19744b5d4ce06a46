package dev.pollux.tests.colo;

import dev.pollux.tests.colo.FaultProxy.AtMessage;
import dev.pollux.tests.colo.FaultProxy.Fault;
import java.util.Optional;
import java.util.Random;

/**
 * A fault of one of a pair's processes.
 *
 * @param multifd how the pair is connected
 * @param delay ms between the pair's checkpoints
 * @param victim whose process it is
 * @param kind what happens
 * @param at where the connection is held when it happens; empty for any moment
 * @param after ms from then on, for any moment
 * @param arrives whether what is on its way then still arrives
 * @param informed the manager knows by itself that the victim is lost, rather than by COLO_EXIT
 * @param millis how long a pause lasts
 */
record ProcessFault(
    boolean multifd,
    int delay,
    Side victim,
    Kind kind,
    Optional<Fault> at,
    int after,
    boolean arrives,
    boolean informed,
    int millis) {
  /** One of a pair. */
  enum Side {
    PRIMARY,
    SECONDARY;

    Side other() {
      return this == PRIMARY ? SECONDARY : PRIMARY;
    }
  }

  /** What happens to a process. */
  enum Kind {
    /** {@code kill -9}. */
    KILL,
    /** {@code kill -9} of a secondary that is no secondary yet. */
    KILL_BEFORE_PAIR,
    /** {@code SIGSTOP}; killed after the other has taken over. */
    FREEZE,
    /** {@code SIGSTOP}, and {@code SIGCONT} after the other has taken over. */
    FREEZE_AND_WAKE,
    /** {@code SIGSTOP} and soon {@code SIGCONT}, so that it is no fault yet. */
    PAUSE
  }

  /** Well below the silence that makes a peer a dead one. */
  private static final int LONGEST_PAUSE = 2000;

  /** Messages to the primary: CHECKPOINT_REPLY, VMSTATE_RECEIVED, VMSTATE_LOADED. */
  private static final int[] MESSAGES = {2, 5, 6};

  /** Kinds in the order of their numbers, and how many ways of each follow one another. */
  private static final Kind[] KINDS = {Kind.KILL, Kind.FREEZE, Kind.PAUSE};

  /** So many numbers in a row have every kind at every step, for each kind of chain. */
  static final int ROUND = 3 * KINDS.length * (MESSAGES.length + 1);

  /**
   * The fault with a number: always the same. Victims are the secondary where the number is
   * divisible by three, the primary for the next one, then either.
   */
  static ProcessFault of(long number) {
    Random random = new Random(number * 0x9e37_79b9_7f4a_7c15L);
    Side victim =
        switch ((int) Math.floorMod(number, 3L)) {
          case 0 -> Side.SECONDARY;
          case 1 -> Side.PRIMARY;
          default -> random.nextBoolean() ? Side.PRIMARY : Side.SECONDARY;
        };
    int way = (int) Math.floorMod(Math.floorDiv(number, 3L), (long) ROUND / 3);
    Kind kind = KINDS[way % KINDS.length];
    int step = way / KINDS.length;
    Optional<Fault> at =
        step < MESSAGES.length ? Optional.of(hold(random, MESSAGES[step])) : Optional.empty();
    if (kind == Kind.FREEZE && random.nextBoolean()) {
      kind = Kind.FREEZE_AND_WAKE;
    }
    if (kind == Kind.KILL && at.isEmpty() && victim == Side.SECONDARY && random.nextBoolean()) {
      kind = Kind.KILL_BEFORE_PAIR;
      at = Optional.of(new Fault(FaultProxy.Kind.STALL, true, random.nextInt(3 << 20), null));
    }
    int delay = 20 + random.nextInt(80);
    return new ProcessFault(
        random.nextInt(3) == 0,
        delay,
        victim,
        kind,
        at,
        random.nextInt(2 * delay),
        kind != Kind.KILL || random.nextBoolean(),
        random.nextBoolean(),
        (int) Math.exp(random.nextDouble() * Math.log(LONGEST_PAUSE)));
  }

  private static Fault hold(Random random, int message) {
    boolean toSecondary = random.nextInt(4) != 0;
    // Up to a whole checkpoint to the secondary, the next message to the primary.
    long after = toSecondary ? (long) Math.exp(random.nextDouble() * 14) : random.nextInt(2) * 4L;
    return new Fault(
        FaultProxy.Kind.STALL, toSecondary, after, new AtMessage(message, random.nextInt(3) == 0));
  }
}
