package dev.pollux.qmp.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * A connection to a QMP monitor, negotiated with {@code oob}. Any thread; replies are matched to
 * commands by their ids, events go to a listener on the reader's thread.
 */
public final class QmpClient implements AutoCloseable {
  /** A command failed. */
  public static final class CommandFailed extends Exception {
    private static final long serialVersionUID = 1;

    private final String errorClass;

    CommandFailed(JsonNode error) {
      super(error.path("desc").asText());
      errorClass = error.path("class").asText();
    }

    /** For instance {@code GenericError}. */
    public String errorClass() {
      return errorClass;
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private final SocketChannel channel;
  private final Consumer<JsonNode> onEvent;
  private final CompletableFuture<JsonNode> greeting = new CompletableFuture<>();

  /**
   * Commands without a reply, in order; guarded by itself. A reply without an id belongs to the
   * first.
   */
  private final ArrayDeque<Pending> pending = new ArrayDeque<>();

  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private long nextId;

  private record Pending(long id, CompletableFuture<JsonNode> reply) {}

  private QmpClient(SocketChannel channel, Consumer<JsonNode> onEvent) {
    this.channel = channel;
    this.onEvent = onEvent;
    Thread.ofPlatform().name("QMP client").daemon(true).start(this::read);
  }

  /**
   * Connects and negotiates.
   *
   * @param target a socket file, {@code unix:path}, {@code tcp:host:port} or {@code host:port}
   * @param onEvent hears all events from then on
   */
  public static QmpClient connect(String target, Consumer<JsonNode> onEvent) throws IOException {
    QmpClient client = new QmpClient(SocketChannel.open(address(target)), onEvent);
    try {
      JsonNode hello = client.await(client.greeting, 10);
      ObjectNode arguments = NODES.objectNode();
      if (hello.at("/QMP/capabilities").toString().contains("oob")) {
        arguments.putArray("enable").add("oob");
      }
      client.execute("qmp_capabilities", arguments);
      return client;
    } catch (CommandFailed e) {
      client.close();
      throw new IOException("negotiation failed: " + e.getMessage(), e);
    } catch (IOException e) {
      client.close();
      throw e;
    }
  }

  private static SocketAddress address(String target) throws IOException {
    String plain = target.replaceFirst("^(unix|tcp):", "");
    int colon = plain.lastIndexOf(':');
    boolean inet =
        target.startsWith("tcp:")
            || (!target.startsWith("unix:") && colon > 0 && !plain.contains("/"));
    if (!inet) {
      return UnixDomainSocketAddress.of(plain);
    }
    InetSocketAddress address;
    try {
      address =
          new InetSocketAddress(
              plain.substring(0, colon), Integer.parseInt(plain.substring(colon + 1)));
    } catch (IllegalArgumentException e) {
      throw new IOException("not an address; write a socket's path or HOST:PORT", e);
    }
    if (address.isUnresolved()) {
      throw new UnknownHostException("the host is not known");
    }
    return address;
  }

  /**
   * Runs a command to its end.
   *
   * @return the value of {@code return}
   * @throws IOException if the connection is gone
   */
  public JsonNode execute(String command, ObjectNode arguments) throws IOException, CommandFailed {
    return finish(send("execute", command, arguments));
  }

  /** As {@link #execute}, without arguments. */
  public JsonNode execute(String command) throws IOException, CommandFailed {
    return execute(command, NODES.objectNode());
  }

  /** Runs a command out of band. */
  public JsonNode executeOutOfBand(String command, ObjectNode arguments)
      throws IOException, CommandFailed {
    return finish(send("exec-oob", command, arguments));
  }

  /** Sends a request as it is, an id added. */
  public JsonNode executeRaw(ObjectNode request) throws IOException, CommandFailed {
    return finish(send(request));
  }

  private JsonNode finish(CompletableFuture<JsonNode> reply) throws IOException, CommandFailed {
    JsonNode answer = await(reply, 0);
    if (answer.has("error")) {
      throw new CommandFailed(answer.get("error"));
    }
    return answer.path("return");
  }

  /** Sends a command; the future gets the whole reply. */
  public CompletableFuture<JsonNode> send(String how, String command, ObjectNode arguments)
      throws IOException {
    ObjectNode request = NODES.objectNode().put(how, command);
    if (!arguments.isEmpty()) {
      request.set("arguments", arguments);
    }
    return send(request);
  }

  private CompletableFuture<JsonNode> send(ObjectNode request) throws IOException {
    CompletableFuture<JsonNode> reply = new CompletableFuture<>();
    synchronized (pending) {
      long id = nextId++;
      ObjectNode withId = request.deepCopy().put("id", id);
      pending.add(new Pending(id, reply));
      write(withId + "\n");
    }
    if (ended.isDone()) {
      reply.completeExceptionally(new EOFException("the emulator has closed the connection"));
    }
    return reply;
  }

  /** Sends text that need not be a request. */
  public void write(String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  private <T> T await(CompletableFuture<T> future, int seconds) throws IOException {
    try {
      return seconds > 0 ? future.get(seconds, TimeUnit.SECONDS) : future.get();
    } catch (ExecutionException e) {
      throw new IOException(e.getCause().getMessage(), e);
    } catch (TimeoutException e) {
      throw new IOException("no answer within " + seconds + " s; is another client connected?", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  private void read() {
    IOException end = new EOFException("the emulator has closed the connection");
    try (MappingIterator<JsonNode> messages =
        JSON.readerFor(JsonNode.class).readValues(new Bytes())) {
      while (messages.hasNextValue()) {
        message(messages.nextValue());
      }
    } catch (JsonProcessingException e) {
      end = new IOException("this is no QMP monitor: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      end = e;
    }
    ended.complete(null);
    greeting.completeExceptionally(end);
    synchronized (pending) {
      for (Pending command : pending) {
        command.reply().completeExceptionally(end);
      }
      pending.clear();
    }
  }

  private void message(JsonNode message) {
    if (message.has("event")) {
      onEvent.accept(message);
    } else if (message.has("QMP")) {
      greeting.complete(message);
    } else {
      Pending of = null;
      synchronized (pending) {
        for (Pending command : pending) {
          if (!message.has("id") || message.get("id").asLong(-1) == command.id()) {
            of = command;
            break;
          }
        }
        pending.remove(of);
      }
      if (of != null) {
        of.reply().complete(message);
      }
    }
  }

  /** Completes when the connection is gone. */
  public CompletableFuture<Void> ended() {
    return ended;
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      // It is gone either way.
    }
  }

  /** The channel as a stream that does not keep writers out. */
  private final class Bytes extends InputStream {
    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] to, int offset, int length) throws IOException {
      return channel.read(ByteBuffer.wrap(to, offset, length));
    }
  }
}
