package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.colo.FaultProxy.Fault;
import dev.pollux.tests.colo.ManagedPair.Hardware;
import dev.pollux.tests.net.Namespace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A service with disk and network in a pair that a cluster manager makes, command by command, while
 * sides are killed, frozen, cut and slowed. Its clients keep their connections all the time and
 * check every byte; in the end the disk holds every request that was acknowledged, and no other.
 */
@Timeout(7200)
class ServiceFaultTest {
  private static final int FAULTS = Integer.getInteger("pollux.pair.faults", 50);
  private static final long SEED = Long.getLong("pollux.pair.seed", 1);
  private static final boolean ALL_HARDWARE = Boolean.getBoolean("pollux.pair.hardware");

  private static final int CLIENTS = 50;

  /** So many ms pass at the most between the beginning of a pair and its fault. */
  private static final int LONGEST_LIFE = 700;

  /** Files of a disk that has become full end before this place, which clients write beyond. */
  private static final int FULL = 512 << 10;

  /** Clients that come with a pair and leave after its fault: their connections are young. */
  private static final int YOUNG = 10;

  private static final Pattern HOLDS = Pattern.compile("HOLDS (\\d+) (\\d+)");

  @TempDir private Path folder;

  /** What happens to a pair. */
  private enum Kind {
    /** Both stand still for a moment, one after the other; no failover. */
    SLOW,
    /** The connection to the secondary's disk ends, perhaps in the middle of a write. */
    CUT_DISK,
    /** The connection of the checkpoints ends anywhere in one; the primary goes on. */
    CUT,
    /** The same, and the secondary goes on. */
    CUT_FROM_PRIMARY,
    FREEZE_SECONDARY,
    FREEZE_PRIMARY,
    KILL_PRIMARY,
    KILL_SECONDARY,
    /** The primary can write its disk no more; its manager lets the secondary take over. */
    FULL_PRIMARY,
    /** Nor the secondary its own, or what it keeps of it. */
    FULL_SECONDARY
  }

  private static void happen(Kind kind, ManagedPair pair, Random random) throws Exception {
    ManagedMachine primary = pair.primary();
    ManagedMachine secondary = pair.secondary();
    switch (kind) {
      case KILL_PRIMARY -> {
        primary.machine().kill();
        pair.failOverSecondary();
      }
      case KILL_SECONDARY -> {
        secondary.machine().kill();
        pair.failOverPrimary();
      }
      case FREEZE_PRIMARY -> {
        primary.freeze();
        awaitExit(secondary, random);
        pair.failOverSecondary();
      }
      case FREEZE_SECONDARY -> {
        secondary.freeze();
        awaitExit(primary, random);
        pair.failOverPrimary();
      }
      case CUT, CUT_FROM_PRIMARY -> {
        final int mark = primary.machine().mark();
        pair.migration().arm(new Fault(FaultProxy.Kind.CUT, true, random.nextInt(1 << 20), null));
        primary.machine().await("COLO_EXIT primary error", mark);
        if (kind == Kind.CUT) {
          pair.failOverPrimary();
        } else {
          primary.freeze(); // fenced, as a manager does before the other goes on
          pair.failOverSecondary();
        }
      }
      case CUT_DISK -> {
        pair.disk().arm(new Fault(FaultProxy.Kind.CUT, true, random.nextInt(1 << 16), null));
        ManagedMachine.awaitReport(primary, "QUORUM_REPORT_BAD");
        pair.failOverPrimary();
      }
      case FULL_PRIMARY -> {
        primary.machine().limitFiles(random.nextInt(FULL));
        ManagedMachine.awaitReport(primary, "QUORUM_REPORT_BAD");
        primary.freeze();
        pair.failOverSecondary();
      }
      case FULL_SECONDARY -> {
        secondary.machine().limitFiles(random.nextInt(FULL));
        ManagedMachine.awaitReport(primary, "QUORUM_REPORT_BAD");
        pair.failOverPrimary();
      }
      case SLOW -> {
        for (ManagedMachine side : List.of(primary, secondary)) {
          side.slow(100 + random.nextInt(1200));
          ColoMachine.pause(300);
        }
      }
    }
  }

  /** Either the machine finds out itself, or the manager does not wait for that. */
  private static void awaitExit(ManagedMachine side, Random random) {
    if (random.nextBoolean()) {
      ManagedMachine.awaitReport(side, "COLO_EXIT");
    } else {
      ColoMachine.pause(500);
    }
  }

  /**
   * What a run came to.
   *
   * @param answers that clients got
   * @param longest wait of one, in ms
   * @param kinds how often each fault was played, and the longest wait of a young client, in ms
   */
  private record Run(long answers, long longest, Map<Kind, LongSummaryStatistics> kinds) {
    long failovers() {
      return kinds.entrySet().stream()
          .filter(each -> each.getKey() != Kind.SLOW)
          .mapToLong(each -> each.getValue().getCount())
          .sum();
    }

    String table(long seed, long seconds) {
      StringBuilder text = new StringBuilder();
      kinds.forEach(
          (kind, waits) ->
              text.append("%-17s %4d %6d ms%n".formatted(kind, waits.getCount(), waits.getMax())));
      return "seed %d: %d answers, %d s, longest wait %d ms; faults and longest waits of new clients:%n%s"
          .formatted(seed, answers, seconds, longest, text);
    }
  }

