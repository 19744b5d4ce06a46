package dev.pollux.devices.timer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class TickPacerTest {
  private static final long MILLI = 1_000_000;

  @Test
  void ticksInTimeKeepTheirPeriod() {
    assertEquals(1, TickPacer.periodsToNext(4 * MILLI, 4 * MILLI, 4 * MILLI + 1000));
    assertEquals(8 * MILLI, TickPacer.deadline(8 * MILLI, 4 * MILLI, 4 * MILLI + 1000));
  }

  @Test
  void missedTicksFollowFaster() {
    long now = 100 * MILLI;
    long due = 4 * MILLI;
    int fired = 0;
    while (due < now) {
      fired++;
      due += TickPacer.periodsToNext(due, 4 * MILLI, now) * 4 * MILLI;
      long next = TickPacer.deadline(due, 4 * MILLI, now);
      assertTrue(next > now && next - now <= 4 * MILLI);
      now = next;
    }
    assertTrue(now < 120 * MILLI, "caught up at " + now);
    assertTrue(Math.abs(now / (4 * MILLI) - fired) <= 1, fired + " ticks");
  }

  @Test
  void whatIsTooLateIsGivenUp() {
    assertEquals(500, TickPacer.periodsToNext(0, 4 * MILLI, 2000 * MILLI));
  }

  @Test
  void shortestPeriodsAreStretched() {
    assertEquals(1000 + 20_000, TickPacer.deadline(1001, 1, 1000));
  }
}
