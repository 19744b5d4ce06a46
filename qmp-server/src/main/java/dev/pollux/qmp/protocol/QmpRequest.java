package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/**
 * A command as a client sent it.
 *
 * @param outOfBand sent with {@code exec-oob}
 * @param id comes back in the reply; null for none
 */
record QmpRequest(String command, boolean outOfBand, ObjectNode arguments, JsonNode id) {
  private static final String EXECUTE = "execute";
  private static final String EXEC_OOB = "exec-oob";

  /** True where the input asks to be executed at once, right or wrong. */
  static boolean isOutOfBand(JsonNode input) {
    return input.has(EXEC_OOB) && !input.has(EXECUTE);
  }

  /** The id in an input that may be no request at all; null for none. */
  static JsonNode idOf(JsonNode input) {
    return input.get("id");
  }

  /**
   * Checks the shape of a request.
   *
   * @param mayBeOutOfBand the client enabled {@code oob}
   */
  static QmpRequest parse(JsonNode input, boolean mayBeOutOfBand) throws QmpException {
    if (!input.isObject()) {
      throw new QmpException("QMP input must be a JSON object");
    }
    String command = null;
    ObjectNode arguments = JsonNodeFactory.instance.objectNode();
    for (Map.Entry<String, JsonNode> member : input.properties()) {
      String name = member.getKey();
      JsonNode value = member.getValue();
      if (name.equals(EXECUTE) || (name.equals(EXEC_OOB) && mayBeOutOfBand)) {
        if (!value.isTextual()) {
          throw new QmpException("QMP input member '" + name + "' must be a string");
        }
        if (command != null) {
          throw new QmpException("QMP input member 'execute' clashes with 'exec-oob'");
        }
        command = value.textValue();
      } else if (name.equals("arguments")) {
        if (!(value instanceof ObjectNode object)) {
          throw new QmpException("QMP input member 'arguments' must be an object");
        }
        arguments = object;
      } else if (!name.equals("id")) {
        throw new QmpException("QMP input member '" + name + "' is unexpected");
      }
    }
    if (command == null) {
      throw new QmpException("QMP input lacks member 'execute'");
    }
    return new QmpRequest(command, input.has(EXEC_OOB), arguments, idOf(input));
  }
}
