package dev.pollux.backend.vnc;

import dev.pollux.backend.web.WebAccess;
import dev.pollux.backend.web.WebPage;
import dev.pollux.backend.web.WebRequest;
import dev.pollux.backend.web.WebServer;
import dev.pollux.core.config.ConfigException;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.io.IOException;
import java.util.Optional;

/** A page with the screen, keyboard and pointer: a viewer of our own in the browser. Any thread. */
public final class WebScreen implements AutoCloseable {
  private final Viewers viewers;
  private final WebServer server;

  /**
   * Listens.
   *
   * @param token of visitors; empty where everybody who can connect may see and use it
   * @throws ConfigException if the host refuses
   */
  public WebScreen(String host, int port, Optional<String> token, VncHost screen) {
    viewers = new Viewers(screen, false, () -> "", false);
    try {
      server =
          new WebServer(
              "-display web,addr=",
              host,
              port,
              at -> new WebAccess("pollux-screen-" + at, host, token, WebAccess.Pages.OWN),
              WebPage.load(WebScreen.class, "screen.html"));
    } catch (IOException e) {
      throw new ConfigException(e.getMessage(), e);
    }
    server.serve(this::serve);
  }

  private void serve(WebRequest request, String path) {
    if (path.equals("/") && request.is(HttpMethod.GET)) {
      request.answerPage();
    } else if (path.equals("/rfb") && request.isForSocket()) {
      viewers.welcome(request);
    } else {
      request.answer(HttpResponseStatus.NOT_FOUND, "there is nothing");
    }
  }

  /** Where a browser finds the page, the token included. */
  public String address() {
    return server.address();
  }

  @Override
  public void close() {
    server.close();
    viewers.close();
  }
}
