package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A property of a device or object type: its name, type, default and range, and a sentence. It
 * reads its value from options and shows a value as monitors do. Constant; any thread.
 *
 * @param <T> the Java type of its values
 */
public final class Property<T> {
  /** Reads a value that is given. */
  @FunctionalInterface
  public interface Reader<T> {
    /**
     * @throws dev.pollux.core.config.ConfigException with what would be right
     */
    T read(DeviceOptions options, String key);
  }

  private static final Pattern PCI_ADDRESS = Pattern.compile("([0-9a-fA-F]{1,2})(?:\\.([0-7]))?");

  private final String name;
  private final String type;
  private final T otherwise;
  private final String description;
  private final Reader<T> reader;
  private final Function<T, Object> shown;

  private Property(
      String name,
      String type,
      T otherwise,
      String description,
      Reader<T> reader,
      Function<T, Object> shown) {
    this.name = name;
    this.type = type;
    this.otherwise = otherwise;
    this.description = description;
    this.reader = reader;
    this.shown = shown;
  }

  /**
   * A property of any kind.
   *
   * @param type as monitors call it, for instance {@code uint32}
   * @param otherwise the value where none is given
   * @param shown a value as a Boolean, Long or String
   */
  public static <T> Property<T> of(
      String name,
      String type,
      T otherwise,
      String description,
      Reader<T> reader,
      Function<T, Object> shown) {
    return new Property<>(name, type, otherwise, description, reader, shown);
  }

  /** On or off. */
  public static Property<Boolean> flag(String name, boolean otherwise, String description) {
    return of(name, "bool", otherwise, description, (o, k) -> o.bool(k, otherwise), v -> v);
  }

  /**
   * An unsigned number of 8, 16, 32 or 64 bits.
   *
   * @param otherwise the default; it may lie outside the range, which then says "not given"
   */
  public static Property<Long> unsigned(
      String name, int bits, long otherwise, long min, long max, String description) {
    return of(
        name,
        "uint" + bits,
        otherwise,
        description,
        (o, k) -> o.number(k, otherwise, min, max),
        v -> v);
  }

  /** A signed 32-bit number, for instance a boot index; -1 where none is given. */
  public static Property<Long> signed(String name, long min, long max, String description) {
    return of(name, "int32", -1L, description, (o, k) -> o.number(k, -1, min, max), v -> v);
  }

  /** Bytes, with a suffix; a bare number counts bytes. */
  public static Property<Long> size(
      String name, long otherwise, long min, long max, String description) {
    return of(
        name,
        "size",
        otherwise,
        description,
        (o, k) -> {
          long size = o.size(k, otherwise, 'B');
          if (size < min || size > max) {
            throw o.error(
                "%s=%s is out of range; give %d to %d bytes"
                    .formatted(k, o.string(k, ""), min, max));
          }
          return size;
        },
        v -> v);
  }

  /** Text; empty where none is given. */
  public static Property<String> text(String name, String description) {
    return text(name, "str", description);
  }

  /**
   * Text that names something, for instance with the type {@code link<iothread>}; empty where none
   * is given.
   */
  public static Property<String> text(String name, String type, String description) {
    return of(name, type, "", description, (o, k) -> o.string(k, ""), v -> v);
  }

  /**
   * One of the constants of an enum, which are called by their {@code toString}.
   *
   * @param type as monitors call it, for instance {@code OnOffAuto}
   */
  public static <E extends Enum<E>> Property<E> choice(
      String name, String type, E otherwise, String description) {
    Map<String, E> choices = new LinkedHashMap<>();
    for (E constant : otherwise.getDeclaringClass().getEnumConstants()) {
      choices.put(constant.toString(), constant);
    }
    return of(
        name,
        type,
        otherwise,
        description,
        (o, k) -> o.choice(k, otherwise, choices),
        Enum::toString);
  }

  /**
   * A slot and function, {@code 06.0} or {@code 6}, as {@code slot << 3 | function}; -1 for any.
   */
  public static Property<Long> pciAddress(String name, String description) {
    return of(
        name,
        "int32",
        -1L,
        description,
        (o, k) -> {
          Matcher address = PCI_ADDRESS.matcher(o.string(k, ""));
          if (address.matches() && Integer.parseInt(address.group(1), 16) < 32) {
            long function = address.group(2) == null ? 0 : Long.parseLong(address.group(2));
            return Long.parseLong(address.group(1), 16) << 3 | function;
          }
          throw o.error(
              "%s=%s is no slot; give 0 to 1f, hexadecimal, and a function, for instance 06.0"
                  .formatted(k, o.string(k, "")));
        },
        v -> v);
  }

  public String name() {
    return name;
  }

  /** The type as monitors call it. */
  public String type() {
    return type;
  }

  public String description() {
    return description;
  }

  /** The value where none is given. */
  public T otherwise() {
    return otherwise;
  }

  /** The value in some options, or the default. */
  public T read(DeviceOptions options) {
    return options.has(name) ? reader.read(options, name) : otherwise;
  }

  /** A value as a Boolean, Long or String. */
  public Object show(T value) {
    return shown.apply(value);
  }

  /** The default as help shows it; empty where nothing is to be said. */
  public String defaultText() {
    Object value = show(otherwise);
    return value instanceof String text && !text.isEmpty() ? '"' + text + '"' : value.toString();
  }

  @Override
  public String toString() {
    return name;
  }
}
