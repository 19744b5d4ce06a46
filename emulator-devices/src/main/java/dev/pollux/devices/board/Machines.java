package dev.pollux.devices.board;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.List;

/** The types of machines. */
public final class Machines {
  /** All of them. */
  public static final List<MachineType> ALL =
      List.of(MicrovmBoard.TYPE, PcBoard.TYPE, Q35Board.TYPE);

  private Machines() {}

  /** The one that is taken where none is named. */
  public static MachineType byDefault() {
    return ALL.stream().filter(MachineType::isDefault).findFirst().orElseThrow();
  }

  /**
   * The type of a name.
   *
   * @throws ConfigException if there is none, naming the nearest
   */
  public static MachineType find(String name) {
    return ALL.stream()
        .filter(type -> type.names().anyMatch(name::equals))
        .findFirst()
        .orElseThrow(
            () ->
                new ConfigException(
                    "unsupported machine type \"%s\"; %s"
                        .formatted(
                            name,
                            Suggestions.hint(
                                name,
                                ALL.stream()
                                    .map(t -> t.alias().isEmpty() ? t.name() : t.alias())
                                    .toList()))));
  }

  /** What {@code -machine help} prints. */
  public static List<String> help() {
    List<String> lines = new ArrayList<>();
    lines.add("Supported machines are:");
    for (MachineType type : ALL) {
      if (!type.alias().isEmpty()) {
        lines.add(
            line(type.alias(), "%s (alias of %s)".formatted(type.description(), type.name())));
      }
      lines.add(line(type.name(), type.description() + (type.isDefault() ? " (default)" : "")));
      type.olderNames().forEach(older -> lines.add(line(older, type.description())));
    }
    return lines;
  }

  private static String line(String name, String text) {
    return "%-20s %s".formatted(name, text);
  }
}
