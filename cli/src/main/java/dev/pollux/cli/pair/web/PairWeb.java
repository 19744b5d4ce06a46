package dev.pollux.cli.pair.web;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.PairControls;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.pair.watch.PairWatcher;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.timeout.ReadTimeoutHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The web page of a pair. One thread serves it; clients are few, their requests small, and one that
 * does not read is cut off. Any thread.
 */
public final class PairWeb implements PairWatcher, AutoCloseable {
  private static final int MOST_CONNECTIONS = 32;
  private static final int MOST_STREAMS = 8;
  private static final int LONGEST_LINE = 4096;
  private static final int MOST_HEADERS = 8192;
  private static final int MOST_CONTENT = 4096;
  private static final int READ_SECONDS = 30;
  private static final long NEWS_MILLIS = 50;
  private static final WriteBufferWaterMark UNREAD = new WriteBufferWaterMark(256 << 10, 1 << 20);

  private final WebFeed feed = new WebFeed(Clock.systemUTC());
  private final WebAccess access;
  private final WebPage page = WebPage.load();
  private final SingleThreadIoEventLoop loop;

  /** All connections, and those on which news are sent. */
  private final ChannelGroup connections;

  private final ChannelGroup streams;
  private final Channel server;
  private volatile Optional<PairControls> controls = Optional.empty();

  /**
   * Serves the page.
   *
   * @param token of visitors; empty where everybody who can connect may see and use it
   * @throws IOException if nobody can listen there
   */
  public PairWeb(String host, int port, Optional<String> token) throws IOException {
    access = new WebAccess(host, token);
    loop =
        new SingleThreadIoEventLoop(
            null, new DefaultThreadFactory("web page", true), NioIoHandler.newFactory());
    connections = new DefaultChannelGroup(loop);
    streams = new DefaultChannelGroup(loop);
    try {
      server =
          new ServerBootstrap()
              .group(loop)
              .channel(NioServerSocketChannel.class)
              .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, UNREAD)
              .childHandler(new Connections())
              .bind(host, port)
              .awaitUninterruptibly()
              .sync()
              .channel();
    } catch (Exception e) {
      var _ = loop.shutdownGracefully(0, 0, TimeUnit.SECONDS);
      throw new IOException("--web %s:%d: %s".formatted(host, port, e.getMessage()), e);
    }
    var _ = loop.scheduleWithFixedDelay(this::tell, 0, NEWS_MILLIS, TimeUnit.MILLISECONDS);
  }

  /** A token that nobody guesses. */
  public static String newToken() {
    return WebAccess.newToken();
  }

  /** What each connection goes through. */
  private final class Connections extends ChannelInitializer<Channel> {
    @Override
    protected void initChannel(Channel channel) {
      if (connections.size() >= MOST_CONNECTIONS) {
        var _ = channel.close();
        return;
      }
      connections.add(channel);
      channel
          .pipeline()
          .addLast(new ReadTimeoutHandler(READ_SECONDS))
          .addLast(new HttpServerCodec(LONGEST_LINE, MOST_HEADERS, MOST_HEADERS))
          .addLast(new HttpObjectAggregator(MOST_CONTENT))
          .addLast(new WebRequests(PairWeb.this));
    }
  }

  WebAccess access() {
    return access;
  }

  WebPage page() {
    return page;
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
    channel.pipeline().remove(ReadTimeoutHandler.class);
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
    InetSocketAddress at = (InetSocketAddress) server.localAddress();
    String host = access.name().contains(":") ? "[" + access.name() + "]" : access.name();
    return "http://%s:%d/".formatted(host, at.getPort())
        + access.token().map(token -> "?token=" + token).orElse("");
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
    var _ = server.close();
    var _ = connections.close();
    var _ = loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
