package dev.pollux.devices.model;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** All types of devices. Constant; any thread. */
public final class DeviceCatalog {
  private final List<DeviceType<?>> types;

  public DeviceCatalog(List<DeviceType<?>> types) {
    this.types = types.stream().sorted((a, b) -> a.name().compareTo(b.name())).toList();
  }

  /** All types by name. */
  public List<DeviceType<?>> types() {
    return types;
  }

  /**
   * The type that a user means.
   *
   * @throws ConfigException if there is none, naming the nearest
   */
  public DeviceType<?> find(String name) {
    return types.stream()
        .filter(type -> type.isCalled(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ConfigException(
                    "'%s' is not a valid device model name; %s"
                        .formatted(name, Suggestions.hint(name, names()))));
  }

  private List<String> names() {
    return types.stream()
        .filter(DeviceType::userCreatable)
        .flatMap(type -> Stream.concat(Stream.of(type.name()), type.aliases().stream()))
        .toList();
  }

  /** What {@code -device help} prints. */
  public List<String> help() {
    List<String> lines = new ArrayList<>();
    for (DeviceCategory category : DeviceCategory.values()) {
      List<DeviceType<?>> members =
          types.stream().filter(t -> t.userCreatable() && t.category() == category).toList();
      if (!members.isEmpty()) {
        lines.add((lines.isEmpty() ? "" : "\n") + category.title() + " devices:");
        members.forEach(type -> lines.add(line(type)));
      }
    }
    return lines;
  }

  private static String line(DeviceType<?> type) {
    StringBuilder line = new StringBuilder("name \"").append(type.name());
    line.append("\", bus ").append(type.bus().name());
    type.aliases().forEach(alias -> line.append(", alias \"").append(alias).append('"'));
    if (!type.description().isEmpty()) {
      line.append(", desc \"").append(type.description()).append('"');
    }
    return line.toString();
  }

  /** What {@code -device TYPE,help} prints. */
  public static List<String> help(DeviceType<?> type) {
    return propertyHelp(type.name(), type.allProperties());
  }

  /** A line for each property of a type. */
  public static List<String> propertyHelp(String type, List<Property<?>> properties) {
    if (properties.isEmpty()) {
      return List.of("There are no options for %s.".formatted(type));
    }
    List<String> lines = new ArrayList<>();
    lines.add(type + " options:");
    properties.stream()
        .sorted((a, b) -> a.name().compareTo(b.name()))
        .forEach(property -> lines.add(line(property)));
    return lines;
  }

  private static String line(Property<?> property) {
    String start = "  %s=<%s>".formatted(property.name(), property.type());
    String meaning =
        property.description().isEmpty() && property.type().equals("bool")
            ? "on/off"
            : property.description();
    String otherwise =
        property.defaultText().isEmpty() ? "" : " (default: %s)".formatted(property.defaultText());
    return "%-24s - %s%s".formatted(start, meaning, otherwise).stripTrailing();
  }

  /**
   * Checks a default that a user sets for a type, or for all below an abstract one.
   *
   * @param options for errors
   */
  void checkGlobal(GlobalDefault global, DeviceOptions options) {
    List<DeviceType<?>> meant = types.stream().filter(global::isFor).toList();
    if (meant.isEmpty()) {
      List<String> known = types.stream().flatMap(t -> t.lineage().stream()).distinct().toList();
      throw options.error(
          "unknown device \"%s\"; %s"
              .formatted(global.driver(), Suggestions.hint(global.driver(), known)));
    }
    List<String> properties =
        meant.stream().flatMap(t -> t.allProperties().stream()).map(Property::name).toList();
    if (!properties.contains(global.property())) {
      throw options.error(
          properties.isEmpty()
              ? "%s has no properties".formatted(global.driver())
              : "unknown property \"%s\"; %s"
                  .formatted(global.property(), Suggestions.hint(global.property(), properties)));
    }
  }
}
