package dev.pollux.cli.pair.decide;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * The decisions of a pair under everything that can happen to hosts, networks and the coordination
 * service. {@code -Dpollux.pair.schedules=N} and {@code -Dpollux.pair.seed=N} play others; a
 * failure names its seed, which gives the same again.
 */
class DeciderSimulationTest {
  private static final Timing TIMING =
      new Timing(
          SimulatedPair.millis(2000),
          SimulatedPair.millis(400),
          SimulatedPair.millis(400),
          SimulatedPair.millis(5000));

  /** Far more than clocks do; the margin covers it. */
  private static final double DRIFT = 0.02;

  private static final int SCHEDULES = Integer.getInteger("pollux.pair.schedules", 2000);
  private static final long SEED = Long.getLong("pollux.pair.seed", 1);
  private static final long DAYS = Long.getLong("pollux.pair.days", 0);
  private static final long TROUBLE = SimulatedPair.millis(40_000);
  private static final long RECOVERY = SimulatedPair.millis(60_000);

  @Test
  void neverTwoPrimariesAndNoWriteIsLost() {
    System.out.println("schedules from seed " + SEED);
    long takeovers = 0;
    long steps = 0;
    long writes = 0;
    for (long i = 0; i < SCHEDULES; i++) {
      SimulatedPair pair = play(SEED + i, DRIFT);
      takeovers += pair.takeovers();
      steps += pair.steps();
      writes += pair.acknowledgedWrites();
    }
    System.out.printf(
        "%d schedules, %d steps, %d takeovers, %d acknowledged writes%n",
        SCHEDULES, steps, takeovers, writes);
    assertTrue(SCHEDULES < 100 || takeovers > SCHEDULES / 10, takeovers + " takeovers");
  }

  private static SimulatedPair play(long seed, double drift) {
    SimulatedPair pair = new SimulatedPair(seed, TIMING, drift);
    long calm = Math.floorMod(seed, 8);
    long pause = 500 + calm * calm * 400;
    Misfortune misfortune = new Misfortune(pair, pause);
    pair.run(TROUBLE);
    misfortune.end();
    pair.checkProgress(RECOVERY);
    return pair;
  }

  /** The simulation does find two primaries where the margin does not cover what clocks do. */
  @Test
  void clocksThatRunApartTooFarAreFound() {
    for (long i = 0; i < 5000; i++) {
      try {
        SimulatedPair _ = play(SEED + i, 1.2);
      } catch (SimulatedPair.Violation e) {
        if (e.getMessage().contains("output") || e.getMessage().contains("two primaries")) {
          return;
        }
      }
    }
    fail("nothing was found from seed " + SEED);
  }

  /** Something goes wrong every two minutes; a day is played in default builds. */
  @Test
  void longLife() {
    long days = Math.max(1, DAYS);
    SimulatedPair pair = new SimulatedPair(SEED, TIMING, DRIFT);
    Misfortune misfortune = new Misfortune(pair, TimeUnit.MINUTES.toMillis(4));
    for (long hour = 0; hour < 24 * days; hour++) {
      pair.run(TimeUnit.HOURS.toNanos(1));
    }
    misfortune.end();
    pair.checkProgress(RECOVERY);
    System.out.printf(
        "%d days from seed %d: %d steps, %d takeovers, %d acknowledged writes%n",
        days, SEED, pair.steps(), pair.takeovers(), pair.acknowledgedWrites());
    assertTrue(pair.takeovers() > 0);
  }
}
