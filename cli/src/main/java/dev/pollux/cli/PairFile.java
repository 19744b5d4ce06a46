package dev.pollux.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A side of a pair as a TOML file: each key is an option of {@code pair} without its dashes, {@code
 * machine} the options of {@code run}.
 */
final class PairFile {
  private static final String MACHINE = "machine";

  /** What a key's value is. */
  private enum Kind {
    TEXT("a string"),
    NUMBER("a whole number"),
    FLAG("true or false"),
    WORDS("a list of strings");

    private final String words;

    Kind(String words) {
      this.words = words;
    }

    boolean fits(JsonNode value) {
      return switch (this) {
        case TEXT -> value.isTextual();
        case NUMBER -> value.isIntegralNumber();
        case FLAG -> value.isBoolean();
        case WORDS -> value.isArray() && allText(value);
      };
    }

    private static boolean allText(JsonNode list) {
      for (JsonNode word : list) {
        if (!word.isTextual()) {
          return false;
        }
      }
      return true;
    }
  }

  private static final Map<String, Kind> KEYS =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("name", Kind.TEXT),
              Map.entry("host", Kind.TEXT),
              Map.entry("peer", Kind.TEXT),
              Map.entry("lease", Kind.TEXT),
              Map.entry("lease-time", Kind.NUMBER),
              Map.entry("fence", Kind.TEXT),
              Map.entry("secret", Kind.TEXT),
              Map.entry("folder", Kind.TEXT),
              Map.entry("console", Kind.TEXT),
              Map.entry("delay", Kind.NUMBER),
              Map.entry("silence", Kind.NUMBER),
              Map.entry("metrics", Kind.TEXT),
              Map.entry("web", Kind.TEXT),
              Map.entry("web-token", Kind.TEXT),
              Map.entry("json", Kind.FLAG),
              Map.entry(MACHINE, Kind.WORDS)));

  private PairFile() {}

  /**
   * The options that a file stands for, in the words of the command line.
   *
   * @throws ConfigException with file and line, if it is wrong
   */
  static List<String> read(Path file) throws IOException {
    String text = Files.readString(file);
    JsonNode content;
    try {
      content = new TomlMapper().readTree(text);
    } catch (JsonProcessingException e) {
      int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
      throw new ConfigException("%s:%d: %s".formatted(file, line, e.getOriginalMessage()));
    }
    List<String> words = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : content.properties()) {
      String key = entry.getKey();
      Kind kind = KEYS.get(key);
      if (kind == null) {
        throw wrong(file, text, key, "no such key; " + Suggestions.hint(key, KEYS.keySet()));
      }
      if (!kind.fits(entry.getValue())) {
        throw wrong(file, text, key, "is to be " + kind.words);
      }
      add(words, key, kind, entry.getValue());
    }
    return words;
  }

  private static void add(List<String> words, String key, Kind kind, JsonNode value) {
    if (kind == Kind.WORDS) {
      value.forEach(word -> words.add(word.asText()));
    } else if (kind != Kind.FLAG) {
      words.addAll(List.of("--" + key, value.asText()));
    } else if (value.asBoolean()) {
      words.add("--" + key);
    }
  }

  private static ConfigException wrong(Path file, String text, String key, String what) {
    Matcher place =
        Pattern.compile("(?m)^[ \\t]*\\[*[ \\t]*[\"']?" + Pattern.quote(key) + "\\b").matcher(text);
    long line =
        place.find()
            ? 1 + text.substring(0, place.start()).chars().filter(c -> c == '\n').count()
            : 1;
    return new ConfigException("%s:%d: %s: %s".formatted(file, line, key, what));
  }
}
