package dev.pollux.backend.web;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshaker;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshakerFactory;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executor;

/** A request and the ways to answer it, one of which is taken once. On the server's thread. */
public final class WebRequest {
  private final ChannelHandlerContext context;
  private final FullHttpRequest request;
  private final WebPage page;

  WebRequest(ChannelHandlerContext context, FullHttpRequest request, WebPage page) {
    this.context = context;
    this.request = request;
    this.page = page;
  }

  public boolean is(HttpMethod method) {
    return request.method().equals(method);
  }

  /** A header, null for none. */
  String header(CharSequence name) {
    return request.headers().get(name);
  }

  /** What came with it. */
  public byte[] content() {
    return ByteBufUtil.getBytes(request.content());
  }

  /** The thread on which answers are given. */
  public Executor executor() {
    return context.executor();
  }

  /** What it came by. */
  public Channel channel() {
    return context.channel();
  }

  /** Whether it asks for a WebSocket. */
  public boolean isForSocket() {
    return is(HttpMethod.GET)
        && request
            .headers()
            .containsValue(HttpHeaderNames.UPGRADE, HttpHeaderValues.WEBSOCKET, true);
  }

  /** Answers with a sentence. */
  public void answer(HttpResponseStatus status, String sentence) {
    FullHttpResponse response = response(status, sentence);
    response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
    send(response);
  }

  /** Answers with the server's page. */
  public void answerPage() {
    FullHttpResponse response =
        response(HttpResponseStatus.OK, Unpooled.wrappedBuffer(page.html()));
    response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/html; charset=utf-8");
    send(response);
  }

  /** Begins an answer in pieces, which the caller writes to the channel. */
  public Channel answerStream(String type) {
    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
    protect(head.headers());
    head.headers().set(HttpHeaderNames.CONTENT_TYPE, type);
    HttpUtil.setTransferEncodingChunked(head, true);
    var _ = context.write(head);
    context.pipeline().replace(context.handler(), "stream", new NothingMore());
    WebServer.expectSilence(context.channel());
    goOn();
    return context.channel();
  }

  /**
   * Makes a WebSocket of the connection (RFC 6455).
   *
   * @param protocol that is spoken on it, if the client names protocols
   * @param longest bytes of a frame at most
   * @param frames takes the client's frames, each after the other
   * @param opened hears once frames may be sent
   */
  public void answerSocket(String protocol, int longest, ChannelHandler frames, Runnable opened) {
    Channel channel = context.channel();
    WebSocketServerHandshaker handshaker =
        new WebSocketServerHandshakerFactory("", protocol, false, longest).newHandshaker(request);
    if (handshaker == null) {
      var _ = WebSocketServerHandshakerFactory.sendUnsupportedVersionResponse(channel);
      goOn();
      return;
    }
    WebServer.expectSilence(channel);
    channel.pipeline().replace(context.handler(), "frames", frames);
    goOn();
    var _ =
        handshaker
            .handshake(channel, request)
            .addListener(
                done -> {
                  if (done.isSuccess()) {
                    opened.run();
                  } else {
                    var _ = channel.close();
                  }
                });
  }

  /** The token goes from the address into a cookie, so that it is not in the browser's history. */
  void answerLogin(String cookie) {
    FullHttpResponse response = response(HttpResponseStatus.SEE_OTHER, "");
    response.headers().set(HttpHeaderNames.LOCATION, "/");
    response.headers().set(HttpHeaderNames.SET_COOKIE, cookie);
    send(response);
  }

  private FullHttpResponse response(HttpResponseStatus status, String text) {
    return response(status, Unpooled.copiedBuffer(text, StandardCharsets.UTF_8));
  }

  private FullHttpResponse response(HttpResponseStatus status, ByteBuf content) {
    FullHttpResponse response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status, content);
    protect(response.headers());
    HttpUtil.setContentLength(response, content.readableBytes());
    return response;
  }

  private void protect(HttpHeaders headers) {
    headers.set(HttpHeaderNames.CONTENT_SECURITY_POLICY, page.policy());
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set(HttpHeaderNames.X_FRAME_OPTIONS, "DENY");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set(HttpHeaderNames.CACHE_CONTROL, "no-store");
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
  }

  private void send(FullHttpResponse response) {
    boolean goesOn = HttpUtil.isKeepAlive(request);
    HttpUtil.setKeepAlive(response, goesOn);
    var sent = context.writeAndFlush(response);
    // The next one waits until this answer has left: they do not pile up for who does not read.
    var _ = sent.addListener(goesOn ? _ -> goOn() : ChannelFutureListener.CLOSE);
  }

  /** Has the client's next words come. Soon: many requests at once are not to nest. */
  private void goOn() {
    context.executor().execute(() -> context.channel().config().setAutoRead(true));
  }

  /** Who asks for more in the middle of an answer is cut off. */
  private static final class NothingMore extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      ReferenceCountUtil.release(message);
      var _ = context.close();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
      var _ = context.close(); // the client is gone
    }
  }
}
