package dev.pollux.migration;

import dev.pollux.core.config.ConfigException;
import java.util.List;
import java.util.Optional;

/**
 * Migration addresses in their short form: {@code tcp:host:port}, {@code unix:path}, {@code
 * exec:command} and so on.
 */
public final class MigrationUri {
  private static final String OFFSET = ",offset=";

  private MigrationUri() {}

  /**
   * @throws ConfigException if it is none
   */
  public static MigrationAddress parse(String uri) {
    int colon = uri.indexOf(':');
    String rest = uri.substring(colon + 1);
    return switch (uri.substring(0, Math.max(colon, 0))) {
      case "tcp" -> tcp(uri, rest);
      case "unix" -> new MigrationAddress.Unix(rest);
      case "fd" -> new MigrationAddress.Fd(rest);
      case "exec" -> exec(rest);
      case "file" -> file(uri, rest);
      case "rdma", "vsock" ->
          throw new ConfigException(
              "migration over %s is not built into this program"
                  .formatted(uri.substring(0, colon)));
      default -> throw new ConfigException("Parameter 'uri' expects a valid migration protocol");
    };
  }

  private static MigrationAddress tcp(String uri, String address) {
    int colon = address.lastIndexOf(':');
    String host = colon < 0 ? "" : address.substring(0, colon);
    String port = address.substring(colon + 1).split(",", 2)[0];
    if (colon < 0 || !port.matches("[0-9]{1,5}")) {
      throw new ConfigException("%s: a port is missing; write tcp:HOST:PORT".formatted(uri));
    }
    boolean bracketed = host.startsWith("[") && host.endsWith("]");
    return new MigrationAddress.Inet(
        bracketed ? host.substring(1, host.length() - 1) : host,
        port,
        Optional.empty(),
        Optional.empty());
  }

  /** A socket's address in its short form. */
  public static String show(MigrationAddress.SocketAddress address) {
    return switch (address) {
      case MigrationAddress.Inet inet ->
          "tcp:%s:%s"
              .formatted(
                  inet.host().contains(":") ? "[" + inet.host() + "]" : inet.host(), inet.port());
      case MigrationAddress.Unix unix -> "unix:" + unix.path();
      case MigrationAddress.Fd fd -> "fd:" + fd.str();
    };
  }

  private static MigrationAddress exec(String command) {
    if (command.isBlank()) {
      throw new ConfigException("exec: a command is missing; write exec:COMMAND");
    }
    return new MigrationAddress.Exec(List.of("/bin/sh", "-c", command));
  }

  private static MigrationAddress file(String uri, String text) {
    int at = text.lastIndexOf(OFFSET);
    if (at < 0) {
      return new MigrationAddress.File(text, 0);
    }
    try {
      return new MigrationAddress.File(
          text.substring(0, at), Long.decode(text.substring(at + OFFSET.length())));
    } catch (NumberFormatException e) {
      throw new ConfigException("%s: the offset is not a number".formatted(uri));
    }
  }
}
