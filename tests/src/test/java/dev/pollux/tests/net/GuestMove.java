package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.tests.harness.Monitors;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Moves a running guest from one process to another that waits for it. */
final class GuestMove {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration CONNECT_PATIENCE = Duration.ofMinutes(1);
  private static final int LOOKS = 1200;
  private static final long PAUSE_MILLIS = 100;

  private GuestMove() {}

  /**
   * Moves it and waits until it runs there.
   *
   * @param from where the source's QMP server listens, for instance {@code unix:PATH}
   * @param to the same of the destination
   * @param stream path of the socket to use
   */
  static void migrate(String from, String to, Path stream) throws Exception {
    try (QmpClient source = connect(from);
        QmpClient target = connect(to)) {
      ObjectNode uri = JSON.createObjectNode().put("uri", "unix:" + stream);
      target.execute("migrate-incoming", uri);
      source.execute("migrate", uri);
      await(source, "query-migrate", "completed");
      await(target, "query-status", "running");
    }
  }

  private static QmpClient connect(String address) throws Exception {
    return Monitors.connect(address, _ -> {}, CONNECT_PATIENCE);
  }

  private static void await(QmpClient client, String command, String status) throws Exception {
    String now = "";
    for (int i = 0; i < LOOKS && !now.equals(status); i++) {
      now = client.execute(command, JSON.createObjectNode()).path("status").asText();
      TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
    }
    assertEquals(status, now, command);
  }
}
