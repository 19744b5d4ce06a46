package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Two machines in processes of their own that become a pair. */
final class ColoPair implements AutoCloseable {
  /** Pages that the guest rewrites, and how many of them at each tick. */
  private static final int PAGES = 1024;

  private static final int STEPS = 128;

  /**
   * How a pair is made.
   *
   * @param delay ms between checkpoints
   */
  record Settings(boolean multifd, int delay) {}

  private final ColoMachines machines;
  private final Settings settings;
  private final ColoMachine primary;
  private ColoMachine secondary;

  /** Starts both machines; they know nothing of each other yet. */
  ColoPair(Path folder, Settings settings) throws IOException {
    this.machines = new ColoMachines(folder, PAGES, STEPS, List.of());
    this.settings = settings;
    primary = machines.start("primary");
    try {
      startSecondary("secondary");
    } catch (IOException | AssertionError e) {
      primary.close();
      throw e;
    }
  }

  /** Makes a pair of a machine that runs and one that waits. */
  ColoPair(ColoMachines machines, Settings settings, ColoMachine primary, ColoMachine secondary) {
    this.machines = machines;
    this.settings = settings;
    this.primary = primary;
    this.secondary = secondary;
  }

  /** Starts a machine that waits for a primary, in place of the one that there was. */
  void startSecondary(String name) throws IOException {
    ColoMachine old = secondary;
    secondary = machines.startWaiting(name);
    if (old != null) {
      old.close();
    }
  }

  ColoMachine primary() {
    return primary;
  }

  ColoMachine secondary() {
    return secondary;
  }

  void configure(ColoMachine machine) throws IOException, CommandFailed {
    machine.run(
        "migrate-set-capabilities",
        "{'capabilities':[{'capability':'multifd','state':%b},{'capability':'return-path','state':true},{'capability':'x-colo','state':true},{'capability':'events','state':true}]}"
            .formatted(settings.multifd()));
    machine.run(
        "migrate-set-parameters",
        "{'multifd-channels':4,'x-checkpoint-delay':%d,'max-bandwidth':1000000000,'downtime-limit':30000}"
            .formatted(settings.delay()));
  }

  /** The secondary begins to listen; its port. */
  int listen() throws IOException, CommandFailed {
    configure(secondary);
    secondary.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0'}");
    JsonNode address = secondary.run("query-migrate").path("socket-address").path(0);
    return Integer.parseInt(address.path("port").asText());
  }

  /** Makes a pair of a machine that runs and the secondary; both run when it returns. */
  void join(ColoMachine source, int port) throws IOException, CommandFailed {
    int sourceMark = source.mark();
    int targetMark = secondary.mark();
    configure(source);
    source.run("migrate", "{'uri':'tcp:127.0.0.1:%d'}".formatted(port));
    source.awaitThat(
        "status colo",
        () -> {
          try {
            String status = source.migrationStatus();
            assertNotEquals("failed", status);
            assertNotEquals("completed", status);
            return status.equals("colo");
          } catch (IOException | CommandFailed e) {
            throw new IllegalStateException(e);
          }
        });
    secondary.await("RESUME", targetMark);
    source.await("RESUME", source.await("MIGRATION colo", sourceMark));
  }

  /** Starts COLO and waits for some checkpoints. */
  void start(int checkpoints) throws IOException, CommandFailed {
    primary.awaitTicks(0, 3);
    int port = listen();
    join(primary, port);
    awaitCheckpoints(checkpoints);
  }

  /** Waits until the secondary has loaded so many more checkpoints. */
  void awaitCheckpoints(int number) {
    int mark = secondary.mark();
    for (int i = 0; i < number; i++) {
      mark = secondary.await("RESUME", mark);
    }
  }

  @Override
  public void close() {
    primary.close();
    secondary.close();
  }
}
