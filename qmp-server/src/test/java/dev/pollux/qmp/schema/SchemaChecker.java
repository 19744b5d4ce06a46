package dev.pollux.qmp.schema;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Checks messages against what {@code query-qmp-schema} returns, written apart from the code that
 * makes them.
 */
public final class SchemaChecker {
  private static final Set<String> CLASSES =
      Set.of(
          "GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap");

  private final Map<String, JsonNode> types = new HashMap<>();
  private final Map<String, JsonNode> commands = new HashMap<>();
  private final Map<String, JsonNode> events = new HashMap<>();

  public SchemaChecker(Iterable<JsonNode> schema) {
    for (JsonNode entry : schema) {
      Map<String, JsonNode> into =
          switch (entry.get("meta-type").asText()) {
            case "command" -> commands;
            case "event" -> events;
            default -> types;
          };
      if (into.put(entry.get("name").asText(), entry) != null) {
        fail("twice: " + entry);
      }
    }
  }

  /** A reply or an event. */
  public void checkMessage(JsonNode message) {
    if (message.has("event")) {
      JsonNode event = events.get(message.get("event").asText());
      assertTrue(event != null, () -> "unknown event " + message);
      assertTrue(message.at("/timestamp/seconds").isIntegralNumber(), message::toString);
      assertTrue(message.at("/timestamp/microseconds").isIntegralNumber(), message::toString);
      JsonNode type = types.get(event.get("arg-type").asText());
      if (type.get("members").isEmpty()) {
        assertTrue(!message.has("data"), message::toString);
      } else {
        check(type, message.path("data"), "data");
      }
    } else if (message.has("error")) {
      assertTrue(CLASSES.contains(message.at("/error/class").asText()), message::toString);
      assertTrue(message.at("/error/desc").isTextual(), message::toString);
    } else {
      assertTrue(message.has("return"), message::toString);
    }
  }

  /** What a command returns. */
  public void checkReturn(String command, JsonNode value) {
    assertTrue(value != null, () -> command + " failed");
    check(types.get(commands.get(command).get("ret-type").asText()), value, command);
  }

  private void check(JsonNode type, JsonNode value, String where) {
    boolean fits =
        switch (type.get("meta-type").asText()) {
          case "builtin" -> fitsBuiltin(type.get("json-type").asText(), value);
          case "enum" -> fitsEnum(type, value);
          case "alternate" -> value.isTextual() || value.isNull();
          case "array" -> {
            JsonNode element = types.get(type.get("element-type").asText());
            value.forEach(item -> check(element, item, where + "[]"));
            yield value.isArray();
          }
          case "object" -> {
            Set<String> known = new HashSet<>();
            checkMembers(type, value, where, known);
            value
                .fieldNames()
                .forEachRemaining(name -> assertTrue(known.contains(name), where + "." + name));
            yield value.isObject();
          }
          default -> false;
        };
    assertTrue(fits, () -> where + ": " + value + " is no " + type);
  }

  private void checkMembers(JsonNode type, JsonNode value, String where, Set<String> known) {
    for (JsonNode member : type.get("members")) {
      String name = member.get("name").asText();
      known.add(name);
      if (value.has(name)) {
        check(types.get(member.get("type").asText()), value.get(name), where + "." + name);
      } else {
        assertTrue(member.has("default"), () -> where + "." + name + " is missing");
      }
    }
    if (type.has("tag")) {
      String variant = value.path(type.get("tag").asText()).asText();
      for (JsonNode candidate : type.get("variants")) {
        if (candidate.get("case").asText().equals(variant)) {
          checkMembers(types.get(candidate.get("type").asText()), value, where, known);
        }
      }
    }
  }

  private static boolean fitsEnum(JsonNode type, JsonNode value) {
    for (JsonNode word : type.get("values")) {
      if (word.equals(value)) {
        return true;
      }
    }
    return false;
  }

  private static boolean fitsBuiltin(String jsonType, JsonNode value) {
    return switch (jsonType) {
      case "string" -> value.isTextual();
      case "int" -> value.isIntegralNumber();
      case "number" -> value.isNumber();
      case "boolean" -> value.isBoolean();
      case "null" -> value.isNull();
      case "value" -> true;
      default -> false;
    };
  }

  /** Every type that is named is described, and every type that is described is used. */
  public void checkClosed() {
    Set<String> used = new HashSet<>();
    used.add("0");
    for (Map<String, JsonNode> all : List.of(commands, events, types)) {
      for (JsonNode entry : all.values()) {
        for (String role : List.of("arg-type", "ret-type", "element-type")) {
          if (entry.has(role)) {
            used.add(entry.get(role).asText());
          }
        }
        for (String role : List.of("members", "variants")) {
          entry.path(role).forEach(member -> used.add(member.path("type").asText("str")));
        }
      }
    }
    Set<String> missing = new HashSet<>(used);
    missing.removeAll(types.keySet());
    assertTrue(missing.isEmpty(), () -> "not described: " + missing);
    Set<String> idle = new HashSet<>(types.keySet());
    idle.removeAll(used);
    assertTrue(idle.isEmpty(), () -> "not used: " + idle);
  }

  /** Names of commands that take no argument and change nothing. */
  public List<String> queries() {
    return commands.values().stream()
        .filter(
            c ->
                c.get("name").asText().contains("query-") && c.get("arg-type").asText().equals("0"))
        .map(c -> c.get("name").asText())
        .sorted()
        .toList();
  }
}
