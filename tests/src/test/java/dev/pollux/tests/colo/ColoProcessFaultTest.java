package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.colo.FaultProxy.AtMessage;
import dev.pollux.tests.colo.FaultProxy.Fault;
import dev.pollux.tests.colo.FaultProxy.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Processes that die or freeze, at any step of a checkpoint. */
@Timeout(120)
class ColoProcessFaultTest {
  private static final int DELAY = 50;

  @TempDir private Path folder;

  /**
   * The primary is killed when a message of the secondary has come by, or some memory after it.
   *
   * @param code of the message, 0 for any moment
   */
  @ParameterizedTest(name = "message {0}, {1} bytes after")
  @CsvSource({"0, 0", "2, 0", "2, 30000", "2, 900000", "5, 0", "6, 0"})
  void secondarySurvivesKillOfPrimary(int code, long after) throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, DELAY))) {
      pair.primary().awaitTicks(0, 3);
      try (FaultProxy proxy = new FaultProxy(pair.listen())) {
        pair.join(pair.primary(), proxy.port());
        final long known = knownTick(pair);
        // The connection stalls where the primary dies, so that not a byte more comes through.
        proxy.arm(
            new Fault(Kind.STALL, true, after, code == 0 ? null : new AtMessage(code, false)));
        proxy.happened().get(30, TimeUnit.SECONDS);
        pair.primary().kill();
        proxy.cut();
        ColoMachine survivor = pair.secondary();
        survivor.await("COLO_EXIT secondary error", 0);
        takeOver(survivor, known);
        survivor.quit();
      }
    }
  }

  /** Either process stops without a word; the other notices, takes over, and ends well. */
  @ParameterizedTest
  @ValueSource(strings = {"primary", "secondary"})
  void noticesFrozenPeer(String frozen) throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, DELAY))) {
      pair.start(2);
      final long known = knownTick(pair);
      boolean primaryFreezes = frozen.equals("primary");
      ColoMachine victim = primaryFreezes ? pair.primary() : pair.secondary();
      ColoMachine survivor = primaryFreezes ? pair.secondary() : pair.primary();
      signal("STOP", victim);
      long start = System.nanoTime();
      survivor.await("COLO_EXIT %s error".formatted(primaryFreezes ? "secondary" : "primary"), 0);
      long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
      assertTrue(millis < 10_000, "noticed after " + millis + " ms");
      takeOver(survivor, known);
      // Woken again, the other one learns that it is alone.
      signal("CONT", victim);
      victim.await("COLO_EXIT %s error".formatted(frozen), 0);
      victim.quit();
      survivor.quit();
    }
  }

  /** A tick that the secondary's state has behind it. */
  private static long knownTick(ColoPair pair) {
    long tick = CountedTicks.last(pair.primary().console());
    pair.awaitCheckpoints(3);
    return tick;
  }

  private static void takeOver(ColoMachine survivor, long known) throws Exception {
    int mark = survivor.mark();
    survivor.run("x-colo-lost-heartbeat");
    survivor.await("RESUME", mark);
    int from = survivor.console().length();
    survivor.awaitTicks(from, 10);
    CountedTicks.assertUnbroken(survivor.console(), from, known);
  }

  private static void signal(String name, ColoMachine machine)
      throws IOException, InterruptedException {
    int status =
        new ProcessBuilder("kill", "-" + name, Long.toString(machine.process().process().pid()))
            .inheritIO()
            .start()
            .waitFor();
    assertTrue(status == 0, "kill -" + name);
  }
}
