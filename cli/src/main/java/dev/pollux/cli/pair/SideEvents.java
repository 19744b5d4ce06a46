package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;

/** Tells what the events of a side's monitor mean for the pair. The deciding thread. */
final class SideEvents {
  /** What may have happened. */
  interface Listener {
    /** The primary's migration has come to a state that may matter. */
    void migrates(String status) throws IOException;

    /** A job has its copy follow, or has failed; without an error the error is empty. */
    void copied(String job, String error) throws IOException;

    /** The guest was told that it is written, because one of the two sides has done that. */
    void missedWrite(String node, String error) throws IOException;

    /** COLO has ended with an error on that side. */
    void broken(Side of) throws IOException;

    /** The primary's guest runs. */
    void runs(Side primary);

    void guestEnds(String reason);

    /** Something else of the guest's that people are told. */
    void guest(String event, String sentence);
  }

  private final Listener to;

  SideEvents(Listener to) {
    this.to = to;
  }

  /** Takes an event of the side that runs the guest. */
  void ofPrimary(Side side, JsonNode event) throws IOException {
    JsonNode data = event.path("data");
    switch (event.path("event").asText()) {
      case "MIGRATION" -> to.migrates(data.path("status").asText());
      case "BLOCK_JOB_READY" -> to.copied(data.path("device").asText(), "");
      case "BLOCK_JOB_COMPLETED" -> {
        if (data.has("error")) {
          to.copied(data.path("device").asText(), data.path("error").asText());
        }
      }
      case "QUORUM_REPORT_BAD" -> {
        if (!data.path("type").asText().equals("read")) {
          to.missedWrite(data.path("node-name").asText(), data.path("error").asText());
        }
      }
      case "RESUME" -> to.runs(side);
      case "SHUTDOWN" -> to.guestEnds(data.path("reason").asText());
      case "RESET" -> to.guest("reset", "the guest was reset");
      case "GUEST_PANICKED" -> to.guest("panicked", "the guest has panicked");
      default -> ofEither(side, event);
    }
  }

  /** Takes an event of the other side, or of one that is neither any more. */
  void ofEither(Side side, JsonNode event) throws IOException {
    if (event.path("event").asText().equals("COLO_EXIT")
        && event.at("/data/reason").asText().equals("error")) {
      to.broken(side);
    }
  }
}
