package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the counting guest has printed. */
final class CountedTicks {
  private static final Pattern TICK =
      Pattern.compile("tick (\\d{8}) steps (\\d{8}) sum [0-9a-f]{8} ok");

  private CountedTicks() {}

  /** Ticks of whole lines that began after a position of the console. */
  static List<Long> since(String console, int from) {
    List<Long> ticks = new ArrayList<>();
    int start = from == 0 ? 0 : console.indexOf('\n', from) + 1;
    int end = console.lastIndexOf('\n') + 1;
    if (start < end && (from == 0 || start > 0)) {
      for (String line : console.substring(start, end).lines().toList()) {
        Matcher matcher = TICK.matcher(line.strip());
        if (matcher.matches()) {
          ticks.add(Long.parseLong(matcher.group(1)));
        }
      }
    }
    return ticks;
  }

  /** The last tick, 0 before the first. */
  static long last(String console) {
    List<Long> ticks = since(console, Math.max(0, console.length() - 1000));
    return ticks.isEmpty() ? 0 : ticks.getLast();
  }

  /**
   * The guest has gone on from a whole state since a position, and in none older than one of which
   * a tick is known.
   */
  static void assertUnbroken(String console, int from, long known) {
    assertFalse(console.contains("BAD"), "the guest has found its memory wrong");
    List<Long> ticks = since(console, from);
    assertTrue(ticks.size() > 1, "the guest is silent");
    for (int i = 1; i < ticks.size(); i++) {
      assertTrue(ticks.get(i) == ticks.get(i - 1) + 1, "the count has a gap: " + ticks);
    }
    assertTrue(ticks.getFirst() > known, "it went on at " + ticks.getFirst() + " and had " + known);
  }
}
