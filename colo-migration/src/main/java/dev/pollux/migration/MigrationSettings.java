package dev.pollux.migration;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.StrOrNull;
import dev.pollux.core.config.Suggestions;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Capabilities and parameters of migrations by name and text, as people type them. */
public final class MigrationSettings {
  private static final Pattern SIZE = Pattern.compile("([0-9]{1,18})([kKmMgGtT]?)");

  private MigrationSettings() {}

  /** The capability of a name such as {@code return-path}. */
  public static MigrationCapability capability(String name) {
    return Stream.of(MigrationCapability.values())
        .filter(c -> c.label().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                unknown(
                    "capability",
                    name,
                    Stream.of(MigrationCapability.values())
                        .map(MigrationCapability::label)
                        .toList()));
  }

  /**
   * A request that changes one parameter.
   *
   * @param value a number, perhaps with K, M, G or T; on or off; a word
   */
  public static MigrationParameters parameter(String name, String value) {
    RecordComponent[] components = MigrationParameters.class.getRecordComponents();
    Object[] arguments = new Object[components.length];
    boolean found = false;
    for (int i = 0; i < components.length; i++) {
      boolean named = MigrationParameters.label(components[i].getName()).equals(name);
      found |= named;
      arguments[i] = named ? Optional.of(parse(components[i], name, value)) : Optional.empty();
    }
    if (!found) {
      throw unknown(
          "parameter",
          name,
          Stream.of(components).map(c -> MigrationParameters.label(c.getName())).toList());
    }
    return MigrationParameters.of(arguments);
  }

  /** All parameters in force by name, in their order, as text. */
  public static List<Map.Entry<String, String>> list(MigrationParameters parameters) {
    return Stream.of(MigrationParameters.class.getRecordComponents())
        .flatMap(
            component -> {
              try {
                return ((Optional<?>) component.getAccessor().invoke(parameters))
                        .map(
                            v -> Map.entry(MigrationParameters.label(component.getName()), show(v)))
                        .stream();
              } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
              }
            })
        .toList();
  }

  private static String show(Object value) {
    return switch (value) {
      case Boolean on -> on ? "on" : "off";
      case StrOrNull text -> "'" + text.value() + "'";
      case Enum<?> word -> label(word);
      default -> value.toString();
    };
  }

  private static String label(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static Object parse(RecordComponent component, String name, String value) {
    Type type = ((ParameterizedType) component.getGenericType()).getActualTypeArguments()[0];
    if (type == Long.class) {
      Matcher size = SIZE.matcher(value);
      if (!size.matches()) {
        throw expects(name, "a number");
      }
      int shift = size.group(2).isEmpty() ? 0 : "kmgt".indexOf(lower(size.group(2))) * 10 + 10;
      return Long.parseLong(size.group(1)) << shift;
    }
    if (type == Boolean.class) {
      return switch (value) {
        case "on", "yes", "true" -> true;
        case "off", "no", "false" -> false;
        default -> throw expects(name, "'on' or 'off'");
      };
    }
    if (type == StrOrNull.class) {
      return new StrOrNull(value);
    }
    if (type instanceof Class<?> words && words.isEnum()) {
      return Stream.of(words.getEnumConstants())
          .filter(word -> label((Enum<?>) word).equals(value))
          .findFirst()
          .orElseThrow(
              () ->
                  new ConfigException(
                      "Parameter '%s' does not accept value '%s'".formatted(name, value)));
    }
    throw new ConfigException("Parameter '%s' can only be set through QMP".formatted(name));
  }

  private static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }

  private static ConfigException expects(String name, String what) {
    return new ConfigException("Parameter '%s' expects %s".formatted(name, what));
  }

  private static ConfigException unknown(String kind, String name, List<String> known) {
    return new ConfigException(
        "unknown migration %s \"%s\"; %s".formatted(kind, name, Suggestions.hint(name, known)));
  }
}
