package dev.pollux.backend.vnc;

import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows a screen to viewers, each on threads of its own. Any thread. */
public final class VncServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(VncServer.class);
  private static final int MOST_VIEWERS = 32;

  private final VncOptions options;
  private final VncHost host;
  private final Frames frames;
  private final ServerSocketChannel listener;
  private final SocketAddress address;
  private final Set<VncConnection> viewers = ConcurrentHashMap.newKeySet();
  private final AtomicReference<String> password = new AtomicReference<>("");
  private volatile Instant expiry = Instant.MAX;

  /**
   * Listens.
   *
   * @param password empty where nobody may come in until it is set; without meaning where none is
   *     asked for
   * @throws ConfigException if the host refuses
   */
  public VncServer(VncOptions options, String password, VncHost host) {
    this.options = options;
    this.host = host;
    this.password.set(password);
    frames = new Frames(host);
    listener = listen(options.addresses());
    try {
      address = listener.getLocalAddress();
    } catch (IOException e) {
      throw new ConfigException("-vnc: " + e.getMessage(), e);
    }
    Thread.ofPlatform().daemon().name("vnc").start(this::accept);
  }

  private static ServerSocketChannel listen(List<SocketAddress> addresses) {
    IOException failure = null;
    for (SocketAddress address : addresses) {
      try {
        return listen(address);
      } catch (IOException e) {
        failure = e;
      }
    }
    throw new ConfigException(
        "-vnc: cannot listen at %s: %s".formatted(addresses.getLast(), failure.getMessage()),
        failure);
  }

  private static ServerSocketChannel listen(SocketAddress address) throws IOException {
    if (address instanceof UnixDomainSocketAddress file) {
      Files.deleteIfExists(file.getPath());
      return bind(ServerSocketChannel.open(StandardProtocolFamily.UNIX), address);
    }
    return bind(
        ServerSocketChannel.open().setOption(StandardSocketOptions.SO_REUSEADDR, true), address);
  }

  private static ServerSocketChannel bind(ServerSocketChannel channel, SocketAddress address)
      throws IOException {
    try {
      return channel.bind(address);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private void accept() {
    while (listener.isOpen()) {
      try {
        SocketChannel channel = listener.accept();
        if (viewers.size() >= MOST_VIEWERS) {
          log.warn("VNC: a viewer is turned away; {} are looking on already", MOST_VIEWERS);
          channel.close();
          continue;
        }
        welcome(channel);
      } catch (IOException e) {
        if (listener.isOpen()) {
          log.warn("VNC: cannot accept a viewer: {}", e.getMessage());
          pause();
        }
      }
    }
  }

  private void welcome(SocketChannel channel) throws IOException {
    try {
      VncConnection viewer = new VncConnection(this, channel);
      viewers.add(viewer);
      viewer.start();
    } catch (IOException e) { // it has gone already
      log.debug("VNC: {}", e.getMessage());
      channel.close();
    }
  }

  private static void pause() {
    try {
      Thread.sleep(1000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  VncHost host() {
    return host;
  }

  Frames frames() {
    return frames;
  }

  boolean asksForPassword() {
    return options.password();
  }

  /** Empty where nobody may come in. */
  String password() {
    return Instant.now().isBefore(expiry) ? password.get() : "";
  }

  /**
   * Says until when the password lets viewers in; who has come in stays.
   *
   * @param when {@link Instant#MAX} for ever
   * @return false where none is asked for
   */
  public boolean expirePassword(Instant when) {
    expiry = when;
    return options.password();
  }

  /**
   * Sets another password; who has come in stays.
   *
   * @return false where none is asked for
   */
  public boolean setPassword(String to) {
    password.set(to);
    return options.password();
  }

  /** Where it listens. */
  public SocketAddress address() {
    return address;
  }

  /** Whether a password is asked for. */
  public boolean isGuarded() {
    return options.password();
  }

  /** Where viewers are that have come in. */
  public List<SocketAddress> viewers() {
    return viewers.stream().filter(VncConnection::isIn).map(VncConnection::peer).toList();
  }

  /** A viewer has come in; where it asked to be alone the others have to go. */
  void cameIn(VncConnection viewer, boolean shared) {
    if (!shared && options.share() == VncOptions.Share.ALLOW_EXCLUSIVE) {
      viewers.stream().filter(other -> other != viewer).forEach(VncConnection::close);
    }
  }

  void gone(VncConnection viewer) {
    viewers.remove(viewer);
  }

  @Override
  public void close() {
    try {
      listener.close();
      if (address instanceof UnixDomainSocketAddress file) {
        Files.deleteIfExists(file.getPath());
      }
    } catch (IOException e) {
      log.warn("VNC: {}", e.getMessage());
    }
    viewers.forEach(VncConnection::close);
  }
}
