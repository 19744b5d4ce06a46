package dev.pollux.cli.pair;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Something that goes wrong because the user wants to see what follows.
 *
 * @param seconds after the pair was protected for the first time
 */
public record PlannedFault(Kind kind, double seconds) {
  /** What goes wrong. */
  public enum Kind {
    /** {@code kill -9} of the side that the world sees. */
    KILL_PRIMARY,
    KILL_SECONDARY,
    /** {@code kill -STOP}: it neither answers nor ends. */
    FREEZE_PRIMARY,
    FREEZE_SECONDARY,
    /** Both sides live, and what connects them is gone. */
    CUT_LINK;

    /** As the user spells it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** Reads {@code NAME[@SECONDS]}, the argument of {@code --fault}. */
  public static PlannedFault parse(String text) {
    return parse("--fault", text, "");
  }

  /** Reads {@code primary|secondary[@SECONDS]}, the argument of {@code --kill}. */
  public static PlannedFault parseKill(String text) {
    return parse("--kill", text, "kill-");
  }

  private static PlannedFault parse(String option, String text, String prefix) {
    int at = text.indexOf('@');
    String word = at < 0 ? text : text.substring(0, at);
    List<String> words =
        Arrays.stream(Kind.values())
            .map(Kind::word)
            .filter(known -> known.startsWith(prefix))
            .map(known -> known.substring(prefix.length()))
            .toList();
    if (!words.contains(word)) {
      throw new ConfigException(
          "%s %s: no such %s; %s"
              .formatted(
                  option,
                  text,
                  prefix.isEmpty() ? "fault" : "side",
                  Suggestions.hint(word, words)));
    }
    Kind kind = Kind.valueOf((prefix + word).replace('-', '_').toUpperCase(Locale.ROOT));
    return new PlannedFault(kind, at < 0 ? 0 : seconds(option, text, text.substring(at + 1)));
  }

  private static double seconds(String option, String text, String number) {
    try {
      double seconds = Double.parseDouble(number);
      if (seconds >= 0 && seconds <= 1e6) {
        return seconds;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new ConfigException(
        "%s %s: \"%s\" is no number of seconds from 0 to a million"
            .formatted(option, text, number));
  }
}
