package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.PairControls;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** What is asked of a pair that runs: over its control socket, and by its page. */
final class PairRequests implements PairControls, AutoCloseable {
  /** Who keeps the pair; called on its deciding thread, which must not be kept. */
  interface Keeper {
    boolean isProtected();

    /** The process that runs the guest. */
    Optional<Side> primary();

    /** Has it be seen how the pair is. */
    void view(Consumer<PairView> then);

    void inflict(PlannedFault.Kind fault) throws IOException;

    /** The secondary goes on in the primary's place, as the next step. */
    void takeOver(String why);

    /** There is to be another secondary, as the next step. */
    void loseSecondary(String why);

    void finish();
  }

  /** What a word of the control socket does. */
  private interface Request {
    void begin(Keeper pair, String more, CompletableFuture<JsonNode> answer) throws IOException;
  }

  /** Something that needs a copy. */
  private interface Deed {
    void run() throws IOException;
  }

  private static final long ANSWER_SECONDS = 8;

  /** Why a side gives way that nothing has happened to. */
  private static final String ASKED = "it was asked for";

  private static final Map<String, Request> REQUESTS =
      Map.of(
          "status",
          (pair, _, answer) -> pair.view(view -> answer.complete(view.json())),
          "demote",
          (pair, _, answer) -> whileProtected(pair, () -> pair.takeOver(ASKED), answer),
          "resync",
          (pair, _, answer) -> whileProtected(pair, () -> pair.loseSecondary(ASKED), answer),
          "fault",
          (pair, name, answer) -> {
            PlannedFault.Kind fault = PlannedFault.parse(name).kind();
            whileProtected(pair, () -> pair.inflict(fault), answer);
          },
          "stop",
          (pair, _, answer) -> {
            answer.complete(object());
            pair.finish();
          },
          "qmp",
          PairRequests::pass);

  private final PairConsole console;
  private final Keeper pair;
  private final Executor deciding;
  private final ControlSocket socket;

  /**
   * @param deciding has things done on the keeper's thread
   */
  PairRequests(PairOptions options, PairConsole console, Keeper pair, Executor deciding)
      throws IOException {
    this.console = console;
    this.pair = pair;
    this.deciding = deciding;
    socket = new ControlSocket(options.folder(), REQUESTS.keySet(), this::answer);
    options.watchers().forEach(watcher -> watcher.controls(this));
  }

  /** Answers from now on. */
  void start() {
    socket.start();
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private static ObjectNode error(String why) {
    return object().put("error", why);
  }

  private CompletableFuture<JsonNode> begin(String word, String more) {
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    deciding.execute(
        () -> {
          try {
            REQUESTS.get(word).begin(pair, more, answer);
          } catch (IOException | ConfigException e) {
            answer.complete(error(e.getMessage()));
          }
        });
    return answer;
  }

  /** On a thread of the socket's. */
  private JsonNode answer(String word, String more) {
    try {
      return begin(word, more).get(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      return error(String.valueOf(e.getCause().getMessage()));
    } catch (TimeoutException e) {
      return error("no answer within %d s".formatted(ANSWER_SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return error("the pair is ending");
    }
  }

  private static void whileProtected(Keeper pair, Deed deed, CompletableFuture<JsonNode> answer)
      throws IOException {
    if (pair.isProtected()) {
      deed.run();
      answer.complete(object());
    } else {
      answer.complete(error("there is no copy now"));
    }
  }

  /** Passes a command on to the monitor of the primary. */
  private static void pass(Keeper pair, String command, CompletableFuture<JsonNode> answer)
      throws IOException {
    JsonNode parsed = new ObjectMapper().readTree(command);
    JsonNode arguments = parsed.path("arguments");
    Side side = pair.primary().orElseThrow(() -> new IOException("there is no machine yet"));
    var _ =
        side.process()
            .send(
                parsed.path("execute").asText(),
                arguments instanceof ObjectNode given ? given : object())
            .whenComplete(
                (reply, failure) ->
                    answer.complete(
                        failure != null
                            ? error(String.valueOf(failure.getMessage()))
                            : reply.has("error")
                                ? error(reply.at("/error/desc").asText())
                                : reply));
  }

  // ---- the page ----

  @Override
  public String type(byte[] keys) {
    return console.offer(keys) ? "" : "the guest does not read";
  }

  @Override
  public CompletableFuture<String> failover() {
    return begin("demote", "").thenApply(reply -> reply.path("error").asText());
  }

  @Override
  public CompletableFuture<String> resync() {
    return begin("resync", "").thenApply(reply -> reply.path("error").asText());
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
