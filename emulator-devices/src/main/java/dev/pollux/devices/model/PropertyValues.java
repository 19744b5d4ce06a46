package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The values of all properties of one device or object. Constant; any thread. */
public final class PropertyValues {
  private final Map<Property<?>, Object> values = new LinkedHashMap<>();

  private PropertyValues() {}

  /**
   * Reads all properties; what is left over in the options is an error.
   *
   * @throws dev.pollux.core.config.ConfigException with one line for the user
   */
  static PropertyValues read(List<Property<?>> properties, DeviceOptions options) {
    PropertyValues result = new PropertyValues();
    properties.forEach(property -> result.values.put(property, property.read(options)));
    options.rejectUnknown();
    return result;
  }

  /** The value of a property that the type declares. */
  @SuppressWarnings("unchecked") // what read() returned for it
  public <T> T get(Property<T> property) {
    Object value = values.get(property);
    if (value == null) {
      throw new IllegalArgumentException("property " + property + " is not declared");
    }
    return (T) value;
  }

  /** What monitors show of a property. */
  <T> Object shown(Property<T> property) {
    return property.show(get(property));
  }
}
