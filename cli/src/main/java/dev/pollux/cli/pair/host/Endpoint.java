package dev.pollux.cli.pair.host;

import dev.pollux.core.config.ConfigException;

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

  /** Reads {@code HOST[:PORT]}. */
  public static Endpoint parse(String option, String text) {
    int colon = text.lastIndexOf(':');
    boolean bare =
        colon < 0 || text.endsWith("]") || text.indexOf(':') != colon && text.charAt(0) != '[';
    String host = bare ? text : text.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    try {
      int port = bare ? PORT : Integer.parseInt(text.substring(colon + 1));
      if (!host.isEmpty() && port > 0 && port <= 65535 - PORTS) {
        return new Endpoint(host, port);
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new ConfigException(
        "%s %s: give HOST or HOST:PORT, with a port from 1 to %d"
            .formatted(option, text, 65535 - PORTS));
  }

  @Override
  public String toString() {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }
}
