package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.ColoStatus.ExitReason;
import dev.pollux.migration.colo.CheckpointListener;
import dev.pollux.tests.hostile.HostileLink;
import dev.pollux.tests.hostile.HostilePrimary;
import dev.pollux.tests.hostile.HostileSecondary;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One side of a pair is real, the other breaks a rule: the real one's guest goes on. */
@Timeout(60)
class HostilePeerTest {
  private static final int SELDOM = 60_000;

  @TempDir private Path folder;
  private Path kernel;

  @BeforeEach
  void writeGuest() throws IOException {
    kernel = Files.write(folder.resolve("guest"), CountingGuest.image(512, 64));
  }

  private LocalMachine running() throws IOException {
    LocalMachine machine = new LocalMachine(kernel, true, false);
    LocalMachine.await("the guest", () -> CountedTicks.last(machine.console()) > 0);
    return machine;
  }

  private static void order(LocalMachine machine, Runnable step) {
    boolean _ =
        machine.onLoop(
            () -> {
              step.run();
              return true;
            });
  }

  private static void assertError(String part, LocalMachine machine, long seconds) {
    assertEquals(ExitReason.ERROR, machine.awaitExit(seconds));
    assertTrue(machine.lastError().contains(part), machine::lastError);
  }

  // ---- a primary whose secondary means harm

