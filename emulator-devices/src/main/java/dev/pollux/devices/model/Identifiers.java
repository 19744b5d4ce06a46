package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import java.util.regex.Pattern;

/** The names that users may give. */
public final class Identifiers {
  private static final Pattern WELL_FORMED = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");

  private Identifiers() {}

  /**
   * Checks a name.
   *
   * @throws ConfigException if it is not well-formed
   */
  public static String check(String id) {
    if (!WELL_FORMED.matcher(id).matches()) {
      throw new ConfigException(
          "id '%s': identifiers consist of letters, digits, '-', '.', '_', starting with a letter"
              .formatted(id));
    }
    return id;
  }
}
