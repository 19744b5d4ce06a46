package dev.pollux.backend.web;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.QueryStringDecoder;

/** What a connection asks, one request after the other; strangers get no further. */
final class WebRequests extends SimpleChannelInboundHandler<FullHttpRequest> {
  private final WebServer server;

  WebRequests(WebServer server) {
    this.server = server;
  }

  @Override
  protected void channelRead0(ChannelHandlerContext context, FullHttpRequest received) {
    context.channel().config().setAutoRead(false); // the next one waits for this one's answer
    WebRequest request = new WebRequest(context, received, server.page());
    WebAccess access = server.access();
    String host = request.header(HttpHeaderNames.HOST);
    QueryStringDecoder uri = new QueryStringDecoder(received.uri());
    if (!received.decoderResult().isSuccess()) {
      request.answer(HttpResponseStatus.BAD_REQUEST, "this is no request");
    } else if (!access.isHere(host)
        || !access.isFromHere(
            host, request.header(HttpHeaderNames.ORIGIN), request.header("Sec-Fetch-Site"))) {
      request.answer(HttpResponseStatus.FORBIDDEN, "another site has sent this request");
    } else if (isLogin(request, uri)) {
      if (access.isToken(uri.parameters().get("token").getFirst())) {
        request.answerLogin(access.cookie());
      } else {
        request.answer(HttpResponseStatus.UNAUTHORIZED, "this is not the token");
      }
    } else if (!access.isAllowed(
        request.header(HttpHeaderNames.COOKIE), request.header(HttpHeaderNames.AUTHORIZATION))) {
      request.answer(
          HttpResponseStatus.UNAUTHORIZED, "open the address that pollux has told, with its token");
    } else {
      server.site().serve(request, uri.path());
    }
  }

  private static boolean isLogin(WebRequest request, QueryStringDecoder uri) {
    return request.is(HttpMethod.GET)
        && uri.path().equals("/")
        && uri.parameters().containsKey("token");
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    var _ = context.close(); // the client is gone, said nothing for too long, or no HTTP
  }
}
