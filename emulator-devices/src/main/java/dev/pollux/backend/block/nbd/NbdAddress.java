package dev.pollux.backend.block.nbd;

import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Where an NBD server is. */
public sealed interface NbdAddress {
  /** The port that servers use where nothing is said. */
  int DEFAULT_PORT = 10809;

  /** A TCP port; an empty host is any, of a server. */
  record Inet(String host, int port) implements NbdAddress {
    @Override
    public String toString() {
      return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
    }
  }

  /** A socket in the file system. */
  record Unix(String path) implements NbdAddress {
    @Override
    public String toString() {
      return path;
    }
  }

  /**
   * A server and one of its exports, as {@code nbd://host:port/export} or {@code
   * nbd+unix:///export?socket=path} have them; also {@code nbd:host:port:exportname=export} and
   * {@code nbd:unix:path:exportname=export}.
   */
  record Location(NbdAddress address, String export) {
    public static Location parse(String text) {
      if (!text.startsWith("nbd://")
          && !text.startsWith("nbd+tcp://")
          && !text.startsWith("nbd+unix://")) {
        return parseOld(text);
      }
      URI uri;
      try {
        uri = new URI(text);
      } catch (URISyntaxException e) {
        throw new ConfigException("invalid URI: " + e.getMessage(), e);
      }
      String path = uri.getPath() == null ? "" : uri.getPath();
      String export = path.startsWith("/") ? path.substring(1) : path;
      if (uri.getScheme().equals("nbd+unix")) {
        String query = uri.getQuery() == null ? "" : uri.getQuery();
        if (!query.startsWith("socket=")) {
          throw new ConfigException(text + ": ?socket=PATH is missing");
        }
        return new Location(new Unix(query.substring("socket=".length())), export);
      }
      if (uri.getHost() == null) {
        throw new ConfigException(text + ": the host is missing");
      }
      String host = uri.getHost().replaceAll("^\\[|\\]$", "");
      return new Location(new Inet(host, uri.getPort() < 0 ? DEFAULT_PORT : uri.getPort()), export);
    }

    private static Location parseOld(String text) {
      String rest = text.substring("nbd:".length());
      String export = "";
      int name = rest.indexOf(":exportname=");
      if (name >= 0) {
        export = rest.substring(name + ":exportname=".length());
        rest = rest.substring(0, name);
      }
      if (rest.startsWith("unix:")) {
        return new Location(new Unix(rest.substring("unix:".length())), export);
      }
      int colon = rest.lastIndexOf(':');
      if (colon < 0) {
        throw new ConfigException(text + ": looks like nbd:HOST:PORT or nbd:unix:PATH");
      }
      return new Location(
          new Inet(rest.substring(0, colon), port(rest.substring(colon + 1))), export);
    }
  }

  /** Reads a port number. */
  static int port(String text) {
    try {
      int port = Integer.parseInt(text);
      if (port >= 0 && port <= 0xffff) {
        return port;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new ConfigException("%s is no port; give a number up to 65535".formatted(text));
  }

  private SocketAddress resolve() throws IOException {
    return switch (this) {
      case Unix(String path) -> UnixDomainSocketAddress.of(path);
      case Inet(String host, int port) -> {
        InetSocketAddress address =
            host.isEmpty() ? new InetSocketAddress(port) : new InetSocketAddress(host, port);
        if (address.isUnresolved()) {
          throw new IOException("address resolution failed for %s".formatted(this));
        }
        yield address;
      }
    };
  }

  /**
   * Connects; a TCP connection that is not there in time fails.
   *
   * @param millis how long that may take
   */
  default SocketChannel connect(int millis) throws IOException {
    SocketAddress address = resolve();
    if (this instanceof Unix) {
      return SocketChannel.open(address);
    }
    SocketChannel channel = SocketChannel.open();
    try {
      channel.socket().connect(address, millis);
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
      return channel;
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  /** Listens. A socket file that is left over is replaced. */
  default ServerSocketChannel listen() throws IOException {
    if (this instanceof Unix(String path)) {
      Files.deleteIfExists(Path.of(path));
    }
    SocketAddress address = resolve();
    ServerSocketChannel server =
        this instanceof Unix
            ? ServerSocketChannel.open(StandardProtocolFamily.UNIX)
            : ServerSocketChannel.open();
    try {
      if (this instanceof Inet) {
        server.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      }
      return server.bind(address, 128);
    } catch (IOException e) {
      server.close();
      throw e;
    }
  }

  /** The socket's file, where there is one. */
  default Optional<Path> file() {
    return this instanceof Unix(String path) ? Optional.of(Path.of(path)) : Optional.empty();
  }
}
