package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.colo.CheckpointCause;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How a pair begins and ends: what is told when, and what follows where one side ends by order. */
@Timeout(60)
class PairEndTest {
  private static final Machine.EndPolicy ENDS = new Machine.EndPolicy(false, false);
  private static final int SELDOM = 60_000;

  @TempDir private Path folder;
  private Path kernel;

  @BeforeEach
  void writeGuest() throws IOException {
    kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
  }

  private LocalMachine running() throws IOException {
    LocalMachine machine = new LocalMachine(kernel, true, false, ENDS);
    LocalMachine.await("the guest", () -> CountedTicks.last(machine.console()) > 0);
    return machine;
  }

  private LocalMachine waiting() throws IOException {
    return new LocalMachine(kernel, true, true, ENDS);
  }

  private static void pair(LocalMachine primary, LocalMachine secondary) {
    primary.pairWith(secondary.listen(), SELDOM);
    primary.awaitState(RunState.RUNNING);
    secondary.awaitState(RunState.RUNNING);
    LocalMachine.await("the pair", () -> primary.isPaired() && secondary.isPaired());
    primary.awaitState(RunState.RUNNING);
  }

  /** As fast as a manager can be: when it hears of COLO everything is ready for the takeover. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void takeoverIsPossibleAsSoonAsColoIsTold(boolean bySecondary) throws Exception {
    try (LocalMachine primary = running();
        LocalMachine secondary = waiting()) {
      LocalMachine survivor = bySecondary ? secondary : primary;
      CompletableFuture<ColoStatus.Mode> mode = new CompletableFuture<>();
      survivor.onStatus(
          status -> {
            if (status == MigrationStatus.COLO) {
              try {
                survivor.migration().lostHeartbeat();
                mode.complete(survivor.migration().coloStatus().mode());
              } catch (RuntimeException e) {
                mode.completeExceptionally(e);
              }
            }
          });
      primary.pairWith(secondary.listen(), SELDOM);
      assertEquals(
          bySecondary ? ColoStatus.Mode.SECONDARY : ColoStatus.Mode.PRIMARY,
          mode.get(20, TimeUnit.SECONDS));
      assertEquals(ColoStatus.ExitReason.REQUEST, survivor.awaitExit(10));
      LocalMachine.await("the failover", () -> !survivor.migration().colo().isActive());
      survivor.goOn(0);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"GUEST_SHUTDOWN", "GUEST_RESET", "GUEST_PANIC"})
  void secondaryEndsWithThePrimarysGuest(ShutdownCause cause) throws IOException {
    try (LocalMachine secondary = waiting()) {
      try (LocalMachine primary = running()) {
        pair(primary, secondary);
        primary.machine().requestShutdown(cause);
        LocalMachine.await("the primary's end", primary::hasEnded);
      }
      assertEquals(ColoStatus.ExitReason.REQUEST, secondary.awaitExit(10));
      assertTrue(secondary.lastError().contains(cause.qmpName()), secondary::lastError);
      LocalMachine.await("the secondary's end", secondary::hasEnded);
      assertEquals(List.of(cause), secondary.shutdowns());
    }
  }

  /** With {@code -no-shutdown} its guest is off, and the manager has the last word. */
  @Test
  void secondaryThatStaysIsOffWithThePrimarysGuest() throws IOException {
    try (LocalMachine secondary = new LocalMachine(kernel, true, true)) {
      try (LocalMachine primary = running()) {
        pair(primary, secondary);
        primary.machine().requestShutdown(ShutdownCause.GUEST_SHUTDOWN);
        LocalMachine.await("the primary's end", primary::hasEnded);
      }
      assertEquals(ColoStatus.ExitReason.REQUEST, secondary.awaitExit(10));
      secondary.awaitState(RunState.SHUTDOWN);
      boolean _ =
          secondary.onLoop(
              () -> {
                secondary.migration().lostHeartbeat();
                return true;
              });
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      assertEquals(RunState.SHUTDOWN, secondary.state());
    }
  }

  /** An emulator that its host ends takes no guest with it: who goes on is the manager's word. */
  @ParameterizedTest
  @EnumSource(names = {"HOST_QMP_QUIT", "HOST_SIGNAL"})
  void guestOutlivesAnEmulatorThatIsEnded(ShutdownCause cause) throws IOException {
    for (boolean primaryEnds : new boolean[] {true, false}) {
      LocalMachine primary = running();
      LocalMachine secondary = waiting();
      LocalMachine ends = primaryEnds ? primary : secondary;
      LocalMachine stays = primaryEnds ? secondary : primary;
      try (stays) {
        try (ends) {
          pair(primary, secondary);
          ends.machine().requestShutdown(cause);
          LocalMachine.await("the end", ends::hasEnded);
        }
        assertEquals(ColoStatus.ExitReason.ERROR, stays.awaitExit(10));
        assertEquals("the other side has ended (%s)".formatted(cause.qmpName()), stays.lastError());
        stays.goOnAlone(0);
        assertEquals(List.of(), stays.shutdowns());
      }
    }
  }

  /** What the secondary's guest does by itself counts for nothing, whatever the options say. */
  @ParameterizedTest
  @EnumSource(names = {"GUEST_SHUTDOWN", "GUEST_RESET", "GUEST_PANIC"})
  void secondarysOwnEndIsUndone(ShutdownCause cause) throws IOException {
    try (LocalMachine primary = running();
        LocalMachine secondary = waiting()) {
      pair(primary, secondary);
      secondary.machine().requestShutdown(cause);
      secondary.awaitState(RunState.SHUTDOWN);
      primary.migration().colo().call(CheckpointCause.COMMAND);
      secondary.awaitState(RunState.RUNNING);
      secondary.goOn(0);
      // Alone it ends as its options say.
      secondary.goOnAlone(0);
      secondary.machine().requestShutdown(cause);
      LocalMachine.await("its end", secondary::hasEnded);
    }
  }
}
