package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** The commands that a {@link QmpSession} can run. */
public interface QmpCommands {
  /** One of them. */
  interface Entry {
    boolean allowsOutOfBand();

    /** Whether it may, and only it may, come before negotiation is complete. */
    boolean isNegotiation();

    /**
     * Runs the command: on {@link QmpCommands#loop()}, or on the monitor's thread out of band.
     *
     * @return its reply; where it takes its time it completes later, on any thread. A {@link
     *     QmpException} as its failure is the error that the client gets, any other a bug, which is
     *     reported as an error, too
     * @throws QmpException as that failure
     */
    CompletableFuture<JsonNode> run(ObjectNode arguments, QmpSession session) throws QmpException;
  }

  /**
   * The command of this name.
   *
   * @throws QmpException if there is one that policy forbids
   */
  Optional<Entry> find(String name) throws QmpException;

  /** Runs in-band commands, one after the other. */
  Executor loop();

  /** The value of {@code version} in the greeting. */
  JsonNode version();
}
