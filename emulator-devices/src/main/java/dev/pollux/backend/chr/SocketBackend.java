package dev.pollux.backend.chr;

import dev.pollux.backend.chr.CharSpec.SocketTarget;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A unix or TCP socket, server or client, one connection at a time. A server keeps listening: the
 * next client is served when the present one has gone. Only the address asked for is bound; a
 * socket file gets the permissions that the umask leaves.
 */
public final class SocketBackend extends QueuedBackend {
  private static final Logger log = LoggerFactory.getLogger(SocketBackend.class);
  private static final int MAX_UNIX_PATH = 107;

  private final CharSpec.Socket spec;
  private final ServerSocketChannel listener;
  private volatile SocketChannel connection;
  private volatile boolean closed;

  SocketBackend(String id, CharSpec.Socket spec) {
    super(id);
    this.spec = spec;
    try {
      if (spec.server()) {
        listener = listen(spec.target());
        if (spec.waitForClient()) {
          log.info("waiting for connection on: {}", describe());
          connection = listener.accept();
        }
      } else {
        listener = null;
        connection = spec.reconnectMillis() > 0 ? null : connect(spec.target());
      }
    } catch (IOException e) {
      throw new ConfigException(
          "chardev %s: cannot %s %s: %s"
              .formatted(
                  id, spec.server() ? "listen on" : "connect to", text(spec.target()), reason(e)),
          e);
    }
    if (connection != null) {
      begin(connection);
    }
    start("socket", this::run);
  }

  /** The port that a TCP server got, for instance when it asked for port 0. */
  public int localPort() {
    try {
      return listener.getLocalAddress() instanceof InetSocketAddress inet ? inet.getPort() : -1;
    } catch (IOException e) {
      return -1;
    }
  }

  /** Whether a lost connection is tried again. */
  public boolean reconnects() {
    return spec.reconnectMillis() > 0;
  }

  /** Cuts the present connection at once, as {@code yank} does. Any thread. */
  public void disconnect() {
    SocketChannel channel = connection;
    if (channel != null) {
      closeQuietly(channel);
    }
  }

  private void run() {
    for (boolean first = true; !closed; first = false) {
      SocketChannel channel = connection;
      if (channel == null) {
        channel = next(first);
        if (channel == null) {
          return;
        }
        begin(channel);
      }
      readAll(channel);
      connection = null;
      output.disconnect();
      input.close();
      closeQuietly(channel);
      if (!spec.server() && spec.reconnectMillis() == 0) {
        return;
      }
    }
  }

