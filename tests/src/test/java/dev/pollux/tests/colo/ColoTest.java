package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pairs as managers drive them, over QMP; upstream's eight variants first. */
@Timeout(180)
class ColoTest {
  private static final String YANK = "{'instances':[{'type':'migration'}]}";

  @TempDir private Path folder;

  /** The connection is cut by yank, the survivor told to take over. */
  @ParameterizedTest(name = "multifd {0}, {1} survives, during a checkpoint {2}")
  @CsvSource({
    "false, primary, false",
    "false, primary, true",
    "false, secondary, false",
    "false, secondary, true",
    "true, primary, false",
    "true, primary, true",
    "true, secondary, false",
    "true, secondary, true"
  })
  void survives(boolean multifd, String who, boolean during) throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(multifd, 100))) {
      pair.start(3);
      ColoMachine survivor = who.equals("primary") ? pair.primary() : pair.secondary();
      if (during) {
        pair.secondary().await("STOP", pair.secondary().mark());
      }
      final int mark = survivor.mark();
      survivor.runOutOfBand("yank", YANK);
      survivor.run("x-colo-lost-heartbeat");
      int resumed = survivor.await("RESUME", survivor.await("MIGRATION completed", mark));
      assertEquals(
          List.of("COLO_EXIT " + who + " error"),
          survivor.eventsSince(mark).stream().filter(e -> e.startsWith("COLO_EXIT")).toList(),
          "told once");
      assertEquals(List.of(), survivor.eventsSince(resumed));
      assertGoesOn(survivor, who);
      // The other side has seen the connection break, and waits for its manager.
      ColoMachine other = survivor == pair.primary() ? pair.secondary() : pair.primary();
      other.await(
          "COLO_EXIT %s error".formatted(who.equals("primary") ? "secondary" : "primary"), 0);
      assertEquals("colo", other.migrationStatus());
      other.quit();
      survivor.quit();
    }
  }

  /** The survivor runs, is no part of a pair any more, and its guest is whole. */
  private static void assertGoesOn(ColoMachine survivor, String lastMode)
      throws IOException, CommandFailed {
    int from = survivor.console().length();
    survivor.awaitTicks(from, 10);
    CountedTicks.assertUnbroken(survivor.console(), from, 0);
    JsonNode status = survivor.run("query-colo-status");
    assertEquals("none", status.path("mode").asText());
    assertEquals(lastMode, status.path("last-mode").asText());
    assertEquals("request", status.path("reason").asText());
    assertEquals("completed", survivor.migrationStatus());
    assertEquals("running", survivor.run("query-status").path("status").asText());
    assertEquals(
        "The feature 'colo' is not enabled",
        assertThrows(CommandFailed.class, () -> survivor.run("x-colo-lost-heartbeat"))
            .getMessage());
  }

  @Test
  void eventsComeInTheirOrder() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 60_000))) {
      pair.start(0);
      ColoMachine p = pair.primary();
      ColoMachine s = pair.secondary();
      assertEquals(
          List.of("MIGRATION setup", "MIGRATION active", "MIGRATION colo", "RESUME"),
          s.eventsSince(0));
      List<String> start =
          p.eventsSince(0).stream()
              .dropWhile(e -> !e.startsWith("MIGRATION"))
              .filter(e -> !e.startsWith("MIGRATION_PASS"))
              .toList();
      assertEquals(
          List.of(
              "MIGRATION setup",
              "MIGRATION active",
              "STOP",
              "MIGRATION device",
              "MIGRATION colo",
              "RESUME"),
          start);
      JsonNode status = p.run("query-colo-status");
      assertEquals("primary", status.path("mode").asText());
      assertEquals("none", status.path("last-mode").asText());
      assertEquals("none", status.path("reason").asText());
      assertEquals("secondary", s.run("query-colo-status").path("mode").asText());
      assertEquals("{\"status\":\"colo\"}", p.run("query-migrate").toString());
      for (ColoMachine machine : List.of(p, s)) {
        assertTrue(machine.run("query-yank").toString().contains("{\"type\":\"migration\"}"));
      }

      int atPrimary = p.mark();
      int atSecondary = s.mark();
      p.run("xen-colo-do-checkpoint");
      s.await("RESUME", atSecondary);
      assertEquals(List.of("STOP", "RESUME"), s.eventsSince(atSecondary));
      List<String> checkpoint = p.eventsSince(atPrimary);
      assertEquals(List.of("STOP", "RESUME"), checkpoint.subList(0, 2));
      assertTrue(checkpoint.get(2).startsWith("MIGRATION_PASS"), checkpoint::toString);
      p.awaitThat("checkpoint counted", () -> count(p) == 1);

      // Setting the delay is a call for a checkpoint, too.
      atSecondary = s.mark();
      p.run("migrate-set-parameters", "{'x-checkpoint-delay':60000}");
      s.await("RESUME", atSecondary);
      p.awaitThat("checkpoint counted", () -> count(p) == 2);
      JsonNode causes = p.run("x-pollux-query-colo-statistics").path("causes");
      assertEquals(
          "[{\"cause\":\"parameter\",\"checkpoints\":1},{\"cause\":\"command\",\"checkpoints\":1}]",
          causes.toString());

      // Capabilities and a second migration are refused meanwhile.
      String inProgress = "There's a migration process in progress";
      for (ColoMachine machine : List.of(p, s)) {
        assertEquals(
            inProgress,
            assertThrows(
                    CommandFailed.class,
                    () ->
                        machine.run(
                            "migrate-set-capabilities",
                            "{'capabilities':[{'capability':'events','state':false}]}"))
                .getMessage());
      }
      assertEquals(
          inProgress,
          assertThrows(CommandFailed.class, () -> p.run("migrate", "{'uri':'tcp:127.0.0.1:1'}"))
              .getMessage());

      // Failover without yank: asked for, so said; the peer sees the connection break.
      atPrimary = p.mark();
      p.run("x-colo-lost-heartbeat");
      p.await("RESUME", atPrimary);
      assertEquals(
          List.of("STOP", "MIGRATION completed", "COLO_EXIT primary request", "RESUME"),
          p.eventsSince(atPrimary));
      s.await("COLO_EXIT secondary error", 0);
      atSecondary = s.mark();
      s.run("x-colo-lost-heartbeat");
      s.await("RESUME", atSecondary);
      assertEquals(List.of("STOP", "MIGRATION completed", "RESUME"), s.eventsSince(atSecondary));
      assertGoesOn(s, "secondary");
      s.quit();
      p.quit();
    }
  }

  private static long count(ColoMachine machine) {
    try {
      return machine.checkpoints();
    } catch (IOException | CommandFailed e) {
      throw new IllegalStateException(e);
    }
  }

  /** A pause and a reset of the primary are state that checkpoints carry. */
  @Test
  void secondaryFollowsPauseAndReset() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 50))) {
      pair.start(2);
      ColoMachine p = pair.primary();
      ColoMachine s = pair.secondary();
      p.run("cont"); // while it runs: nothing
      p.run("stop");
      s.awaitThat("paused", () -> state(s).equals("paused"));
      assertEquals("paused", state(p), "checkpoints go on, the guest does not");
      long loaded = s.checkpoints();
      s.awaitThat("checkpoints", () -> count(s) > loaded + 2);
      p.run("cont");
      s.awaitThat("running", () -> state(s).equals("running"));

      p.awaitTicks(p.console().length(), 20);
      final long before = CountedTicks.last(p.console()) / 2;
      int mark = s.mark();
      int from = s.console().length();
      p.run("system_reset");
      s.awaitThat(
          "counting anew",
          () -> CountedTicks.since(s.console(), from).stream().anyMatch(tick -> tick < before));
      assertFalse(s.eventsSince(mark).toString().contains("RESET"));
      p.kill();
      s.await("COLO_EXIT secondary error", 0);
      s.run("x-colo-lost-heartbeat");
      s.await("RESUME", s.await("MIGRATION completed", 0));
      assertGoesOn(s, "secondary");
      s.quit();
    }
  }

  private static String state(ColoMachine machine) {
    try {
      return machine.run("query-status").path("status").asText();
    } catch (IOException | CommandFailed e) {
      throw new IllegalStateException(e);
    }
  }

  /** The survivor pairs up again, the former secondary as the primary. */
  @Test
  void pairsAgainAfterFailover() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 50))) {
      pair.start(3);
      pair.primary().kill();
      ColoMachine survivor = pair.secondary();
      survivor.await("COLO_EXIT secondary error", 0);
      survivor.run("x-colo-lost-heartbeat");
      survivor.await("RESUME", survivor.await("MIGRATION completed", 0));
      assertGoesOn(survivor, "secondary");
      try (ColoMachine next =
          new ColoMachine(
              "next",
              folder,
              "-m",
              "16",
              "-kernel",
              folder.resolve("guest").toString(),
              "-incoming",
              "defer")) {
        pair.configure(next);
        next.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0'}");
        String port =
            next.run("query-migrate").path("socket-address").path(0).path("port").asText();
        int mark = next.mark();
        survivor.run("migrate", "{'uri':'tcp:127.0.0.1:%s'}".formatted(port));
        for (int i = 0; i < 4; i++) {
          mark = next.await("RESUME", mark);
        }
        JsonNode status = survivor.run("query-colo-status");
        assertEquals("primary", status.path("mode").asText());
        assertEquals("secondary", status.path("last-mode").asText());
        survivor.kill();
        next.await("COLO_EXIT secondary error", 0);
        next.run("x-colo-lost-heartbeat");
        next.await("RESUME", next.await("MIGRATION completed", 0));
        assertGoesOn(next, "secondary");
        next.quit();
      }
    }
  }

  /** A machine in COLO ends at once when it is told to, and its peer notices at once. */
  @Test
  void quitsPromptly() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 20))) {
      pair.start(3);
      assertTrue(pair.primary().checkpoints() > 0);
      pair.secondary().quit();
      pair.primary().await("COLO_EXIT primary error", 0);
      int from = pair.primary().console().length();
      pair.primary().awaitTicks(from, 5);
      CountedTicks.assertUnbroken(pair.primary().console(), from, 0);
      // The next secondary is a new process; this time the primary is told to end.
      pair.primary().run("x-colo-lost-heartbeat");
      pair.primary().await("MIGRATION completed", 0);
      pair.startSecondary("other");
      pair.join(pair.primary(), pair.listen());
      pair.awaitCheckpoints(3);
      pair.primary().quit();
      pair.secondary().await("COLO_EXIT secondary error", 0);
      pair.secondary().quit();
    }
  }

  /** Without x-colo at the destination nothing begins, and the source's guest goes on. */
  @Test
  void needsBothSides() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 100))) {
      ColoMachine p = pair.primary();
      ColoMachine s = pair.secondary();
      p.awaitTicks(0, 3);
      s.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0','exit-on-error':false}");
      String port = s.run("query-migrate").path("socket-address").path(0).path("port").asText();
      pair.configure(p);
      p.run("migrate", "{'uri':'tcp:127.0.0.1:%s'}".formatted(port));
      p.await("MIGRATION failed", 0);
      String reason = s.run("query-migrate").path("error-desc").asText();
      assertTrue(reason.contains("x-colo"), reason);
      int from = p.console().length();
      p.awaitTicks(from, 3);
      CountedTicks.assertUnbroken(p.console(), from, 0);
      p.quit();
    }
  }

  /** QMP answers at once all the time, and cont changes nothing. */
  @Test
  void monitorAnswersAtOnceDuringCheckpoints() throws Exception {
    try (ColoPair pair = new ColoPair(folder, new ColoPair.Settings(false, 1))) {
      pair.start(5);
      long[] nanos = new long[400];
      for (int i = 0; i < nanos.length; i++) {
        ColoMachine machine = i % 2 == 0 ? pair.primary() : pair.secondary();
        long start = System.nanoTime();
        machine.run("query-status");
        nanos[i] = System.nanoTime() - start;
        try {
          machine.run("cont");
        } catch (CommandFailed e) {
          assertTrue(e.getMessage().contains("checkpoint"), e.getMessage());
        }
      }
      Arrays.sort(nanos);
      // The host may be busy with other things now and then.
      assertTrue(nanos[nanos.length * 9 / 10] < 100_000_000, () -> "slow: " + nanos[360]);
      assertTrue(pair.primary().checkpoints() > 5);
      ColoMachine s = pair.secondary();
      pair.primary().kill();
      s.await("COLO_EXIT secondary error", 0);
      s.run("x-colo-lost-heartbeat");
      s.await("RESUME", s.await("MIGRATION completed", 0));
      assertGoesOn(s, "secondary");
      assertFalse(s.process().errors().contains("internal error"), s.process()::errors);
      s.quit();
    }
  }
}
