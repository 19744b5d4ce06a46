package dev.pollux.cli.pair.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.pair.PairReport;
import dev.pollux.cli.pair.watch.PairControls;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The server of the page: who gets what, and what strangers can do. */
class PairWebTest {
  private static final String TOKEN = "0123456789abcdef";
  private static final String KNOWN = "Cookie: pollux-pair=" + TOKEN;
  private static final int PATIENCE_MILLIS = 20_000;

  /** Messages of 86 KiB, where the server keeps 1 MiB and the kernel up to 4 MiB. */
  private static final int MORE_THAN_BUFFERS_HOLD = 80;

  private PairWeb web;
  private int port;
  private final List<String> asked = new ArrayList<>();

  @BeforeEach
  void serve() throws IOException {
    web = new PairWeb("127.0.0.1", 0, Optional.of(TOKEN));
    port = URI.create(web.address()).getPort();
  }

  @AfterEach
  void close() {
    web.close();
  }

  private void attach(String answer) {
    web.controls(
        new PairControls() {
          @Override
          public String type(byte[] keys) {
            asked.add("type " + new String(keys, StandardCharsets.UTF_8));
            return answer;
          }

          @Override
          public CompletableFuture<String> failover() {
            asked.add("failover");
            return CompletableFuture.completedFuture(answer);
          }

          @Override
          public CompletableFuture<String> resync() {
            asked.add("resync");
            return CompletableFuture.completedFuture(answer);
          }
        });
  }

  /** Sends a request as it is; the whole answer. */
  private String ask(String line, String... headers) throws IOException {
    return send(line, "", headers);
  }

