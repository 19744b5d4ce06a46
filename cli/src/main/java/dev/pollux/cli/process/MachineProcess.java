package dev.pollux.cli.process;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.host.Libc;
import dev.pollux.qmp.client.QmpClient;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A machine in a process of its own, and its monitor. It ends with the process that has started it.
 * Any thread; closing kills it.
 */
public final class MachineProcess implements Monitor, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(MachineProcess.class);

  private static final long START_SECONDS = 60;
  private static final long COMMAND_SECONDS = 10;
  private static final long END_SECONDS = 10;

  /** Characters of commands that a connection holds, with room to spare, and nobody reads. */
  private static final long MOST_UNANSWERED = 100_000;

  private final String name;
  private final Process process;
  private final Path output;
  private final QmpClient monitor;
  private final AtomicLong unanswered = new AtomicLong();

  private MachineProcess(
      String name, Path socket, Process process, Path output, Consumer<JsonNode> to)
      throws IOException {
    this.name = name;
    this.process = process;
    this.output = output;
    this.monitor = connect(socket, to);
  }

  /**
   * Starts a machine and waits for its monitor, which is {@code NAME.qmp} in the folder; what the
   * process prints goes to {@code NAME.log} there.
   *
   * @param options those of {@code run}, apart from the ones for the monitor
   * @param onEvent hears the monitor's events, on a thread of the connection's
   * @throws IOException if it ends, or has no monitor after 60 s; the message has what it said
   */
  public static MachineProcess start(
      String name, Path folder, List<String> options, Consumer<JsonNode> onEvent)
      throws IOException {
    Path socket = folder.resolve(name + ".qmp");
    Path output = folder.resolve(name + ".log");
    Files.deleteIfExists(socket);
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of("-cp", System.getProperty("java.class.path"), "dev.pollux.cli.Main", "run"));
    command.addAll(options);
    command.addAll(List.of("-qmp", "unix:" + socket + ",server=on,wait=off"));
    command.addAll(List.of("-run-with", "exit-with-parent=on"));
    Process process =
        ChildProcesses.start(
            new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(output.toFile())
                .redirectErrorStream(true));
    try {
      return new MachineProcess(name, socket, process, output, onEvent);
    } catch (IOException | RuntimeException e) {
      process.destroyForcibly();
      throw e;
    }
  }

  private QmpClient connect(Path socket, Consumer<JsonNode> onEvent) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (process.isAlive()) {
      if (Files.exists(socket)) {
        try {
          return QmpClient.connect("unix:" + socket, onEvent);
        } catch (IOException e) {
          // It is made before it listens, and the process may be ending.
        }
      }
      if (System.nanoTime() > end) {
        throw new IOException("%s: no monitor after %d s".formatted(name, START_SECONDS));
      }
      pause(20);
    }
    throw new IOException("%s: the process has ended: %s".formatted(name, lastWords()));
  }

  /** What the process has printed last, in one line; of a stack trace that is what it is for. */
  public String lastWords() throws IOException {
    List<String> lines =
        Files.readString(output)
            .strip()
            .lines()
            .filter(line -> !line.startsWith("\t") && !line.isBlank())
            .toList();
    return lines.isEmpty() ? "it said nothing" : lines.getLast();
  }

  /** Sleeps; interruption is an {@link IOException}. */
  public static void pause(long millis) throws IOException {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private static IOException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new IOException("interrupted", e);
  }

  /**
   * Runs a command of its monitor.
   *
   * @return the value of {@code return}
   * @throws IOException if it fails, or is not answered within 10 s
   */
  @Override
  public JsonNode run(String command, ObjectNode arguments) throws IOException {
    JsonNode reply;
    try {
      reply = send(command, arguments).get(COMMAND_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new IOException(
          "%s: %s: no answer within %d s".formatted(name, command, COMMAND_SECONDS), e);
    } catch (ExecutionException e) {
      throw new IOException("%s: %s: %s".formatted(name, command, e.getCause()), e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
    if (reply.has("error")) {
      throw new IOException(
          "%s: %s: %s".formatted(name, command, reply.at("/error/desc").asText()));
    }
    return reply.path("return");
  }

  /** A command that may fail. */
  public interface Attempt {
    Object run() throws IOException;
  }

  /** Runs what need not succeed: takes away what may not be there, for instance. */
  public static void attempt(Attempt attempt) {
    try {
      var _ = attempt.run();
    } catch (IOException e) {
      // Said where something stands on it, should it matter.
    }
  }

  /**
   * Sends a command; the future gets the whole reply.
   *
   * @throws IOException if the connection is gone, or the machine has not answered so much yet that
   *     sending might have to wait for it
   */
  public CompletableFuture<JsonNode> send(String command, ObjectNode arguments) throws IOException {
    int size = command.length() + arguments.toString().length();
    if (unanswered.addAndGet(size) > MOST_UNANSWERED && size < unanswered.get()) {
      unanswered.addAndGet(-size);
      throw new IOException(
          "%s: %s: it has not answered earlier commands".formatted(name, command));
    }
    CompletableFuture<JsonNode> reply;
    try {
      reply = monitor.send("execute", command, arguments);
    } catch (IOException e) {
      unanswered.addAndGet(-size);
      throw e;
    }
    return reply.whenComplete((_, _) -> unanswered.addAndGet(-size));
  }

  /** Completes, with its status, when the process has ended. */
  public CompletableFuture<Integer> onExit() {
    return process.onExit().thenApply(Process::exitValue);
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /**
   * {@code kill -9}; returns when the process is gone. One that waits for its host's disk may not
   * go; after 10 s that is said and not waited for: it does nothing more by itself.
   */
  public void kill() {
    var _ = process.destroyForcibly();
    try {
      var _ = process.onExit().get(END_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException | ExecutionException e) {
      log.warn(
          "{}: process {} was killed and has not ended for {} s; its host keeps it",
          name,
          process.pid(),
          END_SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    monitor.close();
  }

  /** {@code kill -STOP}: the process stands still until it is killed. */
  public void freeze() {
    Libc.stopProcess(process.pid());
  }

  @Override
  public void close() {
    kill();
  }
}
