package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.Monitor;
import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** The monitor of the other side's machine, through both agents. */
final class PeerMonitor implements Monitor {
  private static final long PATIENCE_SECONDS = 10;

  /** What a primary's agent needs of the copy's machine, and the copy's of the primary's. */
  private static final Set<String> SERVED =
      Set.of(
          "query-status",
          "query-named-block-nodes",
          "nbd-server-start",
          "nbd-server-add",
          "migrate-set-capabilities",
          "migrate-set-parameters",
          "migrate-incoming",
          "chardev-add",
          "object-add",
          "qom-list");

  private final String generation;
  private final Consumer<ObjectNode> to;
  private final Map<Long, CompletableFuture<JsonNode>> open;
  private static final AtomicLong NUMBERS = new AtomicLong();

  /** Questions of all monitors of an agent that have no answer yet. */
  static Map<Long, CompletableFuture<JsonNode>> questions() {
    return new ConcurrentHashMap<>();
  }

  /**
   * @param generation the machine that is meant; another one does not answer
   * @param to sends to the other agent
   * @param open where {@link #answer} finds whose answer has come
   */
  PeerMonitor(
      String generation, Consumer<ObjectNode> to, Map<Long, CompletableFuture<JsonNode>> open) {
    this.generation = generation;
    this.to = to;
    this.open = open;
  }

  @Override
  public JsonNode run(String command, ObjectNode arguments) throws IOException {
    long number = NUMBERS.incrementAndGet();
    CompletableFuture<JsonNode> reply = new CompletableFuture<>();
    open.put(number, reply);
    ObjectNode message = JsonNodeFactory.instance.objectNode();
    message.put("ask", number).put("generation", generation).put("command", command);
    message.set("arguments", arguments);
    to.accept(message);
    try {
      JsonNode said = reply.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      if (said.has("error")) {
        throw new IOException(
            "the other side: %s: %s".formatted(command, said.path("error").asText()));
      }
      return said.path("value");
    } catch (TimeoutException e) {
      throw new IOException(
          "the other side: %s: no answer within %d s".formatted(command, PATIENCE_SECONDS), e);
    } catch (ExecutionException e) {
      throw new IOException("the other side: %s: %s".formatted(command, e.getCause()), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } finally {
      open.remove(number);
    }
  }

  /** An answer has come from the other agent. */
  static void answer(JsonNode message, Map<Long, CompletableFuture<JsonNode>> open) {
    CompletableFuture<JsonNode> reply = open.get(message.path("reply").asLong());
    if (reply != null) {
      var _ = reply.complete(message);
    }
  }

  /** Answers a question of the other agent's with this side's monitor. */
  static ObjectNode serve(JsonNode question, Monitor monitor) {
    ObjectNode reply = JsonNodeFactory.instance.objectNode();
    reply.put("reply", question.path("ask").asLong());
    try {
      JsonNode arguments = question.path("arguments");
      if (!(arguments instanceof ObjectNode object)) {
        throw new IOException("no arguments");
      }
      String command = question.path("command").asText();
      if (!SERVED.contains(command)) {
        throw new IOException("not for the other side");
      }
      reply.set("value", monitor.run(command, object));
    } catch (IOException e) {
      reply.put("error", e.getMessage());
    }
    return reply;
  }
}
