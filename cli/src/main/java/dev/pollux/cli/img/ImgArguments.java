package dev.pollux.cli.img;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The words behind {@code pollux img COMMAND}, read as getopt_long(3) reads them. */
final class ImgArguments {
  private final String command;
  private final Map<String, List<String>> options = new LinkedHashMap<>();
  private final List<String> words = new ArrayList<>();

  /**
   * @param letters options of one letter, a colon behind those with a value: {@code f:qU}
   * @param names long options, {@code =} behind those with a value, and their letter if they have
   *     one: {@code output=}, {@code force-share:U}
   */
  ImgArguments(String command, List<String> arguments, String letters, String... names) {
    this.command = command;
    Map<String, String> known = new TreeMap<>();
    Stream.of(names).forEach(name -> known.put(name.replaceFirst("[=:].*", ""), name));
    for (int i = 0; i < arguments.size(); i++) {
      String argument = arguments.get(i);
      if (argument.equals("--")) {
        words.addAll(arguments.subList(i + 1, arguments.size()));
        break;
      } else if (argument.startsWith("--")) {
        i = takeLong(arguments, i, known);
      } else if (argument.startsWith("-") && argument.length() > 1 && !isNegative(argument)) {
        i = takeLetters(arguments, i, letters);
      } else {
        words.add(argument);
      }
    }
  }

  /** {@code resize IMAGE -1G} is no option. */
  private boolean isNegative(String argument) {
    return command.equals("resize") && Character.isDigit(argument.charAt(1));
  }

  private int takeLong(List<String> arguments, int at, Map<String, String> known) {
    String[] parts = arguments.get(at).substring(2).split("=", 2);
    String declaration = known.get(parts[0]);
    if (declaration == null) {
      throw error(
          "unrecognized option '--%s'; %s"
              .formatted(parts[0], Suggestions.hint(parts[0], known.keySet())));
    }
    boolean takesValue = declaration.contains("=");
    String key = declaration.replaceFirst(".*[=:]", "");
    key = key.isEmpty() || key.equals(parts[0]) ? parts[0] : key;
    if (!takesValue) {
      put(key, "");
      return at;
    }
    if (parts.length == 2) {
      put(key, parts[1]);
      return at;
    }
    put(key, valueAt(arguments, at + 1, "--" + parts[0]));
    return at + 1;
  }

  private int takeLetters(List<String> arguments, int at, String letters) {
    String argument = arguments.get(at);
    for (int i = 1; i < argument.length(); i++) {
      int found = letters.indexOf(argument.charAt(i));
      if (found < 0 || argument.charAt(i) == ':') {
        throw error("invalid option -- '%s'".formatted(argument.charAt(i)));
      }
      String key = Character.toString(argument.charAt(i));
      if (found + 1 >= letters.length() || letters.charAt(found + 1) != ':') {
        put(key, "");
      } else if (i + 1 < argument.length()) {
        put(key, argument.substring(i + 1));
        return at;
      } else {
        put(key, valueAt(arguments, at + 1, "-" + key));
        return at + 1;
      }
    }
    return at;
  }

  private String valueAt(List<String> arguments, int at, String option) {
    if (at >= arguments.size()) {
      throw error("option '%s' requires an argument".formatted(option));
    }
    return arguments.get(at);
  }

  private void put(String key, String value) {
    options.computeIfAbsent(key, _ -> new ArrayList<>()).add(value);
  }

  boolean has(String option) {
    return options.containsKey(option);
  }

  /** The last value of an option. */
  Optional<String> value(String option) {
    return Optional.ofNullable(options.get(option)).map(List::getLast);
  }

  String value(String option, String otherwise) {
    return value(option).orElse(otherwise);
  }

  /** What {@code -o} says, of all times it was given. */
  DeviceOptions creationOptions() {
    return DeviceOptions.parse("-o", options.getOrDefault("o", List.of()), "");
  }

  /** Everything that is no option. */
  List<String> words() {
    return words;
  }

  /** The words, as many as there have to be. */
  List<String> words(int least, int most, String what) {
    if (words.size() < least || words.size() > most) {
      throw error("Expecting " + what);
    }
    return words;
  }

  boolean json() {
    String output = value("output", "human");
    if (!output.equals("human") && !output.equals("json")) {
      throw error("--output must be used with human or json as argument.");
    }
    return output.equals("json");
  }

  ConfigException error(String message) {
    return new ConfigException(message);
  }
}
