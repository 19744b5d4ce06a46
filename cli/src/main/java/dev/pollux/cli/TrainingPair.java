package dev.pollux.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.qmp.client.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Machines that migrate and form a pair, all in this process, for the JVM to learn from: what a
 * guest stands still for must be quick from the first time on.
 */
final class TrainingPair {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final int PAGES = 1024;
  private static final int STEPS_PER_TICK = 64;
  private static final int CHECKPOINTS = 40;

  private TrainingPair() {}

  /** Runs them to their end. */
  static void run() throws IOException {
    Path folder = Files.createTempDirectory("pollux-training");
    Path kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(PAGES, STEPS_PER_TICK));
    List<Vm> vms = new ArrayList<>();
    try {
      vms.add(new Vm(folder.resolve("a"), kernel));
      vms.add(new Vm(folder.resolve("b"), kernel, "-incoming", "defer"));
      vms.add(new Vm(folder.resolve("c"), kernel, "-incoming", "defer"));
      migrate(vms.get(0), vms.get(1), "events", "return-path");
      vms.get(0).run("quit");
      migrate(vms.get(1), vms.get(2), "events", "return-path", "x-colo");
      for (int i = 0; i < CHECKPOINTS; i++) {
        vms.get(2).await("RESUME");
      }
      vms.get(2).run("x-colo-lost-heartbeat");
      vms.get(2).await("COLO_EXIT");
    } finally {
      vms.forEach(Vm::end);
      delete(folder);
    }
  }

  private static void migrate(Vm source, Vm target, String... capabilities) throws IOException {
    for (Vm vm : List.of(source, target)) {
      ObjectNode arguments = JSON.objectNode();
      for (String name : capabilities) {
        arguments.withArray("capabilities").addObject().put("capability", name).put("state", true);
      }
      vm.run("migrate-set-capabilities", arguments);
      vm.run("migrate-set-parameters", JSON.objectNode().put("x-checkpoint-delay", 20));
    }
    String uri = "unix:" + target.folder + ".migration";
    target.run("migrate-incoming", JSON.objectNode().put("uri", uri));
    source.run("migrate", JSON.objectNode().put("uri", uri));
    target.await("RESUME");
  }

  private static void delete(Path folder) throws IOException {
    try (var files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  /** A machine on a thread of this process, and its monitor. */
  private static final class Vm {
    private static final long PATIENCE_SECONDS = 30;

    private final Path folder;
    private final Thread thread;
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private final QmpClient monitor;

    /**
     * @param folder what the names of its files begin with
     */
    Vm(Path folder, Path kernel, String... options) throws IOException {
      this.folder = folder;
      String socket = "unix:" + folder + ".qmp";
      List<String> command = new ArrayList<>(List.of("run", "-m", "32", "-display", "none"));
      command.addAll(List.of("-kernel", kernel.toString(), "-monitor", "none"));
      command.addAll(List.of("-serial", "file:" + folder + ".console"));
      command.addAll(List.of("-qmp", socket + ",server=on,wait=off"));
      command.addAll(List.of(options));
      thread = Thread.ofPlatform().start(() -> Main.execute(command.toArray(String[]::new)));
      monitor = connect(socket);
    }

    private QmpClient connect(String socket) throws IOException {
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (true) {
        try {
          return QmpClient.connect(socket, this::note);
        } catch (IOException e) {
          if (System.nanoTime() > end || !thread.isAlive()) {
            throw e;
          }
          Thread.onSpinWait();
        }
      }
    }

    private void note(JsonNode event) {
      events.add(event.path("event").asText());
    }

    void run(String command) throws IOException {
      run(command, JSON.objectNode());
    }

    void run(String command, ObjectNode arguments) throws IOException {
      try {
        var _ = monitor.execute(command, arguments);
      } catch (QmpClient.CommandFailed e) {
        throw new IOException(e);
      }
    }

    void await(String event) throws IOException {
      try {
        String next;
        do {
          next = events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
          if (next == null) {
            throw new IOException("no event " + event);
          }
        } while (!next.equals(event));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException(e);
      }
    }

    void end() {
      try {
        if (thread.isAlive()) {
          run("quit");
        }
        thread.join(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
      } catch (IOException _) {
        // It is ending by itself.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      monitor.close();
    }
  }
}