  /** The next client, or the server once it is there; null when this back end is closed. */
  private SocketChannel next(boolean first) {
    for (boolean atOnce = first; !closed; atOnce = false) {
      try {
        if (spec.server()) {
          return listener.accept();
        }
        if (!atOnce) {
          Thread.sleep(spec.reconnectMillis());
        }
        return connect(spec.target());
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.toString());
        if (spec.server()) {
          return null;
        }
      } catch (InterruptedException e) {
        return null;
      }
    }
    return null;
  }

  private void begin(SocketChannel channel) {
    if (spec.noDelay() && spec.target() instanceof SocketTarget.Inet) {
      try {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      } catch (IOException e) {
        log.debug("{}: {}", id(), e.toString());
      }
    }
    connection = channel;
    output.connect((bytes, offset, length) -> writeAll(channel, bytes, offset, length));
    input.open();
    if (closed) {
      closeQuietly(channel);
    }
  }

  private static void writeAll(SocketChannel channel, byte[] bytes, int offset, int length)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.wrap(bytes, offset, length);
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  private void readAll(SocketChannel channel) {
    ByteBuffer buffer = ByteBuffer.allocate(InputQueue.CAPACITY);
    try {
      while (channel.read(buffer) >= 0) {
        input.put(buffer.array(), 0, buffer.position());
        buffer.clear();
      }
    } catch (IOException e) {
      log.debug("{}: {}", id(), e.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static ServerSocketChannel listen(SocketTarget target) throws IOException {
    return switch (target) {
      case SocketTarget.Unix unix -> listenUnix(unix);
      case SocketTarget.Inet inet -> listenInet(inet);
    };
  }

  private static ServerSocketChannel listenUnix(SocketTarget.Unix unix) throws IOException {
    SocketAddress address = unixAddress(unix);
    Path path = Path.of(unix.path());
    if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
          .isOther()) {
        throw new IOException("the file exists and is no socket");
      }
      Files.delete(path);
    }
    ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      return channel.bind(address, 1);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private static ServerSocketChannel listenInet(SocketTarget.Inet inet) throws IOException {
    IOException first = null;
    for (int port = inet.port(); port <= Math.max(inet.port(), inet.to()); port++) {
      ServerSocketChannel channel = open(inet);
      try {
        return channel.bind(address(inet, port), 1);
      } catch (IOException e) {
        channel.close();
        first = first == null ? e : first;
      }
    }
    throw first;
  }

  /**
   * A socket of one family only where an address of that family is bound: nothing wider than was
   * asked for.
   */
  private static ServerSocketChannel open(SocketTarget.Inet inet) throws IOException {
    boolean v4 = inet.host().isEmpty() ? !inet.ipv6() : resolve(inet) instanceof Inet4Address;
    return v4 ? ServerSocketChannel.open(StandardProtocolFamily.INET) : ServerSocketChannel.open();
  }

  private static SocketChannel connect(SocketTarget target) throws IOException {
    return switch (target) {
      case SocketTarget.Unix unix -> SocketChannel.open(unixAddress(unix));
      case SocketTarget.Inet inet -> SocketChannel.open(address(inet, inet.port()));
    };
  }

  private static SocketAddress unixAddress(SocketTarget.Unix unix) throws IOException {
    if (unix.path().getBytes(StandardCharsets.UTF_8).length > MAX_UNIX_PATH) {
      throw new IOException(
          "the path is longer than the " + MAX_UNIX_PATH + " bytes a socket's may have");
    }
    return UnixDomainSocketAddress.of(unix.path());
  }

  private static SocketAddress address(SocketTarget.Inet inet, int port) throws IOException {
    return inet.host().isEmpty()
        ? new InetSocketAddress(port)
        : new InetSocketAddress(resolve(inet), port);
  }

  private static InetAddress resolve(SocketTarget.Inet inet) throws UnknownHostException {
    for (InetAddress address : InetAddress.getAllByName(inet.host())) {
      if (address instanceof Inet6Address ? inet.ipv6() : inet.ipv4()) {
        return address;
      }
    }
    throw new UnknownHostException("no address of the family asked for");
  }

  private static String reason(IOException e) {
    if (e instanceof UnknownHostException) {
      return "the host is not known";
    }
    String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return message.contains("in use")
        ? message + "; choose another address or end the program that has it"
        : message;
  }

  private static String text(SocketTarget target) {
    return switch (target) {
      case SocketTarget.Unix(String path) -> "unix:" + path;
      case SocketTarget.Inet inet ->
          "tcp:"
              + (inet.host().contains(":") ? "[" + inet.host() + "]" : inet.host())
              + ":"
              + inet.port();
    };
  }

  @Override
  public String describe() {
    SocketChannel channel = connection;
    String server = spec.server() ? ",server=on" : "";
    if (channel == null) {
      return "disconnected:" + text(spec.target()) + server;
    }
    if (spec.target() instanceof SocketTarget.Unix unix) {
      return "unix:" + unix.path() + server;
    }
    try {
      return "tcp:"
          + plain(channel.getLocalAddress())
          + server
          + " <-> "
          + plain(channel.getRemoteAddress());
    } catch (IOException e) {
      return "disconnected:" + text(spec.target()) + server;
    }
  }

  private static String plain(SocketAddress address) {
    if (address instanceof InetSocketAddress inet) {
      String host = inet.getAddress().getHostAddress();
      return (host.contains(":") ? "[" + host + "]" : host) + ":" + inet.getPort();
    }
    return String.valueOf(address);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    output.flush(500);
    closed = true;
    if (listener != null) {
      closeQuietly(listener);
      if (spec.target() instanceof SocketTarget.Unix unix) {
        try {
          Files.deleteIfExists(Path.of(unix.path()));
        } catch (IOException e) {
          log.debug("{}: {}", id(), e.toString());
        }
      }
    }
    disconnect();
    input.close();
    output.close();
  }

  private static void closeQuietly(AutoCloseable channel) {
    try {
      channel.close();
    } catch (Exception e) {
      log.debug("closing: {}", e.toString());
    }
  }
}
