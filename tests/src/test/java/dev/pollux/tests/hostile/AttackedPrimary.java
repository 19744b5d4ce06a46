package dev.pollux.tests.hostile;

import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.colo.ColoMachine;
import dev.pollux.tests.colo.Footprint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;

/** A primary that has to do with one hostile secondary after another. */
final class AttackedPrimary implements AutoCloseable {
  /** How far a secondary gets before it misbehaves. */
  private enum Stage {
    CONNECTED,
    IN_MIGRATION,
    CONTENT,
    READY,
    REQUESTED,
    REPLIED,
    RECEIVED
  }

  static final String CAPABILITIES =
      "{'capabilities':[{'capability':'return-path','state':true},{'capability':'x-colo','state':true},{'capability':'events','state':true}]}";

  private final ColoMachine machine;
  private final Watchdog watchdog;

  AttackedPrimary(Path folder, Path kernel, List<String> jvmOptions)
      throws IOException, CommandFailed {
    machine =
        new ColoMachine("attacked", folder, jvmOptions, "-m", "16", "-kernel", kernel.toString());
    watchdog = new Watchdog(machine);
    try {
      machine.run("migrate-set-capabilities", CAPABILITIES);
      machine.run(
          "migrate-set-parameters",
          "{'x-checkpoint-delay':50,'max-bandwidth':1000000000,'downtime-limit':30000}");
      machine.awaitTicks(0, 3);
    } catch (IOException | CommandFailed | RuntimeException | AssertionError e) {
      close();
      throw e;
    }
  }

  Footprint footprint() {
    return Footprint.of(machine.process().process().pid());
  }

  /** A migration of this machine, paused, and the states of a checkpoint. */
  AttackedSecondary.Recording record() throws IOException, CommandFailed {
    machine.run("stop");
    AttackedSecondary.Recording recording;
    try (HostileSecondary secondary = new HostileSecondary()) {
      migrate(secondary);
      byte[] migration = secondary.takeMigration();
      secondary.beat();
      secondary.send(HostileLink.READY);
      secondary.agree();
      recording = new AttackedSecondary.Recording(migration, secondary.takeStates());
    }
    leave(0);
    machine.run("cont");
    return recording;
  }

  private void migrate(HostileSecondary to) throws IOException, CommandFailed {
    machine.run("migrate", "{'uri':'tcp:127.0.0.1:%d'}".formatted(to.port()));
  }

  /** One attack, and what must follow; what it was. */
  String attack(Random random) throws IOException, CommandFailed {
    Stage stage = Stage.values()[random.nextInt(Stage.values().length)];
    Misbehaviour way = Misbehaviour.values()[random.nextInt(Misbehaviour.values().length)];
    int mark = machine.mark();
    try (HostileSecondary secondary = new HostileSecondary()) {
      migrate(secondary);
      secondary.accept();
      try {
        advance(secondary, stage, random);
      } catch (IOException e) {
        throw new AssertionError("not even " + stage, e);
      }
      way.behave(secondary, random);
    }
    leave(mark);
    return way + " when " + stage;
  }

  private static void advance(HostileSecondary secondary, Stage stage, Random random)
      throws IOException {
    if (stage == Stage.CONNECTED) {
      return;
    }
    if (stage == Stage.IN_MIGRATION) {
      byte[] _ = secondary.read(random.nextInt(1 << 20));
      return;
    }
    secondary.content();
    if (stage == Stage.CONTENT) {
      return;
    }
    secondary.beat();
    secondary.send(HostileLink.READY);
    if (stage == Stage.READY) {
      return;
    }
    secondary.awaitRequest();
    if (stage == Stage.REQUESTED) {
      return;
    }
    secondary.send(HostileLink.REPLY);
    if (stage == Stage.RECEIVED) {
      secondary.drain();
      HostileLink.pause(100);
      secondary.send(HostileLink.RECEIVED);
    }
  }

  /** The attack is over: the machine is alone again, runs, and has answered all the time. */
  private void leave(int mark) throws IOException, CommandFailed {
    machine.awaitThat("the end of the migration", () -> !isUnderWay(mark));
    if (machine.migrationStatus().equals("colo")) {
      machine.run("x-colo-lost-heartbeat");
      int _ = machine.await("MIGRATION completed", mark);
    }
    machine.awaitThat("the end of COLO", () -> footprint().migrationThreads().isEmpty());
    watchdog.check();
    if (mark > 0) {
      machine.awaitTicks(machine.consoleEnd(), 2);
    }
  }

  /** Whether the migration neither ended nor became a pair that ended. */
  private boolean isUnderWay(int mark) {
    try {
      return switch (machine.migrationStatus()) {
        case "colo" -> machine.eventsSince(mark).stream().noneMatch(e -> e.startsWith("COLO_EXIT"));
        case "failed", "cancelled", "completed" -> false;
        default -> true;
      };
    } catch (IOException | CommandFailed e) {
      throw new IllegalStateException(e);
    }
  }

  String describe() throws IOException {
    return machine.describe();
  }

  void quit() throws IOException, CommandFailed {
    watchdog.close();
    machine.quit();
  }

  @Override
  public void close() {
    watchdog.close();
    machine.close();
  }
}