  private Run run(Hardware hardware, List<Kind> kinds, long seed) throws Exception {
    Random random = new Random(seed);
    long start = System.nanoTime();
    long answers = 0;
    Map<Kind, LongSummaryStatistics> waits = new EnumMap<>(Kind.class);
    try (Namespace world = Namespace.create();
        ManagedPair pair = new ManagedPair(folder, world, hardware);
        ServiceClients clients = new ServiceClients(world, pair, CLIENTS, 0)) {
      for (int i = 0; i < kinds.size(); i++) {
        Kind kind = kinds.get(i);
        try {
          ServiceClients.Result result = fault(kind, pair, world, clients, random);
          answers += result.answers();
          waits.computeIfAbsent(kind, _ -> new LongSummaryStatistics()).accept(result.longest());
          pair.primary().assertInTime();
          if ((i + 1) % 10 == 0) {
            System.out.printf(
                "%d faults of seed %d after %d s%n", i + 1, seed, millisSince(start) / 1000);
          }
        } catch (IOException | AssertionError e) {
          String what = "fault %d of seed %d, %s".formatted(i, seed, kind);
          throw new AssertionError(what + "\n" + describe(pair), e);
        }
      }
      ServiceClients.Result result = clients.end();
      if (pair.secondary() != null) {
        pair.secondary().machine().kill();
        pair.failOverPrimary();
      }
      pair.end();
      assertHolds(pair.check(pair.primary()), result.last());
      return new Run(answers + result.answers(), result.longest(), waits);
    }
  }

  /** One fault of a pair, which is made where there is none; all clients get answers afterwards. */
  private static ServiceClients.Result fault(
      Kind kind, ManagedPair pair, Namespace world, ServiceClients clients, Random random)
      throws Exception {
    if (pair.secondary() == null) {
      pair.pair();
    }
    pair.prepareNext();
    try (ServiceClients young = new ServiceClients(world, pair, YOUNG, CLIENTS)) {
      ColoMachine.pause(random.nextInt(LONGEST_LIFE));
      happen(kind, pair, random);
      clients.awaitRound();
      young.awaitRound();
      if (pair.secondary() != null) {
        pair.assertDisksAlike();
      }
      return young.end();
    }
  }

  private static long millisSince(long start) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
  }

  private static String describe(ManagedPair pair) throws IOException {
    StringBuilder all = new StringBuilder();
    for (ManagedMachine side : new ManagedMachine[] {pair.primary(), pair.secondary()}) {
      if (side != null) {
        all.append(side.machine().describe());
      }
    }
    return all.toString();
  }

  /** The disk has each client's last request, and that is the last one it has an answer to. */
  private static void assertHolds(String told, Map<Integer, Long> last) {
    Matcher matcher = HOLDS.matcher(told);
    int found = 0;
    while (matcher.find()) {
      Long expected = last.get(Integer.valueOf(matcher.group(1)));
      if (expected != null) {
        assertEquals(expected, Long.valueOf(matcher.group(2)), () -> told);
        found++;
      }
    }
    assertEquals(CLIENTS, found, told);
  }

  static Stream<Hardware> hardware() {
    Stream<Hardware> first = Stream.of(new Hardware("q35", "virtio-blk", "e1000"));
    Stream<Hardware> rest =
        Stream.of(
            new Hardware("pc", "virtio-blk", "virtio-net-pci"),
            new Hardware("pc", "virtio-blk", "e1000"),
            new Hardware("q35", "virtio-blk", "virtio-net-pci"));
    return ALL_HARDWARE ? Stream.concat(first, rest) : first;
  }

  /**
   * Start, crash and hang of either side, failback each time. {@code -Dpollux.pair.hardware=true}
   * is for more machines and cards.
   */
  @ParameterizedTest
  @MethodSource("hardware")
  void aManagerTakesAServiceThroughThreeGenerations(Hardware hardware) throws Exception {
    Run run =
        run(hardware, List.of(Kind.KILL_PRIMARY, Kind.FREEZE_PRIMARY, Kind.KILL_SECONDARY), SEED);
    assertEquals(3, run.failovers());
    assertTrue(run.answers() > CLIENTS, run::toString);
  }

  /**
   * Faults at random, {@code -Dpollux.pair.faults=} of them; {@code -Dpollux.pair.seed=} gives the
   * same again.
   */
  @Test
  void nothingIsLostOrDoneTwiceWhateverHappensToTheSides() throws Exception {
    Random random = new Random(SEED);
    List<Kind> kinds = new ArrayList<>();
    for (int i = 0; i < FAULTS; i++) {
      kinds.add(Kind.values()[i < Kind.values().length ? i : random.nextInt(Kind.values().length)]);
    }
    Collections.shuffle(kinds, random);
    long start = System.nanoTime();
    Run run = run(new Hardware("pc", "virtio-blk", "virtio-net-pci"), kinds, SEED);
    assertTrue(run.answers() > (long) CLIENTS * FAULTS, run::toString);
    System.out.println(run.table(SEED, millisSince(start) / 1000));
  }
}
