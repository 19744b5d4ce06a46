package dev.pollux.cli.img;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.Locale;
import java.util.Map;

/** Sizes as people write and read them. */
final class Sizes {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

  private Sizes() {}

  /** Reads {@code 512}, {@code 64k}, {@code 1.5G}; a bare number is bytes. */
  static long parse(String what, String text) {
    try {
      long size = DeviceOptions.of("", Map.of("size", text)).size("size", 0, 'B');
      return size;
    } catch (ConfigException e) {
      throw new ConfigException(
          ("Invalid %s specified! You may use k, M, G, T, P or E suffixes for\n"
                  + "kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.")
              .formatted(what),
          e);
    }
  }

  /** Three significant digits and a unit, as C's {@code %0.3g} writes them: {@code 1.5 MiB}. */
  static String human(long bytes) {
    int unit = 0;
    double value = bytes;
    while (value >= 1000 && unit < UNITS.length - 1) {
      value /= 1024;
      unit++;
    }
    return significant(value) + " " + UNITS[unit];
  }

  private static String significant(double value) {
    if (value == 0) {
      return "0";
    }
    int before = (int) Math.floor(Math.log10(value)) + 1;
    String text =
        String.format(Locale.ROOT, "%." + Math.max(0, 3 - Math.max(before, 0)) + "f", value);
    return text.contains(".") ? text.replaceFirst("\\.?0+$", "") : text;
  }
}
