package dev.pollux.migration.transport;

import dev.pollux.migration.MigrationAddress;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.InvalidPathException;
import java.util.Optional;

/** Addresses of sockets, as users write them and as the host wants them. */
final class Addresses {
  private static final int MOST_PORTS = 65_536;

  private Addresses() {}

  static InetSocketAddress resolve(MigrationAddress.Inet inet) throws IOException {
    int port;
    try {
      port = Integer.parseInt(inet.port());
    } catch (NumberFormatException e) {
      port = -1;
    }
    if (port < 0 || port >= MOST_PORTS) {
      throw new IOException("'%s' is no port".formatted(inet.port()));
    }
    if (inet.host().isEmpty()) {
      return new InetSocketAddress(port);
    }
    for (InetAddress address : InetAddress.getAllByName(inet.host())) {
      if ((address instanceof Inet4Address && inet.ipv4().orElse(inet.ipv6().isEmpty()))
          || (address instanceof Inet6Address && inet.ipv6().orElse(inet.ipv4().isEmpty()))) {
        return new InetSocketAddress(address, port);
      }
    }
    throw new IOException("'%s' has no address of the wanted kind".formatted(inet.host()));
  }

  static UnixDomainSocketAddress resolve(MigrationAddress.Unix unix) throws IOException {
    try {
      return UnixDomainSocketAddress.of(unix.path());
    } catch (InvalidPathException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** Where a socket really listens. */
  static MigrationAddress.SocketAddress describe(SocketAddress address) {
    return switch (address) {
      case InetSocketAddress inet -> {
        boolean six = inet.getAddress() instanceof Inet6Address;
        yield new MigrationAddress.Inet(
            inet.getAddress().getHostAddress(),
            Integer.toString(inet.getPort()),
            six ? Optional.empty() : Optional.of(true),
            six ? Optional.of(true) : Optional.empty());
      }
      case UnixDomainSocketAddress unix -> new MigrationAddress.Unix(unix.getPath().toString());
      default -> throw new IllegalArgumentException(address.toString());
    };
  }

  static String show(SocketAddress address) {
    return address instanceof InetSocketAddress inet
        ? inet.getHostString() + ":" + inet.getPort()
        : address.toString();
  }
}