  private String send(String line, String content, String... headers) throws IOException {
    try (Socket socket = connect()) {
      List<String> lines = new ArrayList<>(List.of(line + " HTTP/1.1", "Connection: close"));
      lines.addAll(List.of(headers));
      if (lines.stream().noneMatch(header -> header.startsWith("Host:"))) {
        lines.add("Host: 127.0.0.1:" + port);
      }
      lines.add("Content-Length: " + content.length());
      String request = String.join("\r\n", lines) + "\r\n\r\n" + content;
      socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** The second one has its answer at once, the first one later. */
  @Test
  void answersComeInTheOrderOfTheirRequests() throws Exception {
    CompletableFuture<String> slow = new CompletableFuture<>();
    web.controls(
        new PairControls() {
          @Override
          public String type(byte[] keys) {
            asked.add("type");
            return "the guest does not read";
          }

          @Override
          public CompletableFuture<String> failover() {
            asked.add("failover");
            return slow;
          }

          @Override
          public CompletableFuture<String> resync() {
            return slow;
          }
        });
    try (Socket socket = connect()) {
      StringBuilder requests = new StringBuilder();
      for (String path : List.of("/failover", "/type", "/type")) {
        requests.append("POST %s HTTP/1.1\r\n%s\r\n".formatted(path, KNOWN));
        requests.append("Host: 127.0.0.1:%d\r\nContent-Length: 1\r\n\r\nk".formatted(port));
      }
      socket.getOutputStream().write(requests.toString().getBytes(StandardCharsets.UTF_8));
      while (asked.isEmpty()) {
        Thread.onSpinWait();
      }
      assertStatus(404, ask("GET /nothing", KNOWN)); // what came before it has been seen
      assertEquals(List.of("failover"), List.copyOf(asked));
      slow.complete("");
      socket.shutdownOutput();
      String answers = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertStatus(200, answers);
      assertEquals(2, answers.split("the guest does not read", -1).length - 1, answers);
      assertEquals(List.of("failover", "type", "type"), List.copyOf(asked));
    }
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
    socket.setSoTimeout(PATIENCE_MILLIS);
    return socket;
  }

  private static void assertStatus(int status, String answer) {
    assertTrue(answer.startsWith("HTTP/1.1 " + status + " "), answer);
  }

  @Test
  void tokenGoesFromTheAddressIntoACookie() throws Exception {
    assertTrue(web.address().endsWith("/?token=" + TOKEN), web.address());
    String login = ask("GET /?token=" + TOKEN);
    assertStatus(303, login);
    assertTrue(login.contains("\r\nlocation: /\r\n"), login);
    assertTrue(
        login.contains("pollux-pair=" + TOKEN + "; Path=/; HttpOnly; SameSite=Strict\r\n"), login);
    String page = ask("GET /", KNOWN);
    assertStatus(200, page);
    assertTrue(page.contains("content-security-policy: default-src 'none'; script-src 'sha256-"));
    assertTrue(page.contains("new EventSource("), page);
    assertFalse(page.contains("src=") || page.contains("@import"), "assets of others");
  }

  @Test
  void strangersGetNothing() throws Exception {
    attach("");
    String event = "Cookie: a=b";
    for (String cookie : List.of(event, "Cookie: pollux-pair=", KNOWN + "0", "Cookie: " + TOKEN)) {
      assertStatus(401, ask("GET /", cookie));
      assertStatus(401, ask("GET /events", cookie));
      assertStatus(401, ask("POST /failover", cookie));
    }
    assertStatus(401, ask("GET /?token=" + TOKEN + "0"));
    assertStatus(401, ask("GET /?token="));
    assertStatus(401, ask("GET /", "Authorization: Bearer x"));
    assertStatus(200, ask("GET /", "Authorization: Bearer " + TOKEN));
    assertEquals(List.of(), asked);
  }

  @Test
  void requestsOfOtherSitesAreRefused() throws Exception {
    attach("");
    assertStatus(403, ask("GET /", KNOWN, "Host: evil.example:" + port));
    assertStatus(403, ask("GET /", KNOWN, "Host: 127.0.0.1.evil.example"));
    assertStatus(403, ask("GET /", KNOWN, "Host: "));
    assertStatus(403, ask("POST /failover", KNOWN, "Origin: http://evil.example"));
    assertStatus(403, ask("POST /failover", KNOWN, "Origin: null"));
    assertStatus(403, ask("POST /failover", KNOWN, "Origin: http://127.0.0.1:1"));
    assertStatus(403, ask("GET /events", KNOWN, "Sec-Fetch-Site: cross-site"));
    assertStatus(403, ask("POST /failover", KNOWN, "Sec-Fetch-Site: same-site"));
    assertEquals(List.of(), asked);
    assertStatus(200, ask("GET /", KNOWN, "Host: localhost:9000"));
    assertStatus(200, ask("GET /", KNOWN, "Host: [::1]:9000"));
    assertStatus(200, ask("POST /failover", KNOWN, "Origin: http://127.0.0.1:" + port));
    assertStatus(200, ask("GET /", KNOWN, "Host: localhost", "Origin: https://localhost"));
    assertEquals(List.of("failover"), asked);
  }

  @Test
  void pairIsAskedAndItsAnswerTold() throws Exception {
    assertStatus(409, ask("POST /resync", KNOWN));
    attach("");
    assertStatus(200, send("POST /type", "ls\r", KNOWN));
    assertStatus(200, ask("POST /resync", KNOWN));
    assertEquals(List.of("type ls\r", "resync"), asked);
    attach("there is no copy");
    String refused = ask("POST /failover", KNOWN);
    assertStatus(409, refused);
    assertTrue(refused.endsWith("\r\n\r\nthere is no copy"), refused);
    assertStatus(404, ask("GET /failover", KNOWN));
    assertStatus(404, ask("GET /../secret", KNOWN));
  }

  @Test
  void hostileRequestsEndTheirConnectionOnly() throws Exception {
    assertStatus(413, send("POST /type", "x".repeat(5000), KNOWN));
    assertStatus(400, ask("GET /" + "x".repeat(5000), KNOWN));
    assertStatus(400, ask("GET /", KNOWN, "X: " + "x".repeat(9000)));
    try (Socket socket = connect()) {
      socket.getOutputStream().write(new byte[] {0, 1, 2, '\n', '\n'});
      socket.shutdownOutput();
      byte[] all = socket.getInputStream().readAllBytes();
      assertTrue(all.length < 1000);
    }
    assertStatus(200, ask("GET /", KNOWN));
  }

  @Test
  void oneMoreThanTheMostConnectionsIsClosed() throws Exception {
    List<Socket> many = new ArrayList<>();
    try {
      for (int i = 0; i < 32; i++) {
        many.add(connect());
      }
      Socket last = connect();
      many.add(last);
      assertEquals(-1, last.getInputStream().read());
    } finally {
      for (Socket socket : many) {
        socket.close();
      }
    }
  }

  @Test
  void listenersHearWhatHappensAndAreFew() throws Exception {
    List<Socket> pages = new ArrayList<>();
    try {
      for (int i = 0; i < 8; i++) {
        Socket page = connect();
        pages.add(page);
        BufferedReader lines = listen(page);
        web.event("failover", "number " + i, PairReport.details());
        awaitLine(lines, "number " + i);
      }
      assertStatus(503, ask("GET /events", KNOWN));
    } finally {
      for (Socket page : pages) {
        page.close();
      }
    }
  }

  @Test
  void pageThatReadsNothingIsCutOff() throws Exception {
    try (Socket lazy = new Socket();
        Socket eager = connect()) {
      lazy.setReceiveBufferSize(8192);
      lazy.setSoTimeout(PATIENCE_MILLIS);
      lazy.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      BufferedReader lines = listen(lazy);
      BufferedReader others = listen(eager);
      byte[] much = new byte[64 * 1024];
      for (int i = 0; i < MORE_THAN_BUFFERS_HOLD; i++) {
        web.printed(true, much, much.length);
        awaitLine(others, "event: primary");
      }
      assertTrue(ends(lines), "what was sent before, and then the end");
      web.event("failover", "still heard", PairReport.details());
      awaitLine(others, "still heard");
    }
  }

  private static boolean ends(BufferedReader lines) throws IOException {
    try {
      String line = lines.readLine();
      while (line != null) {
        line = lines.readLine();
      }
      return true;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (SocketException e) {
      return true; // reset
    }
  }

  private BufferedReader listen(Socket socket) throws IOException {
    String request =
        "GET /events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n\r\n".formatted(port, KNOWN);
    socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
    BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
    awaitLine(lines, "event: history");
    return lines;
  }

  private static void awaitLine(BufferedReader lines, String text) throws IOException {
    String line = lines.readLine();
    while (line != null && !line.contains(text)) {
      line = lines.readLine();
    }
    assertTrue(line != null, "the end came before \"" + text + "\"");
  }
}
