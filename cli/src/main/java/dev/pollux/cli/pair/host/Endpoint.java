package dev.pollux.cli.pair.host;

import dev.pollux.core.config.ConfigException;
import java.util.Optional;

/**
 * Where an agent listens; its machine uses the ports that follow.
 *
 * @param host a name or an address, without brackets
 */
public record Endpoint(String host, int port) {
  /** Where a side is found that does not say. */
  public static final int PORT = 7070;

  /** Of an agent and of its machine together. */
  private static final int PORTS = 64;

  /** What these are enough for. */
  public static final int MOST_NETWORKS = 15;

  /** Reads {@code HOST[:PORT]}, where an agent and its machine have ports. */
  public static Endpoint parse(String option, String text) {
    return read(text, PORT, 65535 - PORTS)
        .orElseThrow(
            () ->
                new ConfigException(
                    "%s %s: give HOST or HOST:PORT, with a port from 1 to %d"
                        .formatted(option, text, 65535 - PORTS)));
  }

  /** Reads {@code HOST:PORT}, any port. */
  public static Endpoint exact(String option, String text) {
    return read(text, 0, 65535)
        .orElseThrow(
            () ->
                new ConfigException(
                    "%s %s: give HOST:PORT, with a port from 1 to 65535".formatted(option, text)));
  }

  /**
   * @param usual the port where none is said; 0 where one has to be
   */
  private static Optional<Endpoint> read(String text, int usual, int most) {
    int colon = text.lastIndexOf(':');
    boolean bare =
        colon < 0 || text.endsWith("]") || text.indexOf(':') != colon && text.charAt(0) != '[';
    String host = bare ? text : text.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    try {
      int port = bare ? usual : Integer.parseInt(text.substring(colon + 1));
      return !host.isEmpty() && port > 0 && port <= most
          ? Optional.of(new Endpoint(host, port))
          : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  @Override
  public String toString() {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }
}
