package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.colo.CheckpointCause;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Pauses, power-off and reset of a pair: who said stop last is obeyed, and nobody wakes the dead.
 */
@Timeout(60)
class ColoRunStateTest {
  /** ms between checkpoints where the test calls for them itself. */
  private static final int SELDOM = 60_000;

  private static final int OFTEN = 10;

  @TempDir private Path folder;
  private Path kernel;

  @BeforeEach
  void writeGuest() throws IOException {
    kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
  }

  /** A step on a machine's event loop. */
  private static void on(LocalMachine machine, Runnable step) {
    boolean _ =
        machine.onLoop(
            () -> {
              step.run();
              return true;
            });
  }

  private LocalMachine source() throws IOException {
    LocalMachine machine = new LocalMachine(kernel, true, false);
    LocalMachine.await("the guest", () -> CountedTicks.last(machine.console()) > 0);
    return machine;
  }

  private LocalMachine target() throws IOException {
    return new LocalMachine(kernel, true, true);
  }

  private static void pair(LocalMachine primary, LocalMachine secondary, int delay) {
    primary.pairWith(secondary.listen(), delay);
    LocalMachine.await("the pair", () -> primary.isPaired() && secondary.isPaired());
  }

  private static void checkpoint(LocalMachine primary) {
    long before = primary.checkpoints();
    primary.migration().colo().call(CheckpointCause.COMMAND);
    LocalMachine.await("a checkpoint", () -> primary.checkpoints() > before);
  }

  /** In the same step as the failover is asked for, and when the guest is held for it. */
  @Test
  void stopAfterFailoverWasAskedForIsObeyed() throws IOException {
    for (boolean atOnce : new boolean[] {true, false}) {
      try (LocalMachine primary = source();
          LocalMachine secondary = target()) {
        pair(primary, secondary, SELDOM);
        primary.awaitState(RunState.RUNNING);
        secondary.awaitState(RunState.RUNNING);
        for (LocalMachine machine : new LocalMachine[] {primary, secondary}) {
          if (atOnce) {
            on(
                machine,
                () -> {
                  machine.migration().lostHeartbeat();
                  machine.migration().stop();
                });
          } else {
            on(machine, machine.migration()::lostHeartbeat);
            on(machine, machine.migration()::stop);
          }
          LocalMachine.await("the failover", () -> !machine.migration().colo().isActive());
          assertEquals(RunState.PAUSED, machine.state());
          on(machine, machine.migration()::cont);
          machine.goOn(0);
        }
      }
    }
  }

  /** While a checkpoint is put in place; taken back, it is as if it had not been said. */
  @Test
  void stopWhileHeldIsObeyedAndCanBeTakenBack() throws IOException {
    try (LocalMachine machine = source()) {
      on(
          machine,
          () -> {
            for (boolean takeBack : new boolean[] {false, true}) {
              machine.machine().stop(RunState.COLO);
              machine.migration().stop();
              if (takeBack) {
                assertEquals(true, machine.machine().runState().withdrawPause());
              }
              machine.machine().goOn(RunState.RUNNING);
              assertEquals(takeBack ? RunState.RUNNING : RunState.PAUSED, machine.state());
              machine.migration().cont();
            }
            // What was said in one hold is forgotten in the next.
            machine.machine().stop(RunState.COLO);
            machine.migration().stop();
            machine.machine().goOn(RunState.RUNNING);
            machine.machine().stop(RunState.COLO);
            machine.machine().goOn(RunState.RUNNING);
            assertEquals(RunState.RUNNING, machine.state());
          });
      machine.goOn(0);
    }
  }

  @Test
  void pausedSourceMakesPausedPair() throws IOException {
    try (LocalMachine primary = source();
        LocalMachine secondary = target()) {
      on(primary, primary.migration()::stop);
      pair(primary, secondary, SELDOM);
      checkpoint(primary);
      assertEquals(RunState.PAUSED, primary.state());
      secondary.awaitState(RunState.PAUSED);
      assertEquals("", secondary.console(), "it never ran");
      on(primary, primary.migration()::cont);
      checkpoint(primary);
      secondary.goOn(0);
      primary.goOn(0);
      // Paused again; a failover does not take that back.
      on(primary, primary.migration()::stop);
      checkpoint(primary);
      secondary.awaitState(RunState.PAUSED);
      on(secondary, secondary.migration()::lostHeartbeat);
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      assertEquals(RunState.PAUSED, secondary.state());
      on(secondary, secondary.migration()::cont);
      secondary.goOn(0);
    }
  }

  private static void powerOff(LocalMachine machine) {
    machine.machine().requestShutdown(ShutdownCause.GUEST_SHUTDOWN);
    machine.awaitState(RunState.SHUTDOWN);
  }

  @Test
  void poweredOffSourceIsNotWoken() throws IOException {
    try (LocalMachine primary = source();
        LocalMachine secondary = target()) {
      powerOff(primary);
      pair(primary, secondary, SELDOM);
      checkpoint(primary);
      assertEquals(RunState.SHUTDOWN, primary.state());
      secondary.awaitState(RunState.SHUTDOWN);
      assertEquals("", secondary.console(), "it never ran");
      on(secondary, secondary.migration()::lostHeartbeat);
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      assertEquals(RunState.SHUTDOWN, secondary.state());
      AssertionError refused =
          assertThrows(AssertionError.class, () -> on(secondary, secondary.migration()::cont));
      assertInstanceOf(ConfigException.class, refused.getCause());
    }
  }

  @Test
  void primarysPowerOffAndResetAreCarriedOver() throws IOException {
    try (LocalMachine primary = source();
        LocalMachine secondary = target()) {
      pair(primary, secondary, OFTEN);
      powerOff(primary);
      secondary.awaitState(RunState.SHUTDOWN);
      long loaded = secondary.checkpoints();
      LocalMachine.await("more checkpoints", () -> secondary.checkpoints() > loaded + 2);
      assertEquals(RunState.SHUTDOWN, primary.state());
      primary.machine().requestReset(ShutdownCause.HOST_QMP_SYSTEM_RESET);
      primary.awaitState(RunState.PRELAUNCH);
      secondary.awaitState(RunState.PRELAUNCH);
      on(primary, primary.migration()::cont);
      secondary.awaitState(RunState.RUNNING);
      primary.awaitState(RunState.RUNNING);
    }
  }

  /** The secondary's guest ends or begins anew by itself: the next checkpoint sets that right. */
  @Test
  void secondarysPowerOffAndResetAreUndone() throws IOException {
    try (LocalMachine primary = source();
        LocalMachine secondary = target()) {
      pair(primary, secondary, SELDOM);
      secondary.awaitState(RunState.RUNNING);
      powerOff(secondary);
      checkpoint(primary);
      secondary.awaitState(RunState.RUNNING);
      powerOff(secondary);
      secondary.machine().requestReset(ShutdownCause.GUEST_RESET);
      secondary.awaitState(RunState.PRELAUNCH);
      checkpoint(primary);
      secondary.goOn(0);
      on(secondary, secondary.migration()::lostHeartbeat);
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      secondary.goOn(0);
      primary.awaitExit(5);
      primary.goOn(0);
    }
  }
}