  @ParameterizedTest
  @ValueSource(
      ints = {
        HostileLink.READY,
        HostileLink.REPLY,
        HostileLink.RECEIVED,
        HostileLink.LOADED,
      })
  void answerThatNobodyAskedForEndsThePair(int answer) throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), SELDOM);
      byte[] _ = secondary.takeMigration();
      secondary.drain();
      secondary.send(HostileLink.READY);
      secondary.send(answer);
      assertError("which nobody has asked for", primary, 10);
      primary.goOnAlone(0);
    }
  }

  @Test
  void answerOutOfOrderEndsThePair() throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), 10);
      byte[] _ = secondary.takeMigration();
      secondary.beat();
      secondary.send(HostileLink.READY);
      secondary.agree();
      secondary.send(HostileLink.RECEIVED); // of a checkpoint that it has not seen yet
      secondary.drain();
      assertEquals(ExitReason.ERROR, primary.awaitExit(10));
      assertEquals(0, primary.checkpoints(), "nothing of it was believed");
      primary.goOnAlone(0);
    }
  }

  @Test
  void secondaryThatReadsNothingIsDead() throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), 500);
      byte[] _ = secondary.takeMigration();
      secondary.beat();
      secondary.send(HostileLink.READY);
      assertError("CHECKPOINT_REPLY has not come", primary, 30); // few pages do not flow ahead
      primary.goOnAlone(0);
    }
  }

  @Test
  void guestGoesOnWhenTheDestinationDiesBeforeItIsReady() throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), SELDOM);
      byte[] _ = secondary.takeMigration();
      secondary.hangUp();
      assertEquals(ExitReason.ERROR, primary.awaitExit(10));
      primary.goOn(0);
      primary.goOnAlone(0);
    }
  }

  @Test
  void guestGoesOnWhenTheDestinationIsNeverReady() throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), SELDOM);
      byte[] _ = secondary.takeMigration();
      secondary.drain();
      secondary.beat();
      assertError("CHECKPOINT_READY has not come", primary, 8);
      primary.goOn(0);
      primary.goOnAlone(0);
    }
  }

  @Test
  void failoverBeforeTheDestinationIsReady() throws IOException {
    try (LocalMachine primary = running();
        HostileSecondary secondary = new HostileSecondary()) {
      primary.pairWith(secondary.port(), SELDOM);
      byte[] _ = secondary.takeMigration();
      secondary.beat();
      LocalMachine.await("COLO", primary::isPaired);
      primary.goOnAlone(0);
      assertEquals(ExitReason.REQUEST, primary.awaitExit(1));
    }
  }

  // ---- a secondary whose primary means harm

  /** A migration of a paused guest, and the device states of a checkpoint of it. */
  private record Recording(byte[] migration, byte[] states) {
    static Recording of(LocalMachine machine) throws IOException {
      order(machine, machine.migration()::stop);
      try (HostileSecondary secondary = new HostileSecondary()) {
        machine.pairWith(secondary.port(), 10);
        byte[] migration = secondary.takeMigration();
        secondary.beat();
        secondary.send(HostileLink.READY);
        secondary.agree();
        return new Recording(migration, secondary.takeStates());
      }
    }
  }

  private Recording record() throws IOException {
    try (LocalMachine machine = running()) {
      return Recording.of(machine);
    }
  }

  private LocalMachine waiting() throws IOException {
    return new LocalMachine(kernel, true, true);
  }

  private static HostilePrimary connect(LocalMachine secondary, byte[] migration)
      throws IOException {
    HostilePrimary primary = new HostilePrimary(secondary.listen());
    try {
      primary.migrate(migration);
    } catch (IOException e) {
      throw new AssertionError(secondary.migration().info().toString(), e);
    }
    primary.beat();
    return primary;
  }

  private static void sendCheckpoint(HostilePrimary primary, byte[] states) throws IOException {
    primary.sendCheckpoint(states);
    assertEquals(HostileLink.RECEIVED, primary.receive());
    assertEquals(HostileLink.LOADED, primary.receive());
  }

  @Test
  void everyStateOfAGuestIsPutInPlaceAndReplaced() throws IOException {
    Recording recording = record();
    byte[] states = recording.states();
    List<RunState> all =
        List.of(
            RunState.INTERNAL_ERROR,
            RunState.IO_ERROR,
            RunState.GUEST_PANICKED,
            RunState.SHUTDOWN,
            RunState.SUSPENDED,
            RunState.WATCHDOG,
            RunState.DEBUG,
            RunState.PRELAUNCH,
            RunState.RUNNING);
    for (RunState first : all) {
      byte[] migration =
          HostilePrimary.withRunState(recording.migration(), RunState.INTERNAL_ERROR.qmpName());
      try (LocalMachine secondary = waiting();
          HostilePrimary primary = connect(secondary, migration)) {
        sendCheckpoint(primary, HostilePrimary.withRunState(states, first.qmpName()));
        assertEquals(first, secondary.state());
        sendCheckpoint(primary, HostilePrimary.withRunState(states, "running"));
        primary.hangUp();
        assertEquals(ExitReason.ERROR, secondary.awaitExit(10));
        secondary.goOnAlone(0);
      }
    }
  }

  @Test
  void statesOfTheEmulatorAreRefused() throws IOException {
    Recording recording = record();
    for (String state :
        List.of(
            "postmigrate", "colo", "finish-migrate", "inmigrate", "save-vm", "restore-vm", "")) {
      try (LocalMachine secondary = waiting();
          HostilePrimary primary =
              connect(secondary, HostilePrimary.withRunState(recording.migration(), "running"))) {
        primary.sendCheckpoint(HostilePrimary.withRunState(recording.states(), state));
        assertError("is no run state that a guest goes on in", secondary, 10);
        secondary.goOnAlone(0);
      }
    }
  }

  @Test
  void commandsInACheckpointAreRefused() throws IOException {
    Recording recording = record();
    byte[] ping = {8, 0, 2, 0, 4, 0, 0, 0, 1};
    try (LocalMachine secondary = waiting();
        HostilePrimary primary = connect(secondary, recording.migration())) {
      primary.send(HostileLink.REQUEST);
      assertEquals(HostileLink.REPLY, primary.receive());
      primary.send(HostilePrimary.noPages(ping));
      assertError("command PING in a checkpoint", secondary, 10);
    }
  }

  @Test
  void pagesAmongDeviceStatesAreRefused() throws IOException {
    Recording recording = record();
    byte[] page = ByteBuffer.allocate(5 + 8 + 7 + 4096).put((byte) 3).putInt(2).putLong(8).array();
    byte[] name = "pc.ram".getBytes(StandardCharsets.US_ASCII);
    page[13] = (byte) name.length;
    System.arraycopy(name, 0, page, 14, name.length);
    try (LocalMachine secondary = waiting();
        HostilePrimary primary = connect(secondary, recording.migration())) {
      primary.sendCheckpoint(page);
      assertError("a page of memory came where none belongs", secondary, 10);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, (16 << 20) + 1, 1L << 32, Long.MIN_VALUE})
  void sizesThatNoStatesHaveAreRefused(long size) throws IOException {
    Recording recording = record();
    try (LocalMachine secondary = waiting();
        HostilePrimary primary = connect(secondary, recording.migration())) {
      primary.send(HostileLink.REQUEST);
      assertEquals(HostileLink.REPLY, primary.receive());
      primary.send(HostilePrimary.noPages(new byte[0]));
      primary.send(ByteBuffer.allocate(12).putInt(HostileLink.VMSTATE_SIZE).putLong(size).array());
      assertError(
          "device states of %s bytes".formatted(Long.toUnsignedString(size)), secondary, 10);
    }
  }

  @Test
  void messageWhileACheckpointIsPutInPlaceEndsThePair() throws IOException {
    Recording recording = record();
    try (LocalMachine secondary = waiting();
        HostilePrimary primary = connect(secondary, recording.migration())) {
      byte[] running = HostilePrimary.withRunState(recording.states(), "running");
      primary.send(HostileLink.REQUEST);
      assertEquals(HostileLink.REPLY, primary.receive());
      // Nobody on the loop puts it in place before the next request is there.
      CountDownLatch latch = new CountDownLatch(1);
      secondary.holdLoop(latch);
      primary.send(HostilePrimary.checkpoint(running));
      assertEquals(HostileLink.RECEIVED, primary.receive());
      primary.send(HostileLink.REQUEST);
      LocalMachine.await("the end", () -> !secondary.lastError().isEmpty() || !hears(primary));
      latch.countDown();
      assertError("CHECKPOINT_REQUEST came before VMSTATE_LOADED", secondary, 10);
      assertEquals(1, secondary.checkpoints(), "what was acknowledged is in place");
      secondary.goOnAlone(0);
    }
  }

  /** Whether the secondary still holds the connection. */
  private static boolean hears(HostilePrimary primary) {
    try {
      int _ = primary.receive();
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Behind the flag there is no way back, and none forward: the guest never runs half-way. */
  @Test
  void failureBehindTheFlagHasOneEnd() throws IOException {
    try (LocalMachine primary = running();
        LocalMachine secondary = waiting()) {
      secondary
          .migration()
          .colo()
          .addListener(
              new CheckpointListener() {
                @Override
                public void loaded() {
                  throw new IllegalStateException("out of order");
                }
              });
      primary.pairWith(secondary.listen(), 100);
      assertError("a checkpoint could not be put in place", secondary, 10);
      assertEquals(ExitReason.ERROR, primary.awaitExit(10));
      assertEquals(RunState.INTERNAL_ERROR, secondary.state());
      order(secondary, secondary.migration()::lostHeartbeat);
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      assertEquals(RunState.INTERNAL_ERROR, secondary.state());
      primary.goOnAlone(0);
    }
  }
}
