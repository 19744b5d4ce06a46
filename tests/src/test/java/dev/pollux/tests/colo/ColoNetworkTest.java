package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.net.Namespace;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A pair's clients notice nothing when a side is killed: not one byte is other than expected. */
@Timeout(value = 1, unit = TimeUnit.HOURS)
class ColoNetworkTest {
  private static final int BYTES = 3 << 20;
  private static final int CLIENTS = 6;
  private static final int FAULTS = Integer.getInteger("colo.network.faults", 2);
  private static final int CHECKPOINTS = Integer.getInteger("colo.network.checkpoints", 20);
  private static final int SEED = Integer.getInteger("colo.network.seed", 1);

  @TempDir private Path folder;
  private Path file;
  private Namespace world;

  @BeforeEach
  void prepare() throws Exception {
    Namespace.needs("curl");
    byte[] bytes = new byte[BYTES];
    new Random(1).nextBytes(bytes);
    file = Files.write(folder.resolve("file"), bytes);
  }

  /**
   * Faults of either side, with a new secondary after each, and downloads all the time. {@code
   * -Dcolo.network.faults=} is how many.
   */
  @Test
  void downloadsGoOnThroughFailovers() throws Exception {
    Random random = new Random(SEED);
    try (Namespace namespace = Namespace.create();
        NetworkedPair pair = new NetworkedPair(folder, namespace, Map.of("file", file), true)) {
      world = namespace;
      assertDownloads(pair::pair);
      for (int i = 0; i < FAULTS; i++) {
        assertDownloads(() -> {});
        JsonNode compared = pair.comparison();
        assertTrue(compared.path("alike").asInt() > 0, compared::toString);
        boolean primary = i < 2 ? i == 1 : random.nextBoolean();
        String signal = i < 2 || random.nextBoolean() ? "KILL" : "STOP";
        assertDownloads(() -> pair.fail(primary, signal));
        if (i + 1 < FAULTS) {
          pair.pair();
        }
      }
      assertDownloads(() -> {});
    }
  }

  /** Checkpoints while both sides' cards send and receive all the time, and nobody fails. */
  @Test
  void checkpointsPassUnderLoad() throws Exception {
    try (Namespace namespace = Namespace.create();
        NetworkedPair pair = new NetworkedPair(folder, namespace, Map.of("file", file), true)) {
      world = namespace;
      pair.pair();
      pair.primary().run("migrate-set-parameters", "{'x-checkpoint-delay':300}");
      for (int round = 0; round < 20 && checkpoints(pair) < CHECKPOINTS; round++) {
        assertDownloads(() -> {});
      }
      assertTrue(checkpoints(pair) >= CHECKPOINTS, () -> pair.primary().process().errors());
      assertTrue(framesToGuest(pair.primary()) > 1000);
      assertTrue(framesToGuest(pair.secondary()) > 1000);
    }
  }

  private static long checkpoints(NetworkedPair pair) throws IOException, CommandFailed {
    return pair.primary().run("x-pollux-query-colo-statistics").path("checkpoints").asLong();
  }

  private static long framesToGuest(ColoMachine side) throws IOException, CommandFailed {
    JsonNode card = side.run("x-pollux-query-networks").path(0);
    return card.path("to-guest").path("frames").asLong();
  }

  @FunctionalInterface
  private interface Fault {
    void happen() throws Exception;
  }

  private void assertDownloads(Fault fault) throws Exception {
    List<Process> clients = new ArrayList<>();
    for (int i = 0; i < CLIENTS; i++) {
      String url = "http://%s/file".formatted(NetworkedPair.ADDRESS);
      String rate = Integer.toString(BYTES / 3 + i * 50_000);
      String output = folder.resolve("got" + i).toString();
      clients.add(world.start("curl", "-sS", "-m", "100", "--limit-rate", rate, "-o", output, url));
    }
    Thread.sleep(1000);
    fault.happen();
    for (int i = 0; i < CLIENTS; i++) {
      Process client = clients.get(i);
      assertTrue(client.waitFor(110, TimeUnit.SECONDS), "a client has not ended");
      String said = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, client.exitValue(), said);
      assertEquals(-1, Files.mismatch(file, folder.resolve("got" + i)));
    }
  }
}
