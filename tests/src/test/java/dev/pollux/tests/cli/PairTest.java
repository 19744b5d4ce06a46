package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.junit.Guest;
import dev.pollux.junit.GuestImage;
import dev.pollux.junit.PolluxExtension;
import dev.pollux.junit.PolluxPair;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TrainedProgram;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** {@code pollux pair} on one machine, with a guest that notices what is lost. */
@ExtendWith(TrainedProgram.class)
class PairTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Pattern TICK = Pattern.compile("tick (\\d{8}) steps \\d{8} sum \\w{8} ok");

  /** Ticks that may be said twice, or never be heard of, when the primary dies. */
  private static final int MOST_LOST = 1000;

  private static final int FAILOVERS = 3;

  @TempDir private Path folder;
  private Path kernel;

  @BeforeEach
  void writeKernel() throws IOException {
    kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(256, 16));
  }

  private PolluxProcess pair(String... options) {
    List<String> words = new ArrayList<>(List.of("pair", "--json", "--delay", "50"));
    words.addAll(List.of("--folder", folder.resolve("pair").toString()));
    words.addAll(List.of(options));
    words.addAll(List.of("-m", "32", "-kernel", kernel.toString()));
    return PolluxProcess.start(words.toArray(String[]::new));
  }

  /** {@link CountingGuest}, for a pair. */
  static final class Counting implements GuestImage {
    @Override
    public List<String> options(Path folder) throws IOException {
      Path kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(256, 16));
      return List.of("-m", "32", "-kernel", kernel.toString());
    }
  }

  @Test
  @ExtendWith(PolluxExtension.class)
  @Guest(
      image = Counting.class,
      pair = {"--delay", "50"})
  void guestSurvivesWhatHappensToEitherSide(PolluxPair pair) throws Exception {
    pair.awaitProtected();
    pair.killPrimary();
    pair.awaitProtected();
    pair.killSecondary();
    pair.awaitProtected();
    pair.cutLink();
    pair.awaitProtected();
    pair.freezePrimary();
    pair.awaitProtected();
    pair.failover();
    pair.awaitProtected();
    long seen = ticks(pair.console().text()).getLast();
    pair.console().expect("tick %08d ".formatted(seen + 20), PATIENCE);
    assertEquals(
        FAILOVERS,
        pair.events().stream()
            .filter(event -> event.at("/event").asText().equals("failover"))
            .count());
    for (JsonNode event : pair.events()) {
      assertTrue(event.path("time").isNumber(), event.toString());
    }
    assertEquals("protected", pair.status().path("state").asText());
    assertEquals("running", pair.qmp("query-status").path("status").asText());
    pair.stop();
    String said = pair.console().text();
    judge(ticks(said));
    assertTrue(!said.contains("BAD"), said);
  }

  /**
   * The next number each time; at a failover again what was said since the state that was gone on
   * from, or without what was still in the process that died. The guest checks itself what it
   * holds.
   */
  private static void judge(List<Long> ticks) {
    int jumps = 0;
    for (int i = 1; i < ticks.size(); i++) {
      long step = ticks.get(i) - ticks.get(i - 1);
      String what = "%d after %d".formatted(ticks.get(i), ticks.get(i - 1));
      assertTrue(Math.abs(step) < MOST_LOST, what);
      jumps += step == 1 ? 0 : 1;
      assertTrue(jumps <= FAILOVERS, what);
    }
  }

  private static List<Long> ticks(String text) {
    List<Long> ticks = new ArrayList<>(List.of(0L));
    TICK.matcher(text).results().forEach(tick -> ticks.add(Long.parseLong(tick.group(1))));
    return ticks.size() == 1 ? ticks : ticks.subList(1, ticks.size());
  }

  @Test
  void lostGuestIsSaid() throws Exception {
    Files.writeString(kernel, "no kernel at all");
    try (PolluxProcess pair = pair()) {
      assertEquals(1, pair.await(PATIENCE), pair.output());
      assertTrue(pair.errors().contains("kernel"), pair.errors());
    }
  }

  @Test
  void refusesWhatBothSidesWouldUse() throws Exception {
    for (String option : List.of("-qmp", "-chardev", "-pidfile")) {
      String argument = option.equals("-chardev") ? "null,id=x" : "tcp:127.0.0.1:1,server=on";
      try (PolluxProcess pair = pair(option, argument)) {
        assertEquals(1, pair.await(PATIENCE), pair.output());
        assertTrue(pair.errors().contains(option + ": not in a pair"), pair.errors());
      }
    }
    try (PolluxProcess pair = pair("--fault", "kill-primry")) {
      assertEquals(1, pair.await(PATIENCE), pair.output());
      assertTrue(pair.errors().contains("kill-primary"), pair.errors());
    }
  }
}
