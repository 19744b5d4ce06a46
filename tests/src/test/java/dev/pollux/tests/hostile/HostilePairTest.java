package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.tests.colo.Footprint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Either side of a pair, in a process with a small heap, has to do with peers that mean harm, in
 * every state of a pair: its guest goes on, its monitor answers all the time, and it does not grow.
 *
 * <p>{@code -Dhostile.pair.seconds=3600} makes it a campaign, {@code -Dhostile.pair.seed=n} begins
 * with another attack; a failure names the attack, which {@code -Dhostile.pair.seconds=1} shows
 * alone.
 */
class HostilePairTest {
  private static final long SECONDS = Long.getLong("hostile.pair.seconds", 20);
  private static final long SEED = Long.getLong("hostile.pair.seed", 1);

  /** A new process for each attack on a secondary: one such attack in so many. */
  private static final int SECONDARIES = 6;

  /** What a process may come to need more of from the tenth attack on. */
  private static final long GROWTH_KIBIBYTES = 64 << 10;

  private static final int WARM = 10;

  @TempDir private Path folder;

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void noPeerHarmsTheOtherSide() throws Exception {
    List<String> jvmOptions = List.of("-Xmx64m", "-XX:+ExitOnOutOfMemoryError");
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(512, 64));
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
    long number = SEED;
    try (AttackedPrimary primary = new AttackedPrimary(folder, kernel, jvmOptions)) {
      AttackedSecondary.Recording recording = primary.record();
      Footprint warm = primary.footprint();
      do {
        Random random = new Random(number * 0x9e37_79b9_7f4a_7c15L);
        String attack = "";
        try {
          if (number % SECONDARIES == 0) {
            try (AttackedSecondary secondary =
                new AttackedSecondary(folder, kernel, jvmOptions, number)) {
              attack = secondary.attack(recording, random);
            }
          } else {
            attack = primary.attack(random);
            assertNothingIsLeft(primary, warm);
          }
        } catch (AssertionError | Exception e) {
          throw new AssertionError(
              "-Dhostile.pair.seconds=1 -Dhostile.pair.seed=%d %s\n%s"
                  .formatted(number, attack, primary.describe()),
              e);
        }
        if (number - SEED == WARM) {
          warm = primary.footprint();
        }
        number++;
      } while (System.nanoTime() < end);
      Footprint now = primary.footprint();
      System.out.printf(
          "hostile peers: %d attacks from %d on, %d KiB after %d, %d KiB now%n",
          number - SEED, SEED, warm.kibibytes(), WARM, now.kibibytes());
      assertTrue(now.kibibytes() < warm.kibibytes() + GROWTH_KIBIBYTES, warm + " became " + now);
      primary.quit();
    }
  }

  private static void assertNothingIsLeft(AttackedPrimary primary, Footprint before) {
    Footprint now = primary.footprint();
    for (int i = 0; i < 100 && !before.isLeftBy(now); i++) {
      HostileLink.pause(50);
      now = primary.footprint();
    }
    assertEquals(List.of(), now.migrationThreads());
    assertEquals(before.sockets(), now.sockets(), "sockets");
    assertTrue(now.descriptors() <= before.descriptors() + 4, "descriptors " + now);
  }
}
