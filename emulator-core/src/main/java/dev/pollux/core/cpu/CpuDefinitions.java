package dev.pollux.core.cpu;

import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The CPU models by name: {@code max} and {@code host}, and those of the table {@code
 * cpu-models.txt}, which is read when a name is looked for in it.
 */
final class CpuDefinitions {
  private static final String TABLE = "cpu-models.txt";

  private static final int LEVEL = 0xd;
  private static final int EXTENDED_LEVEL = 0x8000_001f;

  private static final CpuDefinition HOST = all("host", "the host's processor");
  private static final CpuDefinition MAX = all("max", "Pollux Virtual CPU max");

  private CpuDefinitions() {}

  private static CpuDefinition all(String name, String modelId) {
    return new CpuDefinition(
        name, null, CpuModel.AMD, 15, 107, 1, LEVEL, EXTENDED_LEVEL, modelId, null);
  }

  /** Reads the table the first time that it is needed. */
  private static final class Table {
    private static final Map<String, CpuDefinition> BY_NAME = new Reader().read();
  }

  /** All models: those of the table in its order, then {@code host} and {@code max}. */
  static List<CpuDefinition> all() {
    List<CpuDefinition> all = new ArrayList<>(Table.BY_NAME.values());
    all.add(HOST);
    all.add(MAX);
    return all;
  }

  /**
   * The model of a name; {@code host} with the identity of the processor that this runs on.
   *
   * @throws IllegalArgumentException if there is none, with the nearest name
   */
  static CpuDefinition named(String name) {
    if (name.equals(MAX.name())) {
      return MAX;
    }
    if (name.equals(HOST.name())) {
      return HOST.withIdentityOfHost();
    }
    return Optional.ofNullable(Table.BY_NAME.get(name))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "CPU model '%s' is not known; %s"
                        .formatted(
                            name,
                            Suggestions.hint(
                                name, all().stream().map(CpuDefinition::name).toList()))));
  }

  /** The table's text; its notation is explained at its start. */
  private static final class Reader {
    private final Map<String, CpuFeature> features = new HashMap<>();
    private final Map<String, CpuDefinition> models = new LinkedHashMap<>();
    private String head;
    private final StringBuilder body = new StringBuilder();

    private Map<String, CpuDefinition> read() {
      for (CpuFeature feature : CpuFeature.values()) {
        features.put(feature.qemuName(), feature);
      }
      text().lines().filter(line -> !line.startsWith("#")).forEach(this::line);
      finish();
      return models;
    }

    private static String text() {
      try (InputStream in = CpuDefinitions.class.getResourceAsStream(TABLE)) {
        return new String(in.readAllBytes(), StandardCharsets.UTF_8);
      } catch (IOException e) {
        throw new UncheckedIOException(TABLE, e);
      }
    }

    private void line(String line) {
      if (line.startsWith(" ")) {
        body.append(line);
        return;
      }
      finish();
      if (line.contains("|")) {
        head = line;
      } else {
        String[] names = line.split(" = ", -1);
        models.put(names[0], models.get(names[1]).as(names[0]));
      }
    }

    private void finish() {
      if (head == null) {
        return;
      }
      String[] parts = head.split(" ?\\| ?", -1);
      String[] signature = parts[2].split(" ", -1);
      String[] levels = parts[3].split(" ", -1);
      models.put(
          parts[0],
          new CpuDefinition(
              parts[0],
              featuresOf(body.toString().trim().split(" +", -1)),
              parts[1],
              Integer.parseInt(signature[0]),
              Integer.parseInt(signature[1]),
              Integer.parseInt(signature[2]),
              Long.decode(levels[0]).intValue(),
              Long.decode(levels[1]).intValue(),
              parts[4],
              null));
      head = null;
      body.setLength(0);
    }

    private Set<CpuFeature> featuresOf(String[] words) {
      EnumSet<CpuFeature> set = EnumSet.noneOf(CpuFeature.class);
      for (int i = 0; i < words.length; i++) {
        if (words[i].equals("=")) {
          set.addAll(models.get(words[++i]).definedFeatures());
        } else if (words[i].startsWith("-")) {
          set.remove(feature(words[i].substring(1)));
        } else {
          set.add(feature(words[i].startsWith("+") ? words[i].substring(1) : words[i]));
        }
      }
      return set;
    }

    private CpuFeature feature(String name) {
      return Optional.ofNullable(features.get(name))
          .orElseThrow(() -> new IllegalStateException(TABLE + ": no feature " + name));
    }
  }
}
