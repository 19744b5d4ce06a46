package dev.pollux.qmp.command;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;

/** Arguments of options that may be written as {@code key=value,...} or as a JSON object. */
public final class OptionText {
  private static final ObjectMapper JSON = new ObjectMapper();

  private OptionText() {}

  /**
   * Reads an option's argument in either form.
   *
   * @param option its name with the dash, for messages
   * @param impliedKey the key of a first part without "="
   * @throws ConfigException with one line for the user
   */
  public static DeviceOptions parse(String option, String text, String impliedKey) {
    if (!text.stripLeading().startsWith("{")) {
      return DeviceOptions.parse(option, text, impliedKey);
    }
    try {
      return of(option + " " + text, JSON.readTree(text));
    } catch (JsonProcessingException e) {
      throw new ConfigException(
          "%s %s: no JSON object: %s".formatted(option, text, e.getOriginalMessage()), e);
    }
  }

  /**
   * Options given as an object.
   *
   * @param context how errors begin
   */
  static DeviceOptions of(String context, JsonNode object) {
    return DeviceOptions.of(context, FlatJson.of(object));
  }
}
