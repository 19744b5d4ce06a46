package dev.pollux.migration;

import dev.pollux.core.config.Api;
import java.util.List;
import java.util.Optional;

/** Where a migration goes to or comes from. */
@Api.Union(tag = "transport", values = MigrationAddress.Transport.class)
public sealed interface MigrationAddress {
  /** For people. */
  default String show() {
    return switch (this) {
      case SocketAddress socket -> MigrationUri.show(socket);
      case Exec exec -> "exec:" + String.join(" ", exec.args());
      case File file -> "file:" + file.filename();
    };
  }

  /** Ways to carry a migration. */
  @Api.Name("MigrationAddressType")
  enum Transport {
    SOCKET,
    EXEC,
    FILE
  }

  /** Kinds of sockets. */
  enum SocketAddressType {
    INET,
    UNIX,
    FD
  }

  /** A socket. */
  @Api.Name("socket")
  @Api.Union(tag = "type", values = SocketAddressType.class)
  sealed interface SocketAddress extends MigrationAddress {}

  /**
   * @param port a number, as text
   */
  record Inet(
      String host,
      @Api.Doc("a number; 0 lets the host choose") String port,
      Optional<Boolean> ipv4,
      Optional<Boolean> ipv6)
      implements SocketAddress {}

  record Unix(String path) implements SocketAddress {}

  record Fd(@Api.Doc("name of a file descriptor that the monitor was given") String str)
      implements SocketAddress {}

  record Exec(@Api.Doc("program and its arguments") List<String> args)
      implements MigrationAddress {}

  record File(String filename, @Api.Unsigned @Api.Doc("where in the file it begins") long offset)
      implements MigrationAddress {}
}
