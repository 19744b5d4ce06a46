package dev.pollux.backend.block.graph;

import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Names of images as users and images write them: paths, and {@code nbd://host/export}. */
public final class FileNames {
  private static final Pattern PROTOCOL =
      Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*):.*", Pattern.DOTALL);

  private static final Map<String, String> DRIVERS =
      Map.of(
          "file", "file",
          "nbd", "nbd",
          "nbd+unix", "nbd",
          "nbd+tcp", "nbd",
          "null-co", "null-co",
          "null-aio", "null-aio");

  private FileNames() {}

  /** Adds the driver that a file name calls for, where no driver is given and the name is plain. */
  static BlockOptions protocol(BlockOptions options) {
    if (options.has("driver") || !options.has("filename")) {
      return options;
    }
    String name = options.all().get("filename");
    return options.with("driver", driverOf(options, name));
  }

  private static String driverOf(BlockOptions options, String name) {
    String protocol = protocolOf(name);
    if (protocol.isEmpty()) {
      return "file";
    }
    String driver = DRIVERS.get(protocol);
    if (driver == null) {
      throw options.error("Unknown protocol '" + protocol + "'");
    }
    return driver;
  }

  /** What stands before a name's colon, if that comes before any slash; empty for a path. */
  public static String protocolOf(String name) {
    Matcher matcher = PROTOCOL.matcher(name);
    return matcher.matches() ? matcher.group(1) : "";
  }

  /** A backing file's name as seen from where the image is. */
  public static String resolve(String image, String backing) {
    if (!protocolOf(backing).isEmpty() || backing.startsWith("/")) {
      return backing;
    }
    int slash = image.lastIndexOf('/');
    return slash < 0 ? backing : Path.of(image.substring(0, slash + 1)).resolve(backing).toString();
  }
}
