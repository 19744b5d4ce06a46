package dev.pollux.core.cpu;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What the option {@code -d} asks to see of the guest's execution, and where it goes. Immutable but
 * for its output; any thread. A machine without the option has {@link #OFF}, which engines ask once
 * per block at most.
 */
public final class TraceLog implements AutoCloseable {
  /** What can be logged; the names are QEMU's. */
  public enum Item {
    IN_ASM("guest instructions when they are decoded"),
    EXEC("each block when it is executed"),
    CPU("registers before each block is executed"),
    INT("interrupts and exceptions"),
    OP("how each guest instruction of a translated block is executed"),
    OUT_ASM("guest instructions beside the host code made of them"),
    JIT("what is translated and dropped; at the end, what was left to the interpreter"),
    NOCHAIN("blocks never jump to each other, so that exec and cpu show each");

    private final String description;

    Item(String description) {
      this.description = description;
    }

    public String optionName() {
      return name().toLowerCase(Locale.ROOT);
    }

    public String description() {
      return description;
    }
  }

  public static final TraceLog OFF = new TraceLog(EnumSet.noneOf(Item.class), Writer.nullWriter());

  private final Set<Item> items;
  private final PrintWriter out;

  private TraceLog(Set<Item> items, Writer out) {
    this.items = items;
    this.out = new PrintWriter(out);
  }

  /** Logs to a writer. */
  public static TraceLog to(Writer out, Set<Item> items) {
    return new TraceLog(items.isEmpty() ? EnumSet.noneOf(Item.class) : EnumSet.copyOf(items), out);
  }

  /**
   * Opens the log that {@code -d items -D file} describe.
   *
   * @param items null for nothing
   * @param file null for standard error
   * @throws ConfigException with one line for the user: an unknown item, a file that cannot be
   *     written
   */
  public static TraceLog open(String items, Path file) {
    if (items == null) {
      return OFF;
    }
    Set<Item> chosen = parse(items);
    if (file == null) {
      return new TraceLog(chosen, new PrintWriter(System.err, true, StandardCharsets.UTF_8));
    }
    try {
      BufferedWriter out = Files.newBufferedWriter(file);
      return new TraceLog(chosen, out);
    } catch (IOException e) {
      throw new ConfigException("-D " + file + ": cannot be written: " + e.getMessage());
    }
  }

  private static Set<Item> parse(String text) {
    Set<Item> chosen = EnumSet.noneOf(Item.class);
    List<String> known = Arrays.stream(Item.values()).map(Item::optionName).toList();
    for (String name : text.split(",", -1)) {
      int index = known.indexOf(name);
      if (index < 0) {
        throw new ConfigException(
            "-d " + name + ": unknown log item; " + Suggestions.hint(name, known));
      }
      chosen.add(Item.values()[index]);
    }
    return chosen;
  }

  /** A line for each item, for {@code -d help}. */
  public static List<String> help() {
    return Arrays.stream(Item.values())
        .map(i -> String.format("%-15s %s", i.optionName(), i.description()))
        .toList();
  }

  public boolean has(Item item) {
    return items.contains(item);
  }

  /** True if anything is logged for each block that is executed. */
  public boolean tracesBlocks() {
    return has(Item.EXEC) || has(Item.CPU);
  }

  /** Writes one or more whole lines. */
  public void write(String lines) {
    synchronized (out) {
      out.println(lines);
      out.flush();
    }
  }

  @Override
  public void close() {
    out.close();
  }
}
