package dev.pollux.cli.pair.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.backend.web.WebAccess;
import dev.pollux.cli.browser.Chromium;
import dev.pollux.cli.pair.PairReport;
import dev.pollux.cli.pair.watch.PairControls;
import dev.pollux.cli.pair.watch.PairView;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The page in a browser: what it shows of a pair, and what its keys and buttons do. */
@Timeout(120)
class PairPageTest {
  private static final String STATISTICS =
      """
      {"checkpoints": 7, "causes": [{"cause": "timer", "checkpoints": 5}, {"cause": "network", "checkpoints": 2}],
       "stop-times": [{"below": 1000, "stops": 4}, {"below": 2000, "stops": 3}],
       "median-stop": 2500, "percentile99-stop": 9000, "longest-stop": 12000, "bytes": 1048576, "lag": 150}
      """;

  @TempDir private Path folder;

  private final BlockingQueue<String> asked = new LinkedBlockingQueue<>();

  private final PairControls controls =
      new PairControls() {
        @Override
        public String type(byte[] keys) {
          asked.add("type " + new String(keys, StandardCharsets.UTF_8));
          return "";
        }

        @Override
        public CompletableFuture<String> failover() {
          asked.add("failover");
          return CompletableFuture.completedFuture("");
        }

        @Override
        public CompletableFuture<String> resync() {
          asked.add("resync");
          return CompletableFuture.completedFuture("there is no copy yet");
        }
      };

  @Test
  void showsThePairAndWorksOnIt() throws Exception {
    try (PairWeb web = new PairWeb("127.0.0.1", 0, Optional.of(WebAccess.newToken()));
        Chromium browser = Chromium.start(folder)) {
      web.controls(controls);
      web.event("protected", "a runs the guest, b would go on", PairReport.details());
      print(web, true, "\u001b[32mlogin:\u001b[0m <b>x</b>\r\nab\bc");
      print(web, false, "the copy says this");
      web.progress(view("protected"));
      browser.open(web.address());
      browser.await("document.getElementById('state').textContent", "protected");

      assertEquals("login: <b>x</b>\nac", browser.text("primary"));
      assertEquals("the copy says this", browser.text("secondary"));
      assertTrue(browser.text("events").contains("protected: a runs the guest, b would go on"));
      assertEquals("\u25a0 timer 5\u25a0 network 2", browser.text("causes"));
      assertEquals("< 1 ms: 4, < 2 ms: 3", browser.text("bars"));
      assertTrue(browser.text("now").contains("lag150 ms"), browser.text("now"));
      assertTrue(browser.text("now").contains("disk rootin sync"), browser.text("now"));
      assertTrue(browser.text("now").contains("disk data45 % copied"), browser.text("now"));
      assertEquals("2", browser.evaluate("document.querySelectorAll('#timeline rect').length"));
      assertEquals("/", browser.evaluate("location.pathname + location.search"));

      browser.evaluate("document.getElementById('primary').focus()");
      browser.type("l", "s");
      browser.press("Enter");
      StringBuilder typed = new StringBuilder();
      while (typed.length() < 3) {
        typed.append(next().substring("type ".length()));
      }
      assertEquals("ls\r", typed.toString());

      browser.evaluate("document.getElementById('failover').click()");
      assertEquals("failover", next());
      web.switched();
      print(web, true, " and on");
      web.event("failover", "b takes over", PairReport.details());
      web.progress(view("alone"));
      browser.await("document.getElementById('state').textContent", "alone");
      assertEquals("login: <b>x</b>\nac and on", browser.text("primary"));
      assertEquals("", browser.text("secondary"));

      browser.evaluate("document.getElementById('resync').click()");
      browser.await("document.getElementById('answer').textContent", "there is no copy yet");
      assertEquals(List.of(), browser.complaints());
    }
  }

  private String next() throws InterruptedException {
    String what = asked.poll(30, TimeUnit.SECONDS);
    assertTrue(what != null, "the page has asked for nothing");
    return what;
  }

  private static void print(PairWeb web, boolean byPrimary, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    web.printed(byPrimary, bytes, bytes.length);
  }

  private static PairView view(String state) throws Exception {
    ObjectMapper json = new ObjectMapper();
    return new PairView(
        state,
        "a",
        "b",
        json.readTree(STATISTICS),
        json.readTree(STATISTICS),
        List.of(new PairView.Network("n0", 10, 2, 1, 0)),
        List.of(
            new PairView.Disk("root", true, 0, 0), new PairView.Disk("data", false, 451, 1000)));
  }
}
