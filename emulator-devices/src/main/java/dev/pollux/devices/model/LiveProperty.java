package dev.pollux.devices.model;

import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A property of something that exists.
 *
 * @param type as monitors call it
 * @param description may be empty
 * @param get the value: a Boolean, Long, String, or a List or Map of those; null where it can only
 *     be set
 * @param set takes such a value, or throws {@link dev.pollux.core.config.ConfigException}; null
 *     where it can only be read
 */
public record LiveProperty(
    String name, String type, String description, Supplier<Object> get, Consumer<Object> set) {
  /** A property that can only be read. */
  public static LiveProperty constant(String name, String type, Supplier<Object> get) {
    return new LiveProperty(name, type, "", get, null);
  }
}
