package dev.pollux.qmp.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.InternalErrors;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client from its greeting to its end: negotiation, the queue of its commands, its replies and
 * events.
 *
 * <p>{@link #feed} is called by the monitor's thread; it runs out-of-band commands itself and puts
 * the others into the queue, from where {@link QmpCommands#loop()} takes them one after the other.
 * Replies and events may be written by any thread, whole and in the order in which they came about.
 */
public final class QmpSession {
  /** The one capability there is. */
  public static final String OUT_OF_BAND = "oob";

  /** Requests that wait; with so many, nothing is read. */
  static final int QUEUE_LIMIT = 8;

  private static final Logger log = LoggerFactory.getLogger(QmpSession.class);

  private sealed interface Input {
    /**
     * @param held bytes of {@link ClientMemory} until it is answered
     */
    record Value(JsonNode json, long held) implements Input {}

    record Malformed(String description) implements Input {}
  }

  private final QmpCommands commands;
  private final Consumer<ObjectNode> output;
  private final Runnable onRoom;
  private final boolean offersOutOfBand;
  private final ClientMemory memory;
  private final JsonReader reader;
  private final Object outputLock = new Object();

  /** Guarded by itself, like {@link #running}. */
  private final ArrayDeque<Input> queue = new ArrayDeque<>();

  private boolean running;
  private volatile boolean negotiated;
  private volatile boolean outOfBand;
  private volatile boolean closed;

  /**
   * @param offersOutOfBand whether the client may enable {@code oob}
   * @param memory for requests until they are answered
   * @param output takes messages, one at a time
   * @param onRoom is run when {@link #feed}, having taken less than it was given, would take more
   */
  public QmpSession(
      QmpCommands commands,
      boolean offersOutOfBand,
      ClientMemory memory,
      Consumer<ObjectNode> output,
      Runnable onRoom) {
    this.commands = commands;
    this.offersOutOfBand = offersOutOfBand;
    this.memory = memory;
    this.output = output;
    this.onRoom = onRoom;
    this.reader =
        new JsonReader(
            new JsonReader.Sink() {
              @Override
              public void value(JsonNode value, long held) {
                Input input = new Input.Value(value, held);
                if (QmpRequest.isOutOfBand(value)) {
                  var _ = answer(input);
                } else {
                  enqueue(input);
                }
              }

              @Override
              public void malformed(String description) {
                enqueue(new Input.Malformed(description));
              }
            },
            memory);
  }

  /** Greets the client. To be called once, first. */
  public void start() {
    write(QmpMessages.greeting(commands.version(), offersOutOfBand));
  }

  /** Nothing is written from now on; what waits is forgotten. The monitor's thread. */
  public void close() {
    closed = true;
    reader.close();
    synchronized (queue) {
      queue.forEach(this::release);
      queue.clear();
    }
  }

  /** Whether negotiation is complete. */
  public boolean isNegotiated() {
    return negotiated;
  }

  /**
   * Completes negotiation.
   *
   * @throws QmpException if it was complete already or {@code oob} is not on offer
   */
  public void negotiate(boolean enableOutOfBand) throws QmpException {
    if (negotiated) {
      throw new QmpException(
          ErrorClass.COMMAND_NOT_FOUND,
          "Capabilities negotiation is already complete, command ignored");
    }
    if (enableOutOfBand && !offersOutOfBand) {
      throw new QmpException("Capability 'oob' is not available");
    }
    outOfBand = enableOutOfBand;
    negotiated = true;
  }

  /**
   * Takes bytes from the client.
   *
   * @return how many were taken: all, or fewer while too many requests wait
   */
  public int feed(byte[] bytes, int offset, int length) {
    int taken = 0;
    while (taken < length && hasRoom()) {
      reader.feed(bytes[offset + taken++]);
    }
    return taken;
  }

  private boolean hasRoom() {
    synchronized (queue) {
      return queue.size() < QUEUE_LIMIT;
    }
  }

  /** Sends an event, unless negotiation is not complete. Any thread. */
  public void event(ObjectNode event) {
    if (negotiated) {
      write(event);
    }
  }

  private void enqueue(Input input) {
    synchronized (queue) {
      queue.add(input);
      if (running) {
        return;
      }
      running = true;
    }
    commands.loop().execute(this::runNext);
  }

  /**
   * Answers one request; the next has its turn when that is done, after other clients and the
   * machine have had theirs.
   */
  private void runNext() {
    Input input;
    boolean wasFull;
    synchronized (queue) {
      wasFull = queue.size() >= QUEUE_LIMIT;
      input = queue.poll();
      running = input != null;
    }
    if (wasFull) {
      onRoom.run();
    }
    if (input != null) {
      var _ = answer(input).whenComplete((_, _) -> commands.loop().execute(this::runNext));
    }
  }

  /** Completes, never with a failure, when the answer is written. */
  private CompletableFuture<Void> answer(Input input) {
    CompletableFuture<ObjectNode> reply =
        switch (input) {
          case Input.Malformed(String description) ->
              CompletableFuture.completedFuture(
                  QmpMessages.failure(ErrorClass.GENERIC_ERROR, description, null));
          case Input.Value(JsonNode json, _) -> reply(json);
        };
    return reply
        .thenAccept(this::write)
        .handle(
            (_, failure) -> {
              release(input);
              if (failure != null) {
                InternalErrors.report(log, "in the reply of a monitor, which goes on", failure);
              }
              return null;
            });
  }

  private void release(Input input) {
    if (input instanceof Input.Value(_, long held)) {
      memory.give(held);
    }
  }

  private CompletableFuture<ObjectNode> reply(JsonNode input) {
    JsonNode id = QmpRequest.idOf(input);
    CompletableFuture<JsonNode> value;
    try {
      value = run(QmpRequest.parse(input, outOfBand));
    } catch (QmpException | RuntimeException | Error e) {
      value = CompletableFuture.failedFuture(e);
    }
    return value.handle(
        (result, failure) ->
            failure == null ? QmpMessages.success(result, id) : failure(failure, id));
  }

  private static ObjectNode failure(Throwable thrown, JsonNode id) {
    Throwable failure = thrown instanceof CompletionException ? thrown.getCause() : thrown;
    if (failure instanceof QmpException e) {
      return QmpMessages.failure(e.errorClass(), e.getMessage(), id);
    }
    InternalErrors.report(log, "in a monitor command", failure);
    return QmpMessages.failure(ErrorClass.GENERIC_ERROR, "Internal error: " + failure, id);
  }

  private CompletableFuture<JsonNode> run(QmpRequest request) throws QmpException {
    QmpCommands.Entry command = commands.find(request.command()).orElse(null);
    if (!negotiated && (command == null || !command.isNegotiation())) {
      throw new QmpException(
          ErrorClass.COMMAND_NOT_FOUND,
          "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (command == null) {
      throw new QmpException(
          ErrorClass.COMMAND_NOT_FOUND, "The command " + request.command() + " has not been found");
    }
    if (request.outOfBand() && !command.allowsOutOfBand()) {
      throw new QmpException("The command " + request.command() + " does not support OOB");
    }
    return command.run(request.arguments(), this);
  }

  private void write(ObjectNode message) {
    synchronized (outputLock) {
      if (!closed) {
        output.accept(message);
      }
    }
  }
}
