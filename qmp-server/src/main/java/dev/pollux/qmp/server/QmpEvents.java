package dev.pollux.qmp.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.command.CommandRegistry;
import dev.pollux.qmp.command.Events;
import dev.pollux.qmp.protocol.QmpMessages;
import dev.pollux.qmp.schema.EventSpec;
import java.time.Instant;
import java.util.function.Consumer;

/** Turns events into messages, as far as policy shows them. Any thread. */
final class QmpEvents {
  private final CommandRegistry commands;
  private final Consumer<ObjectNode> sink;
  private final EventLimiter limiter;

  QmpEvents(CommandRegistry commands, Consumer<ObjectNode> sink, EventLimiter.Timer timer) {
    this.commands = commands;
    this.sink = sink;
    this.limiter = new EventLimiter(sink, timer);
  }

  void emit(Events event) {
    EventSpec spec = commands.spec(event);
    if (!commands.policy().shows(spec.features())) {
      return;
    }
    JsonNode data = commands.data(event);
    ObjectNode message = QmpMessages.event(spec.name(), data, Instant.now());
    if (spec.limitedPer().isPresent()) {
      limiter.limit(spec.name(), data == null ? null : data.get(spec.limitedPer().get()), message);
    } else {
      sink.accept(message);
    }
  }
}
