package dev.pollux.backend.web;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.handler.timeout.ReadTimeoutHandler;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Listens for browsers. One thread serves all; clients are few, their requests small, and one that
 * does not read is cut off. Any thread.
 */
public final class WebServer implements AutoCloseable {
  private static final int MOST_CONNECTIONS = 32;
  private static final int LONGEST_LINE = 4096;
  private static final int MOST_HEADERS = 8192;
  private static final int MOST_CONTENT = 4096;

  /** From one whole request to the next, or from the connection on to the first. */
  static final int REQUEST_SECONDS = 30;

  private static final WriteBufferWaterMark UNREAD = new WriteBufferWaterMark(256 << 10, 1 << 20);

  private final WebPage page;
  private final SingleThreadIoEventLoop loop;
  private final ChannelGroup connections;
  private final Channel server;
  private final WebAccess access;

  private volatile WebSite site = (request, _) -> request.answer(HttpResponseStatus.NOT_FOUND, "");

  /**
   * Binds; who connects waits until {@link #serve}.
   *
   * @param option that asked for it, for errors
   * @param port 0 for any
   * @param access who may, by the port
   * @throws IOException if nobody can listen there
   */
  public WebServer(
      String option, String host, int port, Function<Integer, WebAccess> access, WebPage page)
      throws IOException {
    this.page = page;
    loop =
        new SingleThreadIoEventLoop(
            null, new DefaultThreadFactory("web page", true), NioIoHandler.newFactory());
    connections = new DefaultChannelGroup(loop);
    try {
      server =
          new ServerBootstrap()
              .group(loop)
              .channel(NioServerSocketChannel.class)
              .option(ChannelOption.AUTO_READ, false)
              .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, UNREAD)
              .childHandler(connection())
              .bind(host, port)
              .awaitUninterruptibly()
              .sync()
              .channel();
    } catch (Exception e) {
      var _ = loop.shutdownGracefully(0, 0, TimeUnit.SECONDS);
      throw new IOException("%s %s:%d: %s".formatted(option, host, port, e.getMessage()), e);
    }
    this.access = access.apply(((InetSocketAddress) server.localAddress()).getPort());
  }

  /** Lets clients in. */
  public void serve(WebSite what) {
    site = what;
    server.config().setAutoRead(true);
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
          .addLast(new HttpServerCodec(LONGEST_LINE, MOST_HEADERS, MOST_HEADERS))
          .addLast(new HttpObjectAggregator(MOST_CONTENT))
          .addLast(new ReadTimeoutHandler(REQUEST_SECONDS)) // here, where only whole ones come
          .addLast(new FlowControlHandler())
          .addLast(new WebRequests(WebServer.this));
    }
  }

  /** What serves a connection. */
  ChannelHandler connection() {
    return new Connections();
  }

  /** A client of this connection need not say anything from now on. On the server's thread. */
  static void expectSilence(Channel channel) {
    channel.pipeline().remove(ReadTimeoutHandler.class);
  }

  WebAccess access() {
    return access;
  }

  WebPage page() {
    return page;
  }

  WebSite site() {
    return site;
  }

  /** The thread that serves. */
  public EventExecutor executor() {
    return loop;
  }

  /** Where it listens. */
  public InetSocketAddress local() {
    return (InetSocketAddress) server.localAddress();
  }

  /** Where a browser finds the page, the token included. */
  public String address() {
    String host = access.name().contains(":") ? "[" + access.name() + "]" : access.name();
    return "http://%s:%d/".formatted(host, local().getPort())
        + Optional.of(access).flatMap(WebAccess::token).map(t -> "?token=" + t).orElse("");
  }

  @Override
  public void close() {
    var _ = server.close();
    var _ = connections.close();
    var _ = loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
