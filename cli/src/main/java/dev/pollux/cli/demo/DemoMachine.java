package dev.pollux.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.client.QmpClient;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A machine of the demo: a process of its own, its monitor and its console. Closing kills it. */
final class DemoMachine implements AutoCloseable {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final String name;
  private final Process process;
  private final Path console;
  private final Path log;
  private final QmpClient monitor;
  private final BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();

  private DemoMachine(String name, Path folder, Process process, Path log) throws IOException {
    this.name = name;
    this.process = process;
    this.log = log;
    this.console = consoleOf(name, folder);
    this.monitor = connect(socketOf(name, folder));
  }

  private static Path consoleOf(String name, Path folder) {
    return folder.resolve(name + ".console");
  }

  private static Path socketOf(String name, Path folder) {
    return folder.resolve(name + ".qmp");
  }

  /**
   * Starts a machine.
   *
   * @param options more options of {@code run}
   */
  static DemoMachine start(String name, Path folder, List<String> options) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(
        List.of("-cp", System.getProperty("java.class.path"), "dev.pollux.cli.Main", "run"));
    command.addAll(options);
    command.addAll(List.of("-name", name, "-display", "none", "-monitor", "none"));
    command.addAll(List.of("-serial", "file:" + consoleOf(name, folder)));
    command.addAll(List.of("-qmp", "unix:" + socketOf(name, folder) + ",server=on,wait=off"));
    Path log = folder.resolve(name + ".log");
    Process process =
        new ProcessBuilder(command)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(log.toFile())
            .redirectErrorStream(true)
            .start();
    try {
      return new DemoMachine(name, folder, process, log);
    } catch (IOException | RuntimeException e) {
      process.destroyForcibly();
      throw e;
    }
  }

  private QmpClient connect(Path socket) throws IOException {
    for (int tries = 0; process.isAlive(); tries++) {
      if (Files.exists(socket)) {
        try {
          return QmpClient.connect("unix:" + socket, events::add);
        } catch (java.net.ConnectException e) {
          // It is made before it listens.
        }
      }
      if (tries == 600) {
        throw new IOException("%s: no monitor after 30 s".formatted(name));
      }
      pause(50);
    }
    throw new IOException(
        "%s: the process has ended: %s".formatted(name, Files.readString(log).strip()));
  }

  static void pause(long millis) throws IOException {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Runs a command of its monitor. */
  JsonNode run(String command, ObjectNode arguments) throws IOException {
    try {
      return monitor.execute(command, arguments);
    } catch (QmpClient.CommandFailed e) {
      throw new IOException("%s: %s: %s".formatted(name, command, e.getMessage()), e);
    }
  }

  JsonNode run(String command) throws IOException {
    return run(command, JSON.objectNode());
  }

  /** Waits for an event; those that came before are forgotten. */
  void await(String event, long millis) throws IOException {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    try {
      while (true) {
        JsonNode next = events.poll(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
        if (next == null) {
          throw new IOException("%s: no event %s within %d ms".formatted(name, event, millis));
        }
        if (next.path("event").asText().equals(event)) {
          return;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** All that the guest has printed. */
  String console() throws IOException {
    return Files.exists(console) ? Files.readString(console, StandardCharsets.ISO_8859_1) : "";
  }

  /** {@code kill -9}. */
  void kill() throws IOException {
    process.destroyForcibly();
    process.onExit().join();
    monitor.close();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  @Override
  public void close() {
    monitor.close();
    process.destroyForcibly();
    process.onExit().join();
  }
}
