package dev.pollux.cli.pair.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.pair.PairReport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What people see of a pair in a terminal, from states that were recorded. */
class LiveTableTest {
  private static final JsonNode NONE = PairReport.details();

  /** As a pair with Linux and a network has answered. */
  private static final JsonNode PRIMARY =
      json(
          "{'checkpoints':1234,'causes':[{'cause':'network','checkpoints':200},"
              + "{'cause':'timer','checkpoints':1034},{'cause':'disk','checkpoints':0}],"
              + "'median-stop':2100,'percentile99-stop':9000,'longest-stop':31250,"
              + "'pages':45678,'bytes':129394278,'lag':120}");

  private static final JsonNode SECONDARY =
      json(
          "{'checkpoints':1233,'median-stop':900,'percentile99-stop':1500,'longest-stop':2000,'lag':87}");

  private static JsonNode json(String text) {
    try {
      return new ObjectMapper().readTree(text.replace('\'', '"'));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static PairView pair() {
    return new PairView(
        "protected",
        "a",
        "b",
        PRIMARY,
        SECONDARY,
        List.of(new PairView.Network("n0", 812, 40, 3, 0)),
        List.of(new PairView.Disk("disk0", true, 0, 0)));
  }

  @Test
  void pairThatIsProtected() {
    assertEquals(
        """
        state       protected: a runs the guest, b would go on
        checkpoints 1234: timer 1034, network 200
        sent        123.4 MiB, 45678 pages
        stops       primary 2.1 ms, 99 % below 9.0 ms, longest 31.3 ms
                    copy    0.9 ms, 99 % below 1.5 ms, longest 2.0 ms
        lag         87 ms
        network     n0: 812 packets alike, 40 with a checkpoint, 3 held, 0 dropped
        disk        disk0: in sync
        """
            .strip(),
        String.join("\n", LiveTable.lines(pair())));
    assertEquals("pollux: protected, 1233 checkpoints, lag 87 ms", LiveTable.title(pair()));
  }

  @Test
  void disksThatAreBeingCopied() {
    PairView view =
        new PairView(
            "syncing",
            "c",
            "d",
            NONE,
            NONE,
            List.of(),
            List.of(
                new PairView.Disk("root", false, 1932735284L, 4294967296L),
                new PairView.Disk("data", false, 0, 0)));
    assertEquals(
        """
        state       syncing: c runs the guest, d is being made its copy
        disk        root: 45 % copied, 1843 of 4096 MiB
        disk        data: no copy
        """
            .strip(),
        String.join("\n", LiveTable.lines(view)));
  }

  @Test
  void sideOfTwoHostsKnowsItsOwnStatisticsOnly() {
    List<String> copy = LiveTable.lines(PairView.of("copy", NONE, SECONDARY));
    assertEquals("state       copy", copy.getFirst());
    assertTrue(copy.get(1).startsWith("stops       copy    0.9 ms"), copy.get(1));
    assertEquals(4, LiveTable.lines(PairView.of("running", PRIMARY, NONE)).size());
  }

  @Test
  void tableDoesNotGrowWithTheMachine() {
    List<PairView.Disk> disks =
        IntStream.range(0, 100).mapToObj(i -> new PairView.Disk("disk" + i, true, 0, 0)).toList();
    List<String> lines =
        LiveTable.lines(new PairView("alone", "a", "", NONE, NONE, List.of(), disks));
    assertEquals(6, lines.size());
    assertEquals("            and 96 more", lines.getLast());
  }

  @Test
  void tableIsDrawnInItsPlaceAndSentencesAboveIt() {
    ByteArrayOutputStream screen = new ByteArrayOutputStream();
    PairReport report =
        new PairReport(
            System.out,
            new PrintStream(screen, true, StandardCharsets.UTF_8),
            false,
            true,
            List.of());
    PairView alone = PairView.of("alone", NONE, NONE);
    report.progress(alone);
    report.progress(alone);
    report.event("failover", "b takes over", PairReport.details());
    report.progress(alone);
    String table = "\033[?7lstate       alone\n\033[?7h";
    assertEquals(
        table + "\r\033[1A\033[J" + table + "\r\033[1A\033[J" + "pollux: b takes over\n" + table,
        screen.toString(StandardCharsets.UTF_8));
  }

  @Test
  void programsGetLinesOfJsonOnly() throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream people = new ByteArrayOutputStream();
    PairReport report =
        new PairReport(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(people, true, StandardCharsets.UTF_8),
            true,
            true,
            List.of());
    report.progress(pair());
    assertEquals("", people.toString(StandardCharsets.UTF_8));
    JsonNode line = new ObjectMapper().readTree(out.toString(StandardCharsets.UTF_8));
    assertEquals("status", line.path("event").asText());
    assertEquals("protected", line.path("state").asText());
    assertEquals(1234, line.at("/primary/checkpoints").asLong());
    assertEquals(3, line.at("/networks/0/held").asLong());
    assertTrue(line.at("/disks/0/in-sync").asBoolean());
  }
}
