package dev.pollux.core.cpu;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Names of guest addresses, from a file like Linux's System.map: lines of an address in hexadecimal
 * digits, a type of one letter, and a name. Immutable.
 */
public final class SymbolTable {
  /** Beyond this distance from a symbol an address is not taken to belong to it. */
  private static final long LONGEST = 1 << 20;

  private final NavigableMap<Long, String> names = new TreeMap<>(Long::compareUnsigned);

  private SymbolTable() {}

  /**
   * Reads a file; only symbols of code (types T, W and their small letters) are kept.
   *
   * @throws IOException with a message for the user if the file cannot be read, or has no symbols
   */
  public static SymbolTable read(Path file) throws IOException {
    SymbolTable table = new SymbolTable();
    for (String line : Files.readAllLines(file, StandardCharsets.ISO_8859_1)) {
      String[] words = line.strip().split("\\s+", -1);
      if (words.length >= 3
          && words[1].length() == 1
          && "tw".contains(words[1].toLowerCase(Locale.ROOT))) {
        try {
          table.names.put(Long.parseUnsignedLong(words[0], 16), words[2]);
        } catch (NumberFormatException e) {
          throw new IOException(file + ": not an address: " + words[0], e);
        }
      }
    }
    if (table.names.isEmpty()) {
      throw new IOException(file + ": no symbols of code; a System.map is expected");
    }
    return table;
  }

  /** The symbol that an address lies behind, or null. */
  public String name(long address) {
    Map.Entry<Long, String> entry = entry(address);
    return entry == null ? null : entry.getValue();
  }

  /** The symbol and the distance from it, {@code name+0x12}, or null. */
  public String describe(long address) {
    Map.Entry<Long, String> entry = entry(address);
    return entry == null ? null : "%s+0x%x".formatted(entry.getValue(), address - entry.getKey());
  }

  private Map.Entry<Long, String> entry(long address) {
    Map.Entry<Long, String> entry = names.floorEntry(address);
    return entry == null || address - entry.getKey() >= LONGEST ? null : entry;
  }
}
