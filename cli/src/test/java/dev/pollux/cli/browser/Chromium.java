package dev.pollux.cli.browser;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** A browser without a window, told what to do by the Chrome DevTools Protocol. */
public final class Chromium implements AutoCloseable {
  private static final Pattern LISTENING = Pattern.compile("DevTools listening on (ws://\\S+)");
  private static final long PATIENCE_SECONDS = 60;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Process process;
  private final HttpClient client = HttpClient.newHttpClient();
  private final WebSocket socket;
  private final Map<Long, CompletableFuture<JsonNode>> replies = new ConcurrentHashMap<>();
  private final List<String> complaints = new CopyOnWriteArrayList<>();
  private final AtomicLong number = new AtomicLong();
  private String session = "";

  private Chromium(Process process, String address) {
    this.process = process;
    socket = client.newWebSocketBuilder().buildAsync(URI.create(address), new Ears()).join();
  }

  /** Starts one; without a browser the test is skipped. */
  public static Chromium start(Path folder) throws Exception {
    Optional<Path> program =
        Stream.of("chromium", "chromium-browser", "google-chrome")
            .flatMap(
                name ->
                    Stream.of(System.getenv("PATH").split(File.pathSeparator))
                        .map(directory -> Path.of(directory, name)))
            .filter(Files::isExecutable)
            .findFirst();
    Assumptions.assumeTrue(program.isPresent(), "no Chromium (Debian: chromium)");
    ProcessBuilder builder =
        new ProcessBuilder(
                program.get().toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                "--user-data-dir=" + folder.resolve("profile"),
                "about:blank")
            .redirectErrorStream(true);
    builder.environment().put("TMPDIR", folder.toString());
    Process process = builder.start();
    try {
      return new Chromium(process, awaitAddress(process));
    } catch (IOException | RuntimeException e) {
      kill(process);
      throw e;
    }
  }

  private static String awaitAddress(Process process) throws IOException {
    CompletableFuture<String> address = new CompletableFuture<>();
    BufferedReader said = process.inputReader(StandardCharsets.UTF_8);
    Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              StringBuilder all = new StringBuilder();
              said.lines() // to its end, so that it never waits
                  .forEach(
                      line -> {
                        Matcher listening = LISTENING.matcher(line);
                        if (listening.find()) {
                          address.complete(listening.group(1));
                        }
                        all.append(line).append('\n');
                      });
              address.completeExceptionally(new IOException("the browser has ended:\n" + all));
            });
    try {
      return address.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (Exception e) {
      throw new IOException("the browser does not start: " + e.getMessage(), e);
    }
  }

  /** Opens a page; errors on it and what its policy forbids are complaints from now on. */
  public void open(String address) throws Exception {
    String target =
        run("Target.createTarget", object().put("url", "about:blank")).path("targetId").asText();
    session =
        run("Target.attachToTarget", object().put("targetId", target).put("flatten", true))
            .path("sessionId")
            .asText();
    run("Runtime.enable", object());
    run("Log.enable", object());
    run("Page.enable", object());
    JsonNode navigated = run("Page.navigate", object().put("url", address));
    assertFalse(navigated.has("errorText"), navigated.toString());
  }

  /** The value of an expression, as text. */
  public String evaluate(String expression) throws Exception {
    JsonNode result = run("Runtime.evaluate", object().put("expression", expression));
    assertFalse(result.has("exceptionDetails"), result.toString());
    return result.at("/result/value").asText();
  }

  public String text(String id) throws Exception {
    return evaluate("document.getElementById('%s').textContent".formatted(id));
  }

  /** Waits until an expression has a value; it may fail until then. */
  public void await(String expression, String value) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    String last = "";
    while (System.nanoTime() < end) {
      JsonNode result = run("Runtime.evaluate", object().put("expression", expression));
      last = result.at("/result/value").asText();
      if (last.equals(value)) {
        return;
      }
      Thread.sleep(50);
    }
    fail("%s is \"%s\", not \"%s\"; complaints: %s".formatted(expression, last, value, complaints));
  }

  /** Types printing keys. */
  public void type(String... keys) throws Exception {
    for (String key : keys) {
      run(
          "Input.dispatchKeyEvent",
          object().put("type", "keyDown").put("key", key).put("text", key));
      run("Input.dispatchKeyEvent", object().put("type", "keyUp").put("key", key));
    }
  }

  /** Presses or releases a key by its place on the keyboard. */
  public void key(String event, String code, String key) throws Exception {
    run("Input.dispatchKeyEvent", object().put("type", event).put("code", code).put("key", key));
  }

  /** Moves the pointer, or presses or releases a button, at a place of the page. */
  public void mouse(String event, double x, double y, String button, int buttons) throws Exception {
    run(
        "Input.dispatchMouseEvent",
        object()
            .put("type", event)
            .put("x", x)
            .put("y", y)
            .put("button", button)
            .put("buttons", buttons)
            .put("clickCount", 1));
  }

  /** Presses a key that prints nothing. */
  public void press(String key) throws Exception {
    run("Input.dispatchKeyEvent", object().put("type", "rawKeyDown").put("key", key));
    run("Input.dispatchKeyEvent", object().put("type", "keyUp").put("key", key));
  }

  public List<String> complaints() {
    return complaints;
  }

  private static ObjectNode object() {
    return JSON.createObjectNode();
  }

  private JsonNode run(String method, ObjectNode parameters) throws Exception {
    long id = number.incrementAndGet();
    ObjectNode command = object().put("id", id).put("method", method);
    command.set("params", parameters);
    if (!session.isEmpty()) {
      command.put("sessionId", session);
    }
    CompletableFuture<JsonNode> reply = new CompletableFuture<>();
    replies.put(id, reply);
    socket.sendText(command.toString(), true).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    JsonNode answer = reply.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertFalse(answer.has("error"), method + ": " + answer);
    return answer.path("result");
  }

  /** What the browser says. */
  private final class Ears implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        hear(text.toString());
        text.setLength(0);
      }
      from.request(1);
      return null;
    }

    private void hear(String message) {
      try {
        JsonNode node = JSON.readTree(message);
        CompletableFuture<JsonNode> reply = replies.remove(node.path("id").asLong(-1));
        if (reply != null) {
          reply.complete(node);
        }
        String method = node.path("method").asText();
        if (method.equals("Runtime.exceptionThrown")
            || (method.equals("Log.entryAdded")
                && node.at("/params/entry/source").asText().equals("security"))) {
          complaints.add(node.path("params").toString());
        }
      } catch (IOException e) {
        complaints.add(message);
      }
    }
  }

  private static void kill(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    process.onExit().join();
  }

  @Override
  public void close() {
    socket.abort();
    client.shutdownNow();
    kill(process);
  }
}
