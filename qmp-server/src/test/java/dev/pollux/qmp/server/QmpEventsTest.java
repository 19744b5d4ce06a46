package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.qmp.protocol.JsonWriter;
import dev.pollux.qmp.protocol.QmpMessages;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class QmpEventsTest {
  private final List<String> sent = new ArrayList<>();
  private final ArrayDeque<Runnable> timers = new ArrayDeque<>();
  private final EventLimiter limiter =
      new EventLimiter(
          message -> sent.add(message.at("/data/n").asText()), (task, _) -> timers.add(task));

  private void emit(String node, int n) {
    limiter.limit(
        "QUORUM_REPORT_BAD",
        JsonNodeFactory.instance.textNode(node),
        QmpMessages.event(
            "QUORUM_REPORT_BAD", JsonNodeFactory.instance.objectNode().put("n", n), Instant.EPOCH));
  }

  @Test
  void theFirstIsSentAtOnceAndOfTheRestTheLastAtTheEndOfTheSecond() {
    emit("a", 1);
    emit("a", 2);
    emit("a", 3);
    emit("b", 4);
    assertEquals(List.of("1", "4"), sent);
    timers.poll().run();
    assertEquals(List.of("1", "4", "3"), sent);
    emit("a", 5);
    assertEquals(List.of("1", "4", "3"), sent, "the delayed one begins a second of its own");
    timers.poll().run(); // of b, nothing waits
    timers.poll().run();
    assertEquals(List.of("1", "4", "3", "5"), sent);
    timers.poll().run();
    emit("a", 6);
    assertEquals(List.of("1", "4", "3", "5", "6"), sent);
  }

  @Test
  void timestamps() {
    assertEquals(
        "{\"timestamp\": {\"seconds\": 12, \"microseconds\": 345678}, \"event\": \"STOP\"}",
        JsonWriter.write(
            QmpMessages.event("STOP", null, Instant.ofEpochSecond(12, 345_678_901)), false));
  }
}
