package dev.pollux.tests.harness;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;

/** Monitors of processes that tests have started. */
public final class Monitors {
  private static final long PAUSE_MILLIS = 50;
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private Monitors() {}

  /** Connects as soon as somebody listens, for up to a minute. */
  public static QmpClient connect(Path socket, Consumer<JsonNode> onEvent)
      throws IOException, InterruptedException {
    return connect("unix:" + socket, onEvent, PATIENCE);
  }

  /**
   * Connects as soon as somebody listens: a socket is there before that.
   *
   * @param target as {@link QmpClient#connect} has it
   */
  public static QmpClient connect(String target, Consumer<JsonNode> onEvent, Duration patience)
      throws IOException, InterruptedException {
    long end = System.nanoTime() + patience.toNanos();
    while (true) {
      try {
        return QmpClient.connect(target, onEvent);
      } catch (IOException e) {
        if (System.nanoTime() > end) {
          throw e;
        }
        Thread.sleep(PAUSE_MILLIS);
      }
    }
  }
}
