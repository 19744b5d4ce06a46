package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;

/**
 * A default that a user has set with {@code -global}.
 *
 * @param driver a type, an alias, or an abstract type above it
 */
public record GlobalDefault(String driver, String property, String value) {
  /**
   * Reads the option's argument: {@code type.property=value}, or the three as properties.
   *
   * @throws dev.pollux.core.config.ConfigException if it is neither, or names nothing in the
   *     catalog
   */
  public static GlobalDefault parse(String text, DeviceCatalog catalog) {
    DeviceOptions options = DeviceOptions.parse("-global", text, "");
    GlobalDefault global;
    if (options.has("driver")) {
      global =
          new GlobalDefault(
              options.required("driver"), options.required("property"), options.required("value"));
    } else {
      int dot = text.indexOf('.');
      int equals = text.indexOf('=');
      if (dot < 0 || equals < dot) {
        throw options.error("a global default looks like type.property=value");
      }
      global =
          new GlobalDefault(
              text.substring(0, dot), text.substring(dot + 1, equals), text.substring(equals + 1));
    }
    catalog.checkGlobal(global, options);
    return global;
  }

  /** Whether it holds for devices of this type. */
  boolean isFor(DeviceType<?> type) {
    return type.lineage().contains(driver)
        || type.aliases().contains(driver)
        || type.inner().contains(driver);
  }
}
