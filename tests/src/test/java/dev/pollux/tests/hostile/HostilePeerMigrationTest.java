package dev.pollux.tests.hostile;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.tests.harness.JavaCommand;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Runs {@link HostilePeerCampaign}: a few cases, or with {@code -Dhostile.peers.seconds} many, from
 * {@code -Dhostile.peers.seed} on.
 */
class HostilePeerMigrationTest {
  private static final long SEED = Long.getLong("hostile.peers.seed", 1);
  private static final long SECONDS = Long.getLong("hostile.peers.seconds", 0);
  private static final long FEW_CASES = 40;

  @Test
  void noPeerHurtsAMigration() throws IOException, InterruptedException {
    List<String> command =
        JavaCommand.of(
            "-Xmx64m",
            "-XX:MaxDirectMemorySize=64m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=off");
    command.add(HostilePeerCampaign.class.getName());
    command.add(Long.toString(SEED));
    command.add(Long.toString(SECONDS == 0 ? 300 : SECONDS));
    command.add(Long.toString(SECONDS == 0 ? FEW_CASES : Long.MAX_VALUE));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    System.out.println(output.lines().reduce((_, last) -> last).orElse(""));
  }
}
