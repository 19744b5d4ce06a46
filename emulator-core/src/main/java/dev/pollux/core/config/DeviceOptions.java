package dev.pollux.core.config;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The argument of one option in QEMU's syntax: {@code value,key=value,flag}. A comma within a value
 * is written twice; a first part without "=" is the value of the option's implied key; any other
 * part without "=" switches that key on.
 *
 * <p>A reader asks for every key it knows and then calls {@link #rejectUnknown}, which complains
 * about the rest and suggests the nearest of the keys that were asked for. All errors are {@link
 * ConfigException}s that begin with the option as the user typed it. Not thread-safe.
 */
public final class DeviceOptions {
  private static final Pattern NUMBER =
      Pattern.compile("(0x[0-9a-fA-F]+|[0-9]+(?:\\.[0-9]+)?)([a-zA-Z]?)");
  private static final String SUFFIXES = "BKMGTPE";
  private static final int GIGA = 3;

  /** Numbers with fewer digits times 2^30 fit into a long. */
  private static final int SAFE_DIGITS = 10;

  private static final Set<String> TRUE = Set.of("on", "yes", "true", "y");
  private static final Set<String> FALSE = Set.of("off", "no", "false", "n");

  private final String context;
  private final Map<String, String> values;

  /** All values of keys that were given more than once, in order. */
  private final Map<String, List<String>> repeated = new HashMap<>();

  private final Set<String> asked = new TreeSet<>();

  private DeviceOptions(String context, Map<String, String> values) {
    this.context = context;
    this.values = values;
  }

  private void put(String key, String value) {
    String before = values.put(key, value);
    if (before != null) {
      repeated.computeIfAbsent(key, k -> new ArrayList<>(List.of(before))).add(value);
    }
  }

  /**
   * Parses an argument.
   *
   * @param option the option's name with its dash, for messages
   * @param text its argument
   * @param impliedKey the key of a first part without "="; empty when there is none
   */
  public static DeviceOptions parse(String option, String text, String impliedKey) {
    return parse(option, List.of(text), impliedKey);
  }

  /**
   * Parses an option that may be given several times and adds up, as {@code -machine} does; a later
   * value of a key wins.
   *
   * @param texts its arguments
   */
  public static DeviceOptions parse(String option, List<String> texts, String impliedKey) {
    String context = option + " " + String.join(" " + option + " ", texts);
    DeviceOptions options = new DeviceOptions(context, new LinkedHashMap<>());
    for (String text : texts) {
      boolean first = true;
      for (String part : split(text)) {
        int equals = part.indexOf('=');
        if (equals < 0 && first && !impliedKey.isEmpty()) {
          options.put(impliedKey, unescape(part));
        } else if (equals < 0 && !part.isEmpty()) {
          options.put(part, "on");
        } else if (equals > 0) {
          options.put(part.substring(0, equals), unescape(part.substring(equals + 1)));
        } else {
          throw new ConfigException(context + ": a part has no name; parts look like key=value");
        }
        first = false;
      }
    }
    return options;
  }

  /**
   * Options that did not come from {@code key=value} text.
   *
   * @param context how the user wrote them, for messages
   */
  public static DeviceOptions of(String context, Map<String, String> values) {
    return new DeviceOptions(context, new LinkedHashMap<>(values));
  }

  /** These options with values for keys that are not given. */
  public DeviceOptions withDefaults(Map<String, String> defaults) {
    Map<String, String> all = new LinkedHashMap<>(defaults);
    all.putAll(values);
    return new DeviceOptions(context, all);
  }

  /** The same options without some keys. */
  public DeviceOptions without(Collection<String> keys) {
    DeviceOptions rest = new DeviceOptions(context, new LinkedHashMap<>(values));
    rest.repeated.putAll(repeated);
    rest.values.keySet().removeAll(keys);
    rest.repeated.keySet().removeAll(keys);
    return rest;
  }

  /** The same options with one value more of a key that may be given more than once. */
  public DeviceOptions plus(String key, String value) {
    DeviceOptions more = new DeviceOptions(context, new LinkedHashMap<>(values));
    repeated.forEach((known, all) -> more.repeated.put(known, new ArrayList<>(all)));
    more.put(key, value);
    return more;
  }

  /** The same options with one value set. */
  public DeviceOptions with(String key, String value) {
    DeviceOptions more = without(List.of(key));
    more.values.put(key, value);
    return more;
  }

  /** Cuts at single commas; doubled ones stay doubled. */
  private static List<String> split(String text) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == ',' && i + 1 < text.length() && text.charAt(i + 1) == ',') {
        part.append(",,");
        i++;
      } else if (c == ',') {
        parts.add(part.toString());
        part.setLength(0);
      } else {
        part.append(c);
      }
    }
    parts.add(part.toString());
    return parts;
  }

  private static String unescape(String value) {
    return value.replace(",,", ",");
  }

  /** Whether the key is given. */
  public boolean has(String key) {
    asked.add(key);
    return values.containsKey(key);
  }

  /** The keys given, in order. */
  public Collection<String> keys() {
    return List.copyOf(values.keySet());
  }

  /** The value of a key. */
  public Optional<String> string(String key) {
    asked.add(key);
    return Optional.ofNullable(values.get(key));
  }

  /** All values of a key that may be given more than once, in order. */
  public List<String> list(String key) {
    asked.add(key);
    List<String> all = repeated.get(key);
    return all != null ? List.copyOf(all) : string(key).map(List::of).orElse(List.of());
  }

  /** The value of a key, or another. */
  public String string(String key, String otherwise) {
    return string(key).orElse(otherwise);
  }

  /** The value of a key that must be given. */
  public String required(String key) {
    return string(key)
        .filter(value -> !value.isEmpty())
        .orElseThrow(() -> error("%s is missing; add %s=...".formatted(key, key)));
  }

  /** A switch: on, off and the other words QEMU takes for them. */
  public boolean bool(String key, boolean otherwise) {
    String value = string(key, otherwise ? "on" : "off");
    if (TRUE.contains(value)) {
      return true;
    }
    if (FALSE.contains(value)) {
      return false;
    }
    throw error("%s=%s is neither on nor off".formatted(key, value));
  }

  /**
   * A whole number, decimal or with 0x.
   *
   * @param min smallest and {@code max} largest value allowed
   */
  public long number(String key, long otherwise, long min, long max) {
    Optional<String> text = string(key);
    if (text.isEmpty()) {
      return otherwise;
    }
    try {
      long number = Long.decode(text.get().replaceFirst("^0+(?=[0-9])", ""));
      if (number >= min && number <= max) {
        return number;
      }
    } catch (NumberFormatException e) {
      throw error("%s=%s is not a number; give %d to %d".formatted(key, text.get(), min, max));
    }
    throw error("%s=%s is out of range; give %d to %d".formatted(key, text.get(), min, max));
  }

  /**
   * An amount of memory or storage in bytes: a number with one of the suffixes B, K, M, G, T, P, E
   * (powers of 1024).
   *
   * @param defaultSuffix the suffix of a bare number
   */
  public long size(String key, long otherwise, char defaultSuffix) {
    Optional<String> text = string(key);
    if (text.isEmpty()) {
      return otherwise;
    }
    Matcher number = NUMBER.matcher(text.get());
    int power =
        number.matches()
            ? SUFFIXES.indexOf(
                number.group(2).isEmpty()
                    ? defaultSuffix
                    : Character.toUpperCase(number.group(2).charAt(0)))
            : -1;
    if (power < 0) {
      throw error("\"%s\" is not a size; sizes look like 512M or 2G".formatted(text.get()));
    }
    String digits = number.group(1);
    if (power <= GIGA && digits.length() < SAFE_DIGITS && isWhole(digits)) {
      return Long.parseLong(digits) << 10 * power; // the usual: the classes below start slowly
    }
    BigDecimal amount =
        digits.startsWith("0x")
            ? new BigDecimal(new BigInteger(digits.substring(2), 16))
            : new BigDecimal(digits);
    BigDecimal bytes = amount.multiply(new BigDecimal(BigInteger.ONE.shiftLeft(10 * power)));
    if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
      throw error(
          "\"%s\" is more than any machine holds; sizes look like 512M or 2G"
              .formatted(text.get()));
    }
    return bytes.longValue();
  }

  private static boolean isWhole(String digits) {
    return digits.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  /**
   * One of some words.
   *
   * @param choices what the words mean
   */
  public <T> T choice(String key, T otherwise, Map<String, T> choices) {
    Optional<String> text = string(key);
    if (text.isEmpty()) {
      return otherwise;
    }
    T chosen = choices.get(text.get());
    if (chosen == null) {
      throw error(
          "unknown %s \"%s\"; %s"
              .formatted(key, text.get(), Suggestions.hint(text.get(), choices.keySet())));
    }
    return chosen;
  }

  /** Complains about keys that nobody asked for. To be called when everything has been read. */
  public void rejectUnknown() {
    for (String key : values.keySet()) {
      if (!asked.contains(key)) {
        throw error(
            asked.isEmpty()
                ? "\"%s\" is not expected here; there are no properties".formatted(key)
                : "unknown property \"%s\"; %s".formatted(key, Suggestions.hint(key, asked)));
      }
    }
  }

  /**
   * An error about these options.
   *
   * @param message what is wrong; what would be right
   */
  public ConfigException error(String message) {
    return new ConfigException(context + ": " + message);
  }
}
