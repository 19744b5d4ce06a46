package dev.pollux.cli.pair.web;

import dev.pollux.cli.pair.watch.PairControls;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** What a connection to the page's server asks, one request after the other. */
final class WebRequests extends SimpleChannelInboundHandler<FullHttpRequest> {
  private static final long ANSWER_SECONDS = 5;

  /** Things to do, by the path of a POST. */
  private static final Map<String, Deed> DEEDS =
      Map.of(
          "/type",
          (pair, keys) -> CompletableFuture.completedFuture(pair.type(keys)),
          "/failover",
          (pair, _) -> pair.failover(),
          "/resync",
          (pair, _) -> pair.resync());

  private final PairWeb web;

  /** What a visitor may do; the answer is why it was not done. */
  private interface Deed {
    CompletableFuture<String> begin(PairControls pair, byte[] content);
  }

  WebRequests(PairWeb web) {
    this.web = web;
  }

  @Override
  protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
    HttpHeaders headers = request.headers();
    String host = headers.get(HttpHeaderNames.HOST);
    QueryStringDecoder uri = new QueryStringDecoder(request.uri());
    if (!request.decoderResult().isSuccess()) {
      answer(context, request, HttpResponseStatus.BAD_REQUEST, "this is no request");
    } else if (!web.access().isHere(host)
        || !WebAccess.isOwnPage(
            host, headers.get(HttpHeaderNames.ORIGIN), headers.get("Sec-Fetch-Site"))) {
      answer(context, request, HttpResponseStatus.FORBIDDEN, "another site has sent this request");
    } else if (isLogin(request, uri)) {
      logIn(context, request, uri);
    } else if (!web.access()
        .isAllowed(
            headers.get(HttpHeaderNames.COOKIE), headers.get(HttpHeaderNames.AUTHORIZATION))) {
      answer(
          context,
          request,
          HttpResponseStatus.UNAUTHORIZED,
          "open the address that pollux pair has told, with its token");
    } else {
      serve(context, request, uri.path());
    }
  }

  private static boolean isLogin(FullHttpRequest request, QueryStringDecoder uri) {
    return request.method().equals(HttpMethod.GET)
        && uri.path().equals("/")
        && uri.parameters().containsKey("token");
  }

  /** The token goes from the address into a cookie, so that it is not in the browser's history. */
  private void logIn(
      ChannelHandlerContext context, FullHttpRequest request, QueryStringDecoder uri) {
    List<String> tokens = uri.parameters().get("token");
    if (!web.access().isToken(tokens.getFirst())) {
      answer(context, request, HttpResponseStatus.UNAUTHORIZED, "this is not the token");
      return;
    }
    FullHttpResponse response = response(HttpResponseStatus.SEE_OTHER, "");
    response.headers().set(HttpHeaderNames.LOCATION, "/");
    response.headers().set(HttpHeaderNames.SET_COOKIE, web.access().cookie());
    send(context, request, response);
  }

  private void serve(ChannelHandlerContext context, FullHttpRequest request, String path) {
    boolean reads = request.method().equals(HttpMethod.GET);
    Optional<Deed> deed =
        Optional.ofNullable(DEEDS.get(path)).filter(_ -> request.method().equals(HttpMethod.POST));
    if (reads && path.equals("/")) {
      FullHttpResponse response =
          response(HttpResponseStatus.OK, Unpooled.wrappedBuffer(web.page().html()));
      response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/html; charset=utf-8");
      send(context, request, response);
    } else if (reads && path.equals("/events")) {
      listen(context, request);
    } else if (deed.isPresent()) {
      act(context, request, deed.get());
    } else {
      answer(context, request, HttpResponseStatus.NOT_FOUND, "there is nothing");
    }
  }

  private void listen(ChannelHandlerContext context, FullHttpRequest request) {
    if (!web.hasRoom()) {
      answer(context, request, HttpResponseStatus.SERVICE_UNAVAILABLE, "too many pages are open");
      return;
    }
    HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
    protect(head.headers());
    head.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    HttpUtil.setTransferEncodingChunked(head, true);
    var _ = context.write(head);
    web.listen(context.channel());
  }

  private void act(ChannelHandlerContext context, FullHttpRequest request, Deed deed) {
    if (web.pair().isEmpty()) {
      answer(context, request, HttpResponseStatus.CONFLICT, "the pair is being started");
      return;
    }
    FullHttpRequest kept = request.retain();
    var _ =
        deed.begin(web.pair().get(), ByteBufUtil.getBytes(request.content()))
            .completeOnTimeout("no answer in time", ANSWER_SECONDS, TimeUnit.SECONDS)
            .whenCompleteAsync(
                (why, error) -> {
                  String told = error == null ? why : String.valueOf(error.getMessage());
                  answer(
                      context,
                      kept,
                      told.isEmpty() ? HttpResponseStatus.OK : HttpResponseStatus.CONFLICT,
                      told);
                  kept.release();
                },
                context.executor());
  }

  // ---- answers ----

  private void answer(
      ChannelHandlerContext context,
      FullHttpRequest request,
      HttpResponseStatus status,
      String sentence) {
    FullHttpResponse response = response(status, sentence);
    response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
    send(context, request, response);
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
    headers.set(HttpHeaderNames.CONTENT_SECURITY_POLICY, web.page().policy());
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set(HttpHeaderNames.X_FRAME_OPTIONS, "DENY");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set(HttpHeaderNames.CACHE_CONTROL, "no-store");
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
  }

  private static void send(
      ChannelHandlerContext context, FullHttpRequest request, FullHttpResponse response) {
    boolean goesOn = HttpUtil.isKeepAlive(request);
    HttpUtil.setKeepAlive(response, goesOn);
    var sent = context.writeAndFlush(response);
    if (!goesOn) {
      var _ = sent.addListener(ChannelFutureListener.CLOSE);
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    var _ = context.close(); // the client is gone, said nothing for too long, or no HTTP
  }
}
