package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;

/** The messages a server sends. */
public final class QmpMessages {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private QmpMessages() {}

  /**
   * The first message on a connection.
   *
   * @param version what {@code query-version} returns
   * @param outOfBand whether the client may enable {@code oob}
   */
  public static ObjectNode greeting(JsonNode version, boolean outOfBand) {
    ObjectNode qmp = NODES.objectNode();
    qmp.set("version", version);
    if (outOfBand) {
      qmp.putArray("capabilities").add(QmpSession.OUT_OF_BAND);
    } else {
      qmp.putArray("capabilities");
    }
    return NODES.objectNode().set("QMP", qmp);
  }

  /**
   * @param id what the client sent along, or null
   */
  public static ObjectNode success(JsonNode value, JsonNode id) {
    ObjectNode reply = NODES.objectNode();
    reply.set("return", value);
    return withId(reply, id);
  }

  /**
   * @param id what the client sent along, or null
   */
  public static ObjectNode failure(ErrorClass errorClass, String description, JsonNode id) {
    ObjectNode reply = NODES.objectNode();
    reply.putObject("error").put("class", errorClass.qmpName()).put("desc", description);
    return withId(reply, id);
  }

  private static ObjectNode withId(ObjectNode reply, JsonNode id) {
    if (id != null) {
      reply.set("id", id);
    }
    return reply;
  }

  /**
   * @param data null where the event has none
   */
  public static ObjectNode event(String name, JsonNode data, Instant time) {
    ObjectNode event = NODES.objectNode();
    event
        .putObject("timestamp")
        .put("seconds", time.getEpochSecond())
        .put("microseconds", time.getNano() / 1000);
    event.put("event", name);
    if (data != null) {
      event.set("data", data);
    }
    return event;
  }
}
