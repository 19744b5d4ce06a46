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
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/**
 * A machine in a process of its own with the counting guest, and its QMP monitor. Closing kills.
 */
public final class ColoMachine implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final int SHOWN_AT_FAILURE = 500;

  /** The same for all machines of this program: read once. */
  private static SchemaChecker knownSchema;

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
    this(name, folder, List.of(), options);
  }

  /**
   * Starts a machine in a JVM with options of its own.
   *
   * @param options more options of {@code run}
   */
  public ColoMachine(String name, Path folder, List<String> jvmOptions, String... options)
      throws IOException {
    this.name = name;
    this.console = folder.resolve(name + ".console");
    Path socket = folder.resolve(name + ".qmp");
    List<String> arguments = new ArrayList<>(List.of("run", "-name", name));
    arguments.addAll(List.of(options));
    arguments.addAll(List.of("-display", "none", "-monitor", "none", "-serial", "file:" + console));
    arguments.addAll(List.of("-qmp", "unix:" + socket + ",server=on,wait=off"));
    process = PolluxProcess.start(jvmOptions, arguments.toArray(String[]::new));
    try {
      monitor = connect(socket);
      schema = schemaOf(monitor);
    } catch (CommandFailed e) {
      process.close();
      throw new AssertionError(e);
    } catch (IOException | AssertionError e) {
      process.close();
      throw e;
    }
  }

  private static synchronized SchemaChecker schemaOf(QmpClient monitor)
      throws IOException, CommandFailed {
    if (knownSchema == null) {
      knownSchema = new SchemaChecker(monitor.execute("query-qmp-schema"));
    }
    return knownSchema;
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

  /** A file of its own, where its console is. */
  Path file(String kind) {
    return console.resolveSibling(name + "." + kind);
  }

  public PolluxProcess process() {
    return process;
  }

  /**
   * Runs a command; its arguments are JSON with single quotes. What it returns is checked against
   * the schema.
   */
  public JsonNode run(String command, String arguments) throws IOException, CommandFailed {
    return checked(command, monitor.execute(command, json(arguments)));
  }

  public JsonNode run(String command) throws IOException, CommandFailed {
    return run(command, "{}");
  }

  public JsonNode runOutOfBand(String command, String arguments) throws IOException, CommandFailed {
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
  public int mark() {
    synchronized (events) {
      return events.size();
    }
  }

  /** Events since a {@link #mark}, with their data, for instance {@code MIGRATION colo}. */
  public List<String> eventsSince(int mark) {
    synchronized (events) {
      return List.copyOf(events.subList(mark, events.size()));
    }
  }

  /** Waits for an event since a {@link #mark}; returns the mark behind it. */
  public int await(String event, int mark) {
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
  public void awaitThat(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        fail(
            "%s: not within %s: %s; console ends with: %s; error output: %s"
                .formatted(
                    name,
                    PATIENCE,
                    what,
                    console(Math.max(0, consoleEnd() - SHOWN_AT_FAILURE)),
                    process.errors()));
      }
      pause(10);
    }
  }

  /** All that the guest has printed. */
  public String console() {
    return console(0);
  }

  /** What the guest has printed since a position of its console. */
  String console(long from) {
    try (SeekableByteChannel file = Files.newByteChannel(console)) {
      file.position(from);
      ByteBuffer bytes = ByteBuffer.allocate((int) Math.max(0, file.size() - from));
      while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
      return new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1);
    } catch (NoSuchFileException e) {
      return "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The present end of the guest's console. */
  public long consoleEnd() {
    return console.toFile().length();
  }

  /** Waits until the guest has printed so many ticks since a position of its console. */
  public void awaitTicks(long from, int number) {
    awaitThat(number + " ticks", () -> CountedTicks.since(console(from), 0).size() >= number);
  }

  long checkpoints() throws IOException, CommandFailed {
    return run("x-pollux-query-colo-statistics").path("checkpoints").asLong();
  }

  public String migrationStatus() throws IOException, CommandFailed {
    return run("query-migrate").path("status").asText();
  }

  /** Ends the emulator, which must go well; all events so far must fit the schema. */
  public void quit() throws IOException, CommandFailed {
    run("quit");
    synchronized (events) {
      messages.forEach(schema::checkMessage);
    }
    int status = process.await(Duration.ofSeconds(20));
    if (status != 0) {
      fail("%s: exit status %d: %s".formatted(name, status, process.errors()));
    }
  }

  /** Its last events, and its COLO and what its threads do just now, where it still runs. */
  public String describe() throws IOException {
    List<String> last = eventsSince(Math.max(0, mark() - 20));
    String threads = "";
    String statistics = "";
    if (process.process().isAlive()) {
      signal("CONT");
      statistics = ask("x-pollux-query-colo-statistics");
      signal("QUIT"); // which has a JVM print its threads
      pause(500);
      threads = process.output();
    }
    return "%s: %s\n%s\n%s\n%s\n%s\n"
        .formatted(
            name,
            last,
            statistics,
            console(Math.max(0, consoleEnd() - SHOWN_AT_FAILURE)),
            process.errors(),
            threads);
  }

  /** The answer to a command, whatever it is, if one comes. */
  private String ask(String command) throws IOException {
    try {
      return monitor
          .send("execute", command, JSON.createObjectNode())
          .get(5, TimeUnit.SECONDS)
          .toString();
    } catch (ExecutionException | InterruptedException | TimeoutException e) {
      return command + ": " + e;
    }
  }

  /** {@code kill -9}. */
  void kill() {
    process.process().destroyForcibly();
    process.process().onExit().join();
  }

  /**
   * Sends its process a signal.
   *
   * @param signal the name, for instance {@code STOP}
   */
  void signal(String signal) throws IOException {
    Process kill =
        new ProcessBuilder("kill", "-" + signal, Long.toString(process.process().pid()))
            .inheritIO()
            .start();
    if (kill.onExit().join().exitValue() != 0) {
      fail("%s: kill -%s".formatted(name, signal));
    }
  }

  /** From now on its process can write no file beyond a length, as where a disk is full. */
  void limitFiles(long bytes) throws IOException {
    Process limit =
        new ProcessBuilder(
                "prlimit", "--pid", Long.toString(process.process().pid()), "--fsize=" + bytes)
            .inheritIO()
            .start();
    if (limit.onExit().join().exitValue() != 0) {
      fail("%s: prlimit --fsize=%d".formatted(name, bytes));
    }
  }

  @Override
  public void close() {
    monitor.close();
    process.close();
  }
}
