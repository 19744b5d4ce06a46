package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Whatever is typed, each line that comes back is a reply or an event, and the monitor goes on
 * working.
 */
class FuzzTest {
  private static final List<String> PIECES =
      List.of(
          "{",
          "}",
          "[",
          "]",
          ":",
          ",",
          "'",
          "\"",
          "\\",
          "\\u12",
          "\\ud800",
          "\n",
          " ",
          "#",
          "-",
          "0",
          "1e",
          "1.5",
          "true",
          "nul",
          "é",
          "\u0000",
          "'execute'",
          "'exec-oob'",
          "'arguments'",
          "'id'",
          "'query-status'",
          "'stop'",
          "'cont'",
          "'capabilities'",
          "'migrate-set-capabilities'",
          "'yank'",
          "'instances'",
          "{'execute':'query-qmp-schema'}",
          "{'exec-oob':'query-yank','id':1}",
          "{'execute':'migrate-set-parameters','arguments':{'max-bandwidth':");

  @Test
  void shortly() {
    run(20260615, 300);
  }

  /** Ten minutes, or as many milliseconds as the property {@code pollux.fuzz.millis} says. */
  @Tag("campaign")
  @Test
  void atLength() {
    long end = System.currentTimeMillis() + Long.getLong("pollux.fuzz.millis", 600_000);
    for (long seed = System.nanoTime(); System.currentTimeMillis() < end; seed++) {
      run(seed, 1000);
    }
  }

  private static void run(long seed, int rounds) {
    Random random = new Random(seed);
    try (TestMonitor monitor = TestMonitor.negotiated()) {
      for (int round = 0; round < rounds; round++) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(30); i > 0; i--) {
          text.append(PIECES.get(random.nextInt(PIECES.size())));
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
        for (int i = random.nextInt(3); i > 0 && bytes.length > 0; i--) {
          bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        monitor.typeBytes(bytes);
        if (round % 10 == 9) {
          assertWorks(monitor, "seed %d, round %d".formatted(seed, round), round);
        }
      }
    }
  }

  /** A control character ends whatever the input has begun; then a command must be answered. */
  private static void assertWorks(TestMonitor monitor, String where, int round) {
    monitor.typeBytes(new byte[] {1, '\n', 1, '\n'});
    monitor.type("{'execute':'query-name','id':'check " + round + "'}");
    JsonNode message = monitor.read();
    while (!message.path("id").asText().equals("check " + round)) {
      message = monitor.read();
    }
    assertEquals("{\"name\":\"tested\"}", message.path("return").toString(), where);
  }
}
