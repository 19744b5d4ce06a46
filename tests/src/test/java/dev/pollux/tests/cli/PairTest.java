package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.io.InputStream;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code pollux pair} on one machine, with a guest that notices what is lost. */
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

  @Test
  void guestSurvivesWhatHappensToEitherSide() throws Exception {
    Path socket = folder.resolve("console");
    List<String> faults =
        List.of("kill-primary", "kill-secondary", "cut-link", "freeze-primary", "kill-primary");
    List<String> words = new ArrayList<>(List.of("--console", "unix:" + socket));
    faults.forEach(fault -> words.addAll(List.of("--fault", fault)));
    Lines console = new Lines();
    try (PolluxProcess pair = pair(words.toArray(String[]::new))) {
      pair.expect("\"event\": \"starting\"", PATIENCE);
      console.readFrom(socket);
      for (String fault : faults) {
        pair.expect("\"fault\": \"%s\"".formatted(fault), PATIENCE);
        pair.expect("\"event\": \"protected\"", PATIENCE);
      }
      long seen = console.ticks().getLast();
      for (int i = 0; console.ticks().getLast() < seen + 20; i++) {
        assertTrue(i < 300, "the guest is silent");
        Thread.sleep(100);
      }
      assertEquals(
          FAILOVERS, events(pair).stream().filter(event -> event.equals("failover")).count());
      pair.process().destroy();
      pair.await(PATIENCE);
    }
    judge(console.ticks());
    assertTrue(!console.text().contains("BAD"), console.text());
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

  private static List<String> events(PolluxProcess pair) throws IOException {
    List<String> events = new ArrayList<>();
    for (String line : pair.output().lines().toList()) {
      JsonNode event = new ObjectMapper().readTree(line);
      assertTrue(event.path("time").isNumber(), line);
      events.add(event.path("event").asText());
    }
    return events;
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

  /** What a console has said, read on a thread. */
  private static final class Lines {
    private final StringBuilder text = new StringBuilder();

    void readFrom(Path socket) throws Exception {
      for (int i = 0; !Files.exists(socket); i++) {
        if (i == 300) {
          fail("no console");
        }
        Thread.sleep(20);
      }
      SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
      Thread.ofPlatform().daemon(true).start(() -> read(Channels.newInputStream(channel)));
    }

    private void read(InputStream in) {
      byte[] buffer = new byte[4096];
      try (in) {
        for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
          synchronized (text) {
            text.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
          }
        }
      } catch (IOException e) {
        // The pair has ended.
      }
    }

    String text() {
      synchronized (text) {
        return text.toString();
      }
    }

    List<Long> ticks() {
      Matcher matcher = TICK.matcher(text());
      List<Long> ticks = new ArrayList<>();
      while (matcher.find()) {
        ticks.add(Long.parseLong(matcher.group(1)));
      }
      return ticks.isEmpty() ? List.of(0L) : ticks;
    }
  }
}
