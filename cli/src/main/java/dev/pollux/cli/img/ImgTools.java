package dev.pollux.cli.img;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The commands of {@code pollux img}. */
public final class ImgTools {
  /** Runs a command with its words; returns its exit status. */
  private interface Tool {
    int run(List<String> words) throws IOException;
  }

  /**
   * @param usage what follows the command's name
   */
  private record Entry(String usage, Tool tool) {}

  private static final Map<String, Entry> TOOLS = new LinkedHashMap<>();

  static {
    add("check", "[-f FMT] [--output=human|json] [-r leaks|all] [-q] [-U] FILE", CheckTool::run);
    add("commit", "[-f FMT] [-b BASE] [-d] [-p] [-q] FILE", CommitTool::run);
    add("compare", "[-f FMT] [-F FMT] [-s] [-p] [-q] [-U] FILE1 FILE2", CompareTool::run);
    add(
        "convert",
        "[-f FMT] [-O FMT] [-o OPTIONS] [-c] [-p] [-q] [-n] [-B BACKING [-F FMT]] [-S SIZE] [-l"
            + " SNAPSHOT] [-t CACHE] [-T CACHE] [-U] FILE OUTPUT",
        ConvertTool::run);
    add(
        "create",
        "[-f FMT] [-b BACKING [-F FMT]] [-u] [-o OPTIONS] [-q] FILE [SIZE]",
        CreateTool::run);
    add("info", "[-f FMT] [--output=human|json] [--backing-chain] [-U] FILE", InfoTool::run);
    add("map", "[-f FMT] [--output=human|json] [-s OFFSET] [-l LENGTH] [-U] FILE", MapTool::run);
    add("measure", "[-f FMT] [-O FMT] [-o OPTIONS] [--size SIZE | FILE]", MeasureTool::run);
    add("rebase", "[-f FMT] [-b BACKING [-F FMT]] [-u] [-p] [-q] FILE", RebaseTool::run);
    add("resize", "[-f FMT] [--shrink] [-q] FILE [+|-]SIZE", ResizeTool::run);
    add("snapshot", "-l [-q] [-U] FILE", SnapshotTool::run);
  }

  private ImgTools() {}

  private static void add(String name, String usage, Tool tool) {
    TOOLS.put(name, new Entry(usage, tool));
  }

  /** Runs what the first word names. */
  public static int run(List<String> words) throws IOException {
    if (words.isEmpty() || List.of("-h", "-help", "--help", "help").contains(words.getFirst())) {
      System.out.println("Usage: pollux img COMMAND [OPTION]... IMAGE...\n\nCommands:");
      TOOLS.forEach((name, entry) -> System.out.println("  " + name + " " + entry.usage));
      return words.isEmpty() ? 1 : 0;
    }
    String name = words.getFirst();
    Entry entry = TOOLS.get(name);
    if (entry == null) {
      throw new ConfigException(
          "Command not found: %s; %s".formatted(name, Suggestions.hint(name, TOOLS.keySet())));
    }
    List<String> rest = words.subList(1, words.size());
    if (rest.contains("-h") || rest.contains("--help")) {
      System.out.println("Usage: pollux img " + name + " " + entry.usage);
      return 0;
    }
    return entry.tool.run(rest);
  }
}
