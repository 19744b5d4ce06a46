package dev.pollux.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A machine of the demo: a process, its events in order, and its console in a file. */
final class DemoMachine implements AutoCloseable {
  private final String name;
  private final Path console;
  private final MachineProcess process;
  private final BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();

  private DemoMachine(String name, Path folder, List<String> options) throws IOException {
    this.name = name;
    this.console = folder.resolve(name + ".console");
    List<String> all = new ArrayList<>(options);
    all.addAll(List.of("-name", name, "-display", "none", "-monitor", "none"));
    all.addAll(List.of("-serial", "file:" + console));
    this.process = MachineProcess.start(name, folder, all, events::add);
  }

  /**
   * Starts a machine.
   *
   * @param options more options of {@code run}
   */
  static DemoMachine start(String name, Path folder, List<String> options) throws IOException {
    return new DemoMachine(name, folder, options);
  }

  MachineProcess process() {
    return process;
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

  @Override
  public void close() {
    process.close();
  }
}
