package dev.pollux.backend.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How long a client may keep a connection, by a clock that the test sets. */
class WebServerTest {
  private static final String REQUEST = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  private static final int MANY = 100;
  private static final String POST =
      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n";

  private WebServer server;
  private EmbeddedChannel client;
  private Channel stream;

  @BeforeEach
  void connect() throws IOException {
    server =
        new WebServer(
            "--web",
            "127.0.0.1",
            0,
            _ -> new WebAccess("test", "127.0.0.1", Optional.empty(), WebAccess.Pages.OWN),
            WebPage.NONE);
    server.serve(this::serve);
    client = new EmbeddedChannel();
    client.freezeTime();
    client.pipeline().addLast(server.connection());
  }

  @AfterEach
  void close() {
    client.finishAndReleaseAll();
    server.close();
  }

  private void serve(WebRequest request, String path) {
    if (path.equals("/stream")) {
      stream = request.answerStream("text/plain");
    } else {
      request.answer(HttpResponseStatus.OK, "here");
    }
  }

  private void say(String text) {
    client.writeInbound(Unpooled.copiedBuffer(text, StandardCharsets.US_ASCII));
  }

  private void pass(long seconds) {
    client.advanceTimeBy(seconds, TimeUnit.SECONDS);
    client.runScheduledPendingTasks();
  }

  private String answer() {
    client.runPendingTasks();
    StringBuilder text = new StringBuilder();
    for (ByteBuf part = client.readOutbound(); part != null; part = client.readOutbound()) {
      text.append(part.toString(StandardCharsets.US_ASCII));
      part.release();
    }
    return text.toString();
  }

  /** Says a byte every second. */
  private int secondsOf(String text) {
    int seconds = 0;
    while (client.isOpen() && seconds < text.length()) {
      say(text.substring(seconds, seconds + 1));
      pass(1);
      seconds++;
    }
    return seconds;
  }

  @Test
  void aHeadThatComesDropByDropComesToAnEnd() {
    assertEquals(WebServer.REQUEST_SECONDS, secondsOf(REQUEST));
    assertFalse(client.isOpen());
    assertEquals("", answer());
  }

  @Test
  void soDoesWhatComesBehindIt() {
    say(POST);
    assertEquals(WebServer.REQUEST_SECONDS, secondsOf("x".repeat(1000)));
    assertFalse(client.isOpen());
  }

  @Test
  void soDoesOneThatSaysNothing() {
    pass(WebServer.REQUEST_SECONDS - 1);
    assertTrue(client.isOpen());
    pass(1);
    assertFalse(client.isOpen());
  }

  @Test
  void eachRequestHasTheTimeAnew() {
    for (int i = 0; i < 3; i++) {
      say(REQUEST.substring(0, 20));
      pass(WebServer.REQUEST_SECONDS - 1);
      say(REQUEST.substring(20));
      assertTrue(answer().startsWith("HTTP/1.1 200 OK"));
    }
    assertEquals(WebServer.REQUEST_SECONDS, secondsOf(REQUEST));
    assertFalse(client.isOpen());
  }

  @Test
  void answersDoNotPileUpForWhoDoesNotRead() {
    List<ChannelPromise> unread = new ArrayList<>();
    client
        .pipeline()
        .addFirst(
            new ChannelOutboundHandlerAdapter() {
              @Override
              public void write(ChannelHandlerContext context, Object answer, ChannelPromise done) {
                ReferenceCountUtil.release(answer);
                unread.add(done);
              }
            });
    say(REQUEST.repeat(MANY));
    client.runPendingTasks();
    assertEquals(1, unread.size());
    for (int i = 0; i < MANY - 1; i++) {
      var _ = unread.get(i).setSuccess();
      client.runPendingTasks();
      assertEquals(i + 2, unread.size());
    }
    pass(WebServer.REQUEST_SECONDS);
    assertFalse(client.isOpen());
  }

  @Test
  void whoIsToldOfWhatHappensNeedNotAskAgain() {
    say(REQUEST.replace("/ ", "/stream "));
    var _ = stream.flush();
    assertTrue(answer().startsWith("HTTP/1.1 200 OK"));
    pass(100L * WebServer.REQUEST_SECONDS);
    assertTrue(stream.isOpen());
  }
}
