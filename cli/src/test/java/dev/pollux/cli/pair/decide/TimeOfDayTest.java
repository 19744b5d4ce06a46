package dev.pollux.cli.pair.decide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * A host whose time of day is set, or steps, decides as before: what decides and what carries it
 * out never asks for it. Their clock is the argument of {@link Decider#on}, which the simulation
 * lets run apart on both sides.
 */
class TimeOfDayTest {
  private static final List<String> CLOCKS =
      List.of("currentTimeMillis", "java/time/Instant", "java/time/Clock", "java/util/Date");

  @Test
  void nobodyAsksForTheTimeOfDay() throws IOException, URISyntaxException {
    Path classes =
        Path.of(Decider.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    List<String> found = new ArrayList<>();
    int read = 0;
    for (String part : List.of("decide", "host", "ledger")) {
      try (Stream<Path> files = Files.list(classes.resolve("dev/pollux/cli/pair/" + part))) {
        for (Path file : files.toList()) {
          String text = Files.readString(file, StandardCharsets.ISO_8859_1);
          read++;
          CLOCKS.stream().filter(text::contains).forEach(c -> found.add(file + ": " + c));
        }
      }
    }
    assertTrue(read > 30, "only " + read);
    assertEquals(List.of(), found);
  }
}
