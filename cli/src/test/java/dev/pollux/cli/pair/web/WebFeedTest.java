package dev.pollux.cli.pair.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.pair.PairReport;
import dev.pollux.cli.pair.watch.PairView;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What pages are told of a pair, and how much of it is kept for them. */
class WebFeedTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final WebFeed feed = new WebFeed(Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));

  private void print(boolean byPrimary, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    feed.printed(byPrimary, bytes, bytes.length);
  }

  private void progress(long timer, long network) throws Exception {
    JsonNode statistics =
        JSON.readTree(
            "{\"causes\":[{\"cause\":\"timer\",\"checkpoints\":%d},{\"cause\":\"network\",\"checkpoints\":%d}]}"
                .formatted(timer, network));
    feed.progress(PairView.of("protected", statistics, PairReport.details()));
  }

  private static JsonNode data(List<String> messages, String event) throws Exception {
    String begin = "event: " + event + "\ndata: ";
    String message =
        messages.stream().filter(text -> text.startsWith(begin)).findFirst().orElseThrow();
    assertTrue(message.endsWith("\n\n"), message);
    return JSON.readTree(message.substring(begin.length()));
  }

  private static String text(List<String> messages, String console) throws Exception {
    return new String(
        Base64.getDecoder().decode(data(messages, console).asText()), StandardCharsets.ISO_8859_1);
  }

  @Test
  void newsAreToldOnce() throws Exception {
    print(true, "log");
    print(true, "in: \n");
    print(false, "log");
    feed.event("failover", "b takes over", PairReport.details());
    List<String> news = feed.news();
    assertEquals("login: \n", text(news, "primary"));
    assertEquals("log", text(news, "secondary"));
    assertEquals("b takes over", data(news, "happened").path("sentence").asText());
    assertEquals(List.of(), feed.news());
    assertEquals("login: \n", text(feed.summary(), "primary"));
  }

  @Test
  void timelineHasWhatWasAddedSinceTheLastLook() throws Exception {
    progress(10, 0);
    progress(14, 2);
    progress(3, 2); // another pair: it begins anew
    JsonNode history = data(feed.summary(), "history");
    assertEquals("{\"timer\":10}", history.at("/0/causes").toString());
    assertEquals("{\"timer\":4,\"network\":2}", history.at("/1/causes").toString());
    assertEquals("{\"timer\":3}", history.at("/2/causes").toString());
    assertEquals("{\"timer\":3}", data(feed.news(), "view").at("/sample/causes").toString());
  }

  @Test
  void consolesChangePlacesAtAFailover() throws Exception {
    print(true, "old");
    print(false, "ahead");
    feed.switched();
    print(true, "new");
    List<String> news = feed.news();
    assertTrue(news.getFirst().startsWith("event: switched\n"), news.getFirst());
    assertEquals("oldnew", text(news, "primary"));
    assertTrue(news.stream().noneMatch(text -> text.startsWith("event: secondary")));
  }

  @Test
  void nothingGrowsWithoutBound() throws Exception {
    String line = "x".repeat(1000);
    for (int i = 0; i < 2000; i++) {
      print(true, line);
      feed.event("reset", "the guest was reset", PairReport.details());
      progress(i, 0);
    }
    print(true, "end");
    List<String> summary = feed.summary();
    assertEquals(64 * 1024, text(summary, "primary").length());
    assertTrue(text(summary, "primary").endsWith("xend"));
    assertEquals(300, data(summary, "history").size());
    assertEquals(200, summary.stream().filter(text -> text.startsWith("event: happened")).count());
    List<String> news = feed.news();
    assertEquals(64 * 1024, text(news, "primary").length());
    assertEquals(202, news.size());
  }
}
