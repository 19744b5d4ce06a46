package dev.pollux.qmp.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * What {@code query-qmp-schema} says, for those who type commands: names, and what values mean
 * where they stand.
 */
public final class SchemaView {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final String META_TYPE = "meta-type";

  private final Map<String, JsonNode> types = new HashMap<>();
  private final Map<String, JsonNode> commands = new HashMap<>();

  public SchemaView(JsonNode schema) {
    for (JsonNode entry : schema) {
      String name = entry.path("name").asText();
      switch (entry.path(META_TYPE).asText()) {
        case "command" -> commands.put(name, entry);
        case "event" -> {}
        default -> types.put(name, entry);
      }
    }
  }

  /** Names of all commands, sorted. */
  public List<String> commands() {
    return List.copyOf(new TreeSet<>(commands.keySet()));
  }

  /** Whether a command can be sent with {@code exec-oob}. */
  public boolean allowsOutOfBand(String command) {
    return commands.containsKey(command) && commands.get(command).path("allow-oob").asBoolean();
  }

  /** What may follow the command's name: paths of arguments, those of objects within included. */
  public List<String> arguments(String command) {
    List<String> paths = new ArrayList<>();
    if (commands.containsKey(command)) {
      collect(types.get(commands.get(command).path("arg-type").asText()), "", paths, 0);
    }
    return paths;
  }

  private void collect(JsonNode type, String prefix, List<String> paths, int depth) {
    members(type)
        .forEach(
            (name, member) -> {
              String path = prefix + name;
              if (isObject(member) && depth < 4) {
                collect(member, path + ".", paths, depth + 1);
              } else if (!paths.contains(path)) {
                paths.add(path);
              }
            });
  }

  private static boolean isObject(JsonNode type) {
    return type.path(META_TYPE).asText().equals("object");
  }

  /** Members of an object with their types, those of all variants included. */
  private Map<String, JsonNode> members(JsonNode type) {
    Map<String, JsonNode> members = new LinkedHashMap<>();
    for (JsonNode member : type.path("members")) {
      members.putIfAbsent(member.path("name").asText(), types.get(member.path("type").asText()));
    }
    for (JsonNode variant : type.path("variants")) {
      members(types.get(variant.path("type").asText())).forEach(members::putIfAbsent);
    }
    return members;
  }

  /** The values that an argument may have, where they can be listed. */
  public List<String> values(String command, String path) {
    JsonNode type = type(command, path).orElse(NODES.objectNode());
    if (type.path("json-type").asText().equals("boolean")) {
      return List.of("on", "off");
    }
    List<String> values = new ArrayList<>();
    type.path("values").forEach(value -> values.add(value.asText()));
    return values;
  }

  private Optional<JsonNode> type(String command, String path) {
    JsonNode type =
        types.get(commands.getOrDefault(command, NODES.objectNode()).path("arg-type").asText());
    for (String name : path.split("\\.", -1)) {
      type = type == null ? null : members(type).get(name);
    }
    return Optional.ofNullable(type);
  }

  /**
   * Turns {@code key=value} words into arguments: {@code a.b=1} sets a member of an object; a value
   * is read as the schema wants it, lists separated by commas, and as JSON where it begins with a
   * bracket. One word that is a JSON object is all arguments at once.
   *
   * @throws IllegalArgumentException if a word is neither
   */
  public ObjectNode parse(String command, List<String> words) {
    ObjectNode arguments = NODES.objectNode();
    for (String word : words) {
      if (word.startsWith("{")) {
        arguments.setAll(json(word));
        continue;
      }
      int equals = word.indexOf('=');
      if (equals <= 0) {
        throw new IllegalArgumentException(
            "\"%s\" is no argument; arguments look like key=value or {\"key\": value}"
                .formatted(word));
      }
      String path = word.substring(0, equals);
      ObjectNode object = arguments;
      String[] names = path.split("\\.", -1);
      for (int i = 0; i + 1 < names.length; i++) {
        object = object.withObject("/" + names[i]);
      }
      object.set(
          names[names.length - 1],
          value(type(command, path).orElse(NODES.objectNode()), word.substring(equals + 1)));
    }
    return arguments;
  }

  private JsonNode value(JsonNode type, String text) {
    String metaType = type.path(META_TYPE).asText();
    String jsonType = type.path("json-type").asText();
    if (jsonType.equals("string") || metaType.equals("enum") || metaType.equals("alternate")) {
      return NODES.textNode(text);
    }
    if (jsonType.equals("boolean") && (text.equals("on") || text.equals("off"))) {
      return NODES.booleanNode(text.equals("on"));
    }
    if (metaType.equals("array") && !text.startsWith("[")) {
      ArrayNode list = NODES.arrayNode();
      JsonNode element = types.get(type.path("element-type").asText());
      for (String item : text.isEmpty() ? new String[0] : text.split(",", -1)) {
        list.add(value(element, item));
      }
      return list;
    }
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      return NODES.textNode(text);
    }
  }

  private static ObjectNode json(String text) {
    try {
      return (ObjectNode) JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          "\"%s\" is no JSON object, see its character %d"
              .formatted(text, e.getLocation().getCharOffset() + 1),
          e);
    }
  }
}
