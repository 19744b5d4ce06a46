package dev.pollux.cli.script;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a script does with a guest's console, one step a line.
 *
 * @param steps in order
 */
public record ConsoleScript(String file, List<Step> steps) {
  /** A line of the script. */
  public sealed interface Step {
    int line();
  }

  /** Goes on when the guest has printed this text, after what earlier lines waited for. */
  public record Wait(int line, String text) implements Step {}

  /** The patience of the lines that follow. */
  public record Within(int line, double seconds) implements Step {}

  /** From now on this text ends the script with a failure. */
  public record FailOn(int line, String text) implements Step {}

  /** Types. */
  public record Type(int line, String text) implements Step {}

  /** Ends the machine, and the process with this status. */
  public record Exit(int line, int status) implements Step {}

  /** What a text is made of: an escape, a quote that should be one, plain characters. */
  private static final Pattern PART = Pattern.compile("\\\\(x[0-9a-fA-F]{2}|.)?|\"|[^\\\\\"]+");

  private static final List<String> WORDS = List.of("wait", "within", "fail-on", "type", "exit");

  /**
   * Reads a script.
   *
   * @throws ConfigException with the line that cannot be understood, before anything was done
   */
  public static ConsoleScript read(Path file) {
    try {
      return parse(file.toString(), Files.readAllLines(file));
    } catch (IOException e) {
      throw new ConfigException("--expect %s: it cannot be read".formatted(file), e);
    }
  }

  static ConsoleScript parse(String file, List<String> lines) {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (!line.isEmpty() && !line.startsWith("#")) {
        try {
          steps.add(step(i + 1, line));
        } catch (IllegalArgumentException e) {
          throw new ConfigException("%s:%d: %s".formatted(file, i + 1, e.getMessage()), e);
        }
      }
    }
    return new ConsoleScript(file, List.copyOf(steps));
  }

  private static Step step(int number, String line) {
    String[] parts = line.split("\\s+", 2);
    String rest = parts.length == 2 ? parts[1] : "";
    return switch (parts[0]) {
      case "wait" -> new Wait(number, text(rest));
      case "within" -> new Within(number, number(rest, "seconds", 86_400));
      case "fail-on" -> new FailOn(number, text(rest));
      case "type" -> new Type(number, text(rest));
      case "exit" -> new Exit(number, (int) number(rest.isEmpty() ? "0" : rest, "status", 255));
      default ->
          throw new IllegalArgumentException(
              "unknown step \"%s\"; %s".formatted(parts[0], Suggestions.hint(parts[0], WORDS)));
    };
  }

  private static double number(String text, String what, int most) {
    try {
      double number = Double.parseDouble(text);
      if (number >= 0 && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new IllegalArgumentException("\"%s\" is no %s from 0 to %d".formatted(text, what, most));
  }

  /**
   * Text in quotes: {@code \n}, {@code \r}, {@code \t}, {@code \e}, {@code \\}, {@code \"}, {@code
   * \xHH}.
   */
  private static String text(String quoted) {
    if (quoted.length() < 2 || !quoted.startsWith("\"") || !quoted.endsWith("\"")) {
      throw new IllegalArgumentException("text stands in quotes, as in: type \"root\\n\"");
    }
    StringBuilder text = new StringBuilder();
    Matcher parts = PART.matcher(quoted.substring(1, quoted.length() - 1));
    while (parts.find()) {
      String part = parts.group();
      text.append(part.startsWith("\\") || part.equals("\"") ? escaped(part) : part);
    }
    if (text.isEmpty()) {
      throw new IllegalArgumentException("the text is empty");
    }
    return text.toString();
  }

  private static char escaped(String part) {
    String name = part.substring(1);
    return switch (name) {
      case "n" -> '\n';
      case "r" -> '\r';
      case "t" -> '\t';
      case "e" -> '\033';
      case "\\", "\"" -> name.charAt(0);
      case "x" -> throw new IllegalArgumentException("two hexadecimal digits follow \\x");
      default -> {
        if (part.equals("\"")) {
          throw new IllegalArgumentException("write \\\" for a quote inside the text");
        }
        if (name.length() == 3) {
          yield (char) Integer.parseInt(name, 1, 3, 16);
        }
        throw new IllegalArgumentException(
            "\\%s means nothing; there are \\n \\r \\t \\e \\\\ \\\" \\xHH".formatted(name));
      }
    };
  }
}
