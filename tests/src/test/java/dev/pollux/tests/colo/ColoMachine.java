package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.qmp.schema.SchemaChecker;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * A machine in a process of its own with the counting guest, and its QMP monitor. Closing kills.
 */
final class ColoMachine implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final String name;
  private final PolluxProcess process;
  private final Path console;
  private final QmpClient monitor;
  private final SchemaChecker schema;

  /** Names of events with their data, in order; guarded by itself. */
  private final List<String> events = new ArrayList<>();

  /** The same whole; guarded by {@link #events}. */
  private final List<JsonNode> messages = new ArrayList<>();

  /**
   * Starts a machine.
   *
   * @param options more options of {@code run}
   */
  ColoMachine(String name, Path folder, String... options) throws IOException {
    this.name = name;
    this.console = folder.resolve(name + ".console");
    Path socket = folder.resolve(name + ".qmp");
    List<String> arguments = new ArrayList<>(List.of("run", "-name", name));
    arguments.addAll(List.of(options));
    arguments.addAll(List.of("-display", "none", "-monitor", "none", "-serial", "file:" + console));
    arguments.addAll(List.of("-qmp", "unix:" + socket + ",server=on,wait=off"));
    process = PolluxProcess.start(arguments.toArray(String[]::new));
    try {
      monitor = connect(socket);
      schema = new SchemaChecker(monitor.execute("query-qmp-schema"));
    } catch (CommandFailed e) {
      process.close();
      throw new AssertionError(e);
    } catch (IOException | AssertionError e) {
      process.close();
      throw e;
    }
  }

  private QmpClient connect(Path socket) throws IOException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (process.process().isAlive() && System.nanoTime() < end) {
      if (Files.exists(socket)) {
        try {
          return QmpClient.connect("unix:" + socket, this::note);
        } catch (ConnectException e) {
          // It is made before it listens.
        }
      }
      pause(20);
    }
    return fail(name + ": no monitor; error output: " + process.errors());
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private void note(JsonNode event) {
    synchronized (events) {
      JsonNode data = event.path("data");
      StringBuilder text = new StringBuilder(event.path("event").asText());
      data.properties().forEach(e -> text.append(' ').append(e.getValue().asText()));
      events.add(text.toString());
      messages.add(event);
      events.notifyAll();
    }
  }

  PolluxProcess process() {
    return process;
  }

  /**
   * Runs a command; its arguments are JSON with single quotes. What it returns is checked against
   * the schema.
   */
  JsonNode run(String command, String arguments) throws IOException, CommandFailed {
    return checked(command, monitor.execute(command, json(arguments)));
  }

  JsonNode run(String command) throws IOException, CommandFailed {
    return run(command, "{}");
  }

  JsonNode runOutOfBand(String command, String arguments) throws IOException, CommandFailed {
    return checked(command, monitor.executeOutOfBand(command, json(arguments)));
  }

  private static ObjectNode json(String text) throws IOException {
    return (ObjectNode) JSON.readTree(text.replace('\'', '"'));
  }

  private JsonNode checked(String command, JsonNode value) {
    schema.checkReturn(command, value);
    return value;
  }

  /** Number of events so far. */
  int mark() {
    synchronized (events) {
      return events.size();
    }
  }

  /** Events since a {@link #mark}, with their data, for instance {@code MIGRATION colo}. */
  List<String> eventsSince(int mark) {
    synchronized (events) {
      return List.copyOf(events.subList(mark, events.size()));
    }
  }

  /** Waits for an event since a {@link #mark}; returns the mark behind it. */
  int await(String event, int mark) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    synchronized (events) {
      int at = mark;
      try {
        while (true) {
          for (; at < events.size(); at++) {
            if (events.get(at).equals(event)) {
              return at + 1;
            }
          }
          if (System.nanoTime() > end || !process.process().isAlive()) {
            return fail(
                "%s: no %s in %s; error output: %s"
                    .formatted(name, event, events.subList(mark, events.size()), process.errors()));
          }
          events.wait(20);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }
  }

  /** Waits until something is so. */
  void awaitThat(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        fail(
            "%s: not within %s: %s; error output: %s"
                .formatted(name, PATIENCE, what, process.errors()));
      }
      pause(10);
    }
  }

  /** All that the guest has printed. */
  String console() {
    try {
      return Files.exists(console) ? Files.readString(console, StandardCharsets.ISO_8859_1) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits until the guest has printed so many ticks since a position of its console. */
  void awaitTicks(int from, int number) {
    awaitThat(number + " ticks", () -> CountedTicks.since(console(), from).size() >= number);
  }

  long checkpoints() throws IOException, CommandFailed {
    return run("x-pollux-query-colo-statistics").path("checkpoints").asLong();
  }

  String migrationStatus() throws IOException, CommandFailed {
    return run("query-migrate").path("status").asText();
  }

  /** Ends the emulator, which must go well; all events so far must fit the schema. */
  void quit() throws IOException, CommandFailed {
    run("quit");
    synchronized (events) {
      messages.forEach(schema::checkMessage);
    }
    int status = process.await(Duration.ofSeconds(20));
    if (status != 0) {
      fail("%s: exit status %d: %s".formatted(name, status, process.errors()));
    }
  }

  /** {@code kill -9}. */
  void kill() {
    process.process().destroyForcibly();
    process.process().onExit().join();
  }

  @Override
  public void close() {
    monitor.close();
    process.close();
  }
}
