package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** How sides end. */
final class Farewell {
  /** A side that is to end is waited for so long. */
  static final long SECONDS = 5;

  /** Added to the number of the signal that ended a process. */
  private static final int SIGNALLED = 128;

  private Farewell() {}

  /**
   * Has a side end by itself.
   *
   * @return its exit status, {@code failure} if it does not end
   */
  static int quit(Side side, int failure) {
    side.tell("quit", JsonNodeFactory.instance.objectNode());
    try {
      return side.process().onExit().get(SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      return failure;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return failure;
    }
  }

  /** What a status says, in words. */
  static String words(Side side, int status) throws IOException {
    return status > SIGNALLED
        ? "signal " + (status - SIGNALLED)
        : "exit status %d, %s".formatted(status, side.process().lastWords());
  }
}
