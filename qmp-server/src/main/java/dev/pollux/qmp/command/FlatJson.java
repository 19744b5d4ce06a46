package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;

/** JSON objects as the keys with dots that options have: {@code file.filename}. */
public final class FlatJson {
  private FlatJson() {}

  /** All values of an object; null is the empty text. */
  public static Map<String, String> of(JsonNode object) {
    Map<String, String> flat = new LinkedHashMap<>();
    add(flat, "", object);
    return flat;
  }

  private static void add(Map<String, String> flat, String path, JsonNode value) {
    String prefix = path.isEmpty() ? "" : path + ".";
    if (value.isObject()) {
      value.properties().forEach(each -> add(flat, prefix + each.getKey(), each.getValue()));
    } else if (value.isArray()) {
      for (int i = 0; i < value.size(); i++) {
        add(flat, prefix + i, value.get(i));
      }
    } else if (value.isBoolean()) {
      flat.put(path, value.booleanValue() ? "on" : "off");
    } else {
      flat.put(path, value.isNull() ? "" : value.asText());
    }
  }
}
