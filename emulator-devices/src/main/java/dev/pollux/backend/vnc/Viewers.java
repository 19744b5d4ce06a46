package dev.pollux.backend.vnc;

import dev.pollux.backend.web.WebRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Who looks at a screen, however he came: each on threads of its own. Any thread. */
final class Viewers implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Viewers.class);
  private static final int MOST_VIEWERS = 32;

  /** The longest frame of a WebSocket: a clipboard, the longest message, has 1 MiB at most. */
  private static final int MOST_FRAME = (1 << 20) + 64;

  private final VncHost host;
  private final boolean guarded;
  private final Supplier<String> password;
  private final boolean exclusive;
  private final Frames frames;
  private final Set<VncConnection> viewers = ConcurrentHashMap.newKeySet();

  /**
   * @param guarded whether viewers are asked for a password
   * @param password which one; empty where nobody may come in
   * @param exclusive whether a viewer may ask to be alone
   */
  Viewers(VncHost host, boolean guarded, Supplier<String> password, boolean exclusive) {
    this.host = host;
    this.guarded = guarded;
    this.password = password;
    this.exclusive = exclusive;
    frames = new Frames(host);
  }

  VncHost host() {
    return host;
  }

  Frames frames() {
    return frames;
  }

  boolean isGuarded() {
    return guarded;
  }

  /** Empty where nobody may come in. */
  String password() {
    return password.get();
  }

  private boolean hasRoom() {
    if (viewers.size() < MOST_VIEWERS) {
      return true;
    }
    log.warn("VNC: a viewer is turned away; {} are looking on already", MOST_VIEWERS);
    return false;
  }

  /** Somebody has connected. */
  void welcome(SocketChannel channel) throws IOException {
    if (!hasRoom()) {
      channel.close();
      return;
    }
    try {
      welcome(ViewerLink.Plain.of(channel));
    } catch (IOException e) { // it has gone already
      log.debug("VNC: {}", e.getMessage());
      channel.close();
    }
  }

  /** Somebody has connected with a browser. */
  void welcome(WebRequest request) {
    if (!hasRoom()) {
      request.answer(HttpResponseStatus.SERVICE_UNAVAILABLE, "too many viewers are looking on");
      return;
    }
    WebSocketLink link = new WebSocketLink(request.channel());
    request.answerSocket("binary", MOST_FRAME, link, () -> welcome(link));
  }

  private void welcome(ViewerLink link) {
    VncConnection viewer = new VncConnection(this, link);
    viewers.add(viewer);
    viewer.start();
  }

  /** Those that have come in. */
  List<VncConnection> all() {
    return viewers.stream().filter(VncConnection::isIn).toList();
  }

  /** A viewer has come in; where it asked to be alone the others have to go. */
  void cameIn(VncConnection viewer, boolean shared) {
    if (!shared && exclusive) {
      viewers.stream().filter(other -> other != viewer).forEach(VncConnection::close);
    }
  }

  void gone(VncConnection viewer) {
    viewers.remove(viewer);
  }

  @Override
  public void close() {
    viewers.forEach(VncConnection::close);
  }
}
