package dev.pollux.backend.vnc;

import dev.pollux.backend.web.WebAccess;
import dev.pollux.backend.web.WebPage;
import dev.pollux.backend.web.WebRequest;
import dev.pollux.backend.web.WebServer;
import dev.pollux.core.config.ConfigException;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Shows a screen to viewers, each on threads of its own. Any thread. */
public final class VncServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(VncServer.class);

  private final VncOptions options;
  private final Viewers viewers;
  private final ServerSocketChannel listener;
  private final SocketAddress address;
  private final Optional<WebServer> web;
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
    this.password.set(password);
    viewers =
        new Viewers(
            host,
            options.password(),
            this::validPassword,
            options.share() == VncOptions.Share.ALLOW_EXCLUSIVE);
    listener = listen(options.addresses());
    try {
      address = listener.getLocalAddress();
    } catch (IOException e) {
      throw new ConfigException("-vnc: " + e.getMessage(), e);
    }
    web = options.web().map(this::listen);
    web.ifPresent(server -> server.serve((request, _) -> serve(request)));
    Thread.ofPlatform().daemon().name("vnc").start(this::accept);
  }

  /** Listens for viewers in browsers. */
  private WebServer listen(VncOptions.Web at) {
    try {
      return new WebServer(
          "-vnc websocket=",
          at.host(),
          at.port(address),
          _ -> new WebAccess("", at.host(), Optional.empty(), WebAccess.Pages.OF_THE_HOST),
          WebPage.NONE);
    } catch (IOException e) {
      close(listener);
      throw new ConfigException(e.getMessage(), e);
    }
  }

  private void serve(WebRequest request) {
    if (request.isForSocket()) {
      viewers.welcome(request);
    } else {
      request.answer(HttpResponseStatus.NOT_FOUND, "viewers come by a WebSocket");
    }
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
        viewers.welcome(channel);
      } catch (IOException e) {
        if (listener.isOpen()) {
          log.warn("VNC: cannot accept a viewer: {}", e.getMessage());
          pause();
        }
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(1000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Empty where nobody may come in. */
  private String validPassword() {
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

  /** Where it listens for browsers. */
  public Optional<InetSocketAddress> webAddress() {
    return web.map(WebServer::local);
  }

  /**
   * A viewer that has come in.
   *
   * @param web by a WebSocket
   */
  public record Viewer(SocketAddress peer, boolean web) {}

  public List<Viewer> viewers() {
    return viewers.all().stream()
        .map(viewer -> new Viewer(viewer.link().peer(), viewer.link().isWeb()))
        .toList();
  }

  @Override
  public void close() {
    web.ifPresent(WebServer::close);
    close(listener);
    try {
      if (address instanceof UnixDomainSocketAddress file) {
        Files.deleteIfExists(file.getPath());
      }
    } catch (IOException e) {
      log.warn("VNC: {}", e.getMessage());
    }
    viewers.close();
  }

  private static void close(ServerSocketChannel listener) {
    try {
      listener.close();
    } catch (IOException e) {
      log.warn("VNC: {}", e.getMessage());
    }
  }
}
