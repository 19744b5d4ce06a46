package dev.pollux.tests.hostile;

import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.colo.ColoMachine;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A secondary that has to do with a hostile primary. */
final class AttackedSecondary implements AutoCloseable {
  /** How far a primary gets before it misbehaves. */
  private enum Stage {
    CONNECTED,
    IN_MIGRATION,
    CHANGED_MIGRATION,
    IN_COLO,
    REQUESTED,
    IN_CHECKPOINT,
    CHANGED_CHECKPOINT,
    CHANGED_STATES,
    LOADED
  }

  /** What a real primary has sent. */
  record Recording(byte[] migration, byte[] states) {}

  private final ColoMachine machine;
  private final Watchdog watchdog;

  AttackedSecondary(Path folder, Path kernel, List<String> jvmOptions, long number)
      throws IOException, CommandFailed {
    machine =
        new ColoMachine(
            "attacked" + number,
            folder,
            jvmOptions,
            "-m",
            "16",
            "-kernel",
            kernel.toString(),
            "-no-shutdown",
            "-incoming",
            "defer");
    watchdog = new Watchdog(machine);
    machine.run("migrate-set-capabilities", AttackedPrimary.CAPABILITIES);
  }

  /** One attack, and what must follow; what it was. */
  String attack(Recording recording, Random random) throws IOException, CommandFailed {
    Stage stage = Stage.values()[random.nextInt(Stage.values().length)];
    Misbehaviour way = Misbehaviour.values()[random.nextInt(Misbehaviour.values().length)];
    String what = way + " when " + stage;
    try {
      machine.run("migrate-incoming", "{'uri':'tcp:127.0.0.1:0','exit-on-error':false}");
      int port = machine.run("query-migrate").at("/socket-address/0/port").asInt();
      try (HostilePrimary primary = new HostilePrimary(port)) {
        try {
          advance(primary, stage, recording, random);
        } catch (IOException e) {
          // It has noticed what was changed.
        }
        way.behave(primary, random);
      }
      leave(stage);
      return what;
    } catch (AssertionError | CommandFailed | IOException e) {
      throw new AssertionError(what + "\n" + machine.describe(), e);
    }
  }

  private static void advance(
      HostilePrimary primary, Stage stage, Recording recording, Random random) throws IOException {
    byte[] migration = HostilePrimary.withRunState(recording.migration(), "running");
    byte[] states = HostilePrimary.withRunState(recording.states(), "running");
    switch (stage) {
      case CONNECTED -> {}
      case IN_MIGRATION -> primary.send(part(migration, random));
      case CHANGED_MIGRATION -> primary.migrate(changed(migration, random));
      case IN_COLO -> begin(primary, migration);
      case REQUESTED -> {
        begin(primary, migration);
        primary.send(HostileLink.REQUEST);
      }
      case IN_CHECKPOINT -> {
        begin(primary, migration);
        primary.send(HostileLink.REQUEST);
        int _ = primary.receive();
        primary.stopBeating();
        primary.send(part(HostilePrimary.checkpoint(states), random));
      }
      case CHANGED_CHECKPOINT -> {
        begin(primary, migration);
        primary.send(HostileLink.REQUEST);
        int _ = primary.receive();
        primary.send(changed(HostilePrimary.checkpoint(states), random));
      }
      case CHANGED_STATES -> {
        begin(primary, migration);
        primary.sendCheckpoint(changed(states, random));
      }
      case LOADED -> {
        begin(primary, migration);
        primary.sendCheckpoint(states);
        int _ = primary.receive();
      }
    }
  }

  private static void begin(HostilePrimary primary, byte[] migration) throws IOException {
    primary.migrate(migration);
    primary.beat();
  }

  private static byte[] part(byte[] bytes, Random random) {
    return Arrays.copyOf(bytes, random.nextInt(bytes.length));
  }

  /** Some bytes are others, near the end more often: there are the devices. */
  private static byte[] changed(byte[] bytes, Random random) {
    byte[] copy = bytes.clone();
    for (int left = 1 + random.nextInt(4); left > 0; left--) {
      int range = (int) Math.exp(random.nextDouble() * Math.log(copy.length));
      copy[copy.length - 1 - random.nextInt(range)] ^= (byte) (1 << random.nextInt(8));
    }
    return copy;
  }

  /**
   * The primary has gone. Where there was a pair this machine goes on alone; what a guest does
   * whose state was changed is the guest's affair.
   */
  private void leave(Stage stage) throws IOException, CommandFailed {
    machine.awaitThat("the end of the migration", () -> !isUnderWay());
    if (isColo()) {
      machine.run("x-colo-lost-heartbeat");
      int _ = machine.await("MIGRATION completed", 0);
      if (stage != Stage.CHANGED_MIGRATION && stage != Stage.CHANGED_STATES) {
        machine.awaitTicks(machine.consoleEnd(), 2);
      }
    }
    watchdog.check();
    watchdog.close();
    machine.quit();
  }

  private boolean isColo() throws IOException, CommandFailed {
    return machine.migrationStatus().equals("colo");
  }

  private boolean isUnderWay() {
    try {
      return isColo()
          ? machine.eventsSince(0).stream().noneMatch(e -> e.startsWith("COLO_EXIT"))
          : !List.of("failed", "completed").contains(machine.migrationStatus());
    } catch (IOException | CommandFailed e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    watchdog.close();
    machine.close();
  }
}
