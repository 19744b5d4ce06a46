package dev.pollux.cli.pair.web;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.web.WebAccess;
import dev.pollux.backend.web.WebPage;
import dev.pollux.backend.web.WebServer;
import dev.pollux.cli.pair.watch.PairControls;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.pair.watch.PairWatcher;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.handler.codec.http.DefaultHttpContent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The web page of a pair. A client that does not read is cut off. Any thread. */
public final class PairWeb implements PairWatcher, AutoCloseable {
  private static final int MOST_STREAMS = 8;
  private static final long NEWS_MILLIS = 50;

  private final WebFeed feed = new WebFeed(Clock.systemUTC());
  private final WebServer server;

  /** Connections on which news are sent. */
  private final ChannelGroup streams;

  private volatile Optional<PairControls> controls = Optional.empty();

  /**
   * Serves the page.
   *
   * @param token of visitors; empty where everybody who can connect may see and use it
   * @throws IOException if nobody can listen there
   */
  public PairWeb(String host, int port, Optional<String> token) throws IOException {
    server =
        new WebServer(
            "--web",
            host,
            port,
            _ -> new WebAccess("pollux-pair", host, token, WebAccess.Pages.OWN),
            WebPage.load(PairWeb.class, "page.html"));
    streams = new DefaultChannelGroup(server.executor());
    var _ =
        server.executor().scheduleWithFixedDelay(this::tell, 0, NEWS_MILLIS, TimeUnit.MILLISECONDS);
    server.serve(new PairSite(this));
  }

  /** A token that nobody guesses. */
  public static String newToken() {
    return WebAccess.newToken();
  }

  Optional<PairControls> pair() {
    return controls;
  }

  /** Whether another page may listen. */
  boolean hasRoom() {
    return streams.size() < MOST_STREAMS;
  }

  /** A page listens from now on; it has got its head. On the loop. */
  void listen(Channel channel) {
    synchronized (feed) {
      tell(); // what the summary has does not come again
      feed.summary().forEach(message -> send(channel, message));
    }
    channel.flush();
    streams.add(channel);
  }

  private void tell() {
    for (String message : feed.news()) {
      streams.forEach(channel -> send(channel, message));
    }
    streams.flush();
  }

  private static void send(Channel channel, String message) {
    if (channel.isWritable()) {
      var _ =
          channel.write(
              new DefaultHttpContent(Unpooled.copiedBuffer(message, StandardCharsets.UTF_8)));
    } else {
      var _ = channel.close(); // it does not read; a browser connects again
    }
  }

  /** Where a browser finds the page, the token included. */
  public String address() {
    return server.address();
  }

  @Override
  public void controls(PairControls pair) {
    controls = Optional.of(pair);
  }

  @Override
  public void event(String event, String sentence, ObjectNode details) {
    feed.event(event, sentence, details);
  }

  @Override
  public void progress(PairView view) {
    feed.progress(view);
  }

  @Override
  public void printed(boolean byPrimary, byte[] bytes, int length) {
    feed.printed(byPrimary, bytes, length);
  }

  @Override
  public void switched() {
    feed.switched();
  }

  @Override
  public void close() {
    server.close();
  }
}
