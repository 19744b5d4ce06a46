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
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Addresses of sockets, as users write them and as the host wants them. */
final class Addresses {
  private static final int MOST_PORTS = 65_536;

  /** The host's resolver asks each of its servers for some seconds. */
  private static final int LOOK_UP_MILLIS = 10_000;

  private static final int LOOK_MILLIS = 50;

  private Addresses() {}

  /** The host's address of a socket; gives up when the connections are cut, and in the end. */
  static InetSocketAddress resolve(MigrationAddress.Inet inet, Connections connections)
      throws IOException {
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
    for (InetAddress address : lookUp(inet.host(), connections)) {
      if ((address instanceof Inet4Address && inet.ipv4().orElse(inet.ipv6().isEmpty()))
          || (address instanceof Inet6Address && inet.ipv6().orElse(inet.ipv4().isEmpty()))) {
        return new InetSocketAddress(address, port);
      }
    }
    throw new IOException("'%s' has no address of the wanted kind".formatted(inet.host()));
  }

  /** Asks the host's resolver, which cannot be interrupted, on a thread of its own. */
  private static List<InetAddress> lookUp(String host, Connections connections) throws IOException {
    FutureTask<List<InetAddress>> answer =
        new FutureTask<>(() -> List.of(InetAddress.getAllByName(host)));
    Thread.ofPlatform().name("look up " + host).daemon(true).start(answer);
    try {
      for (int waited = 0; waited < LOOK_UP_MILLIS && !connections.isCut(); waited += LOOK_MILLIS) {
        try {
          return answer.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          // Look whether the answer is still wanted.
        }
      }
      throw new IOException(
          connections.isCut()
              ? "the connection was cut"
              : "no address of '%s' within %d ms".formatted(host, LOOK_UP_MILLIS));
    } catch (ExecutionException e) {
      throw new IOException("'%s' has no known address".formatted(host), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
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
