package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.colo.CheckpointCause;
import dev.pollux.migration.colo.CheckpointListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * An Error, such as that the heap is full, at any step of a checkpoint ends the pair like any other
 * failure: nobody waits, the reason is said, and a side whose guest is whole goes on with it.
 */
@Timeout(60)
class ColoErrorTest {
  private static final String REASON = "no heap for the test";

  @TempDir private Path folder;
  private Path kernel;

  @BeforeEach
  void writeGuest() throws IOException {
    kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
  }

  enum Step {
    TAKEN,
    RECEIVED,
    LOADED
  }

  /** Fails at its step. */
  private record Failing(Step step) implements CheckpointListener {
    private void at(Step now) {
      if (now == step) {
        throw new OutOfMemoryError(REASON);
      }
    }

    @Override
    public void taken() {
      at(Step.TAKEN);
    }

    @Override
    public void received() {
      at(Step.RECEIVED);
    }

    @Override
    public void loaded() {
      at(Step.LOADED);
    }
  }

  /** A pair, one side of which fails at a step of the first checkpoint. */
  private static void fail(LocalMachine failing, Step step, LocalMachine primary, int port) {
    failing.migration().colo().addListener(new Failing(step));
    primary.pairWith(port, 60_000);
    LocalMachine.await("the pair", primary::isPaired);
    primary.migration().colo().call(CheckpointCause.COMMAND);
    LocalMachine.await("the failure", () -> !failing.lastError().isEmpty());
    assertTrue(failing.lastError().contains(REASON), failing.lastError());
  }

  @ParameterizedTest
  @EnumSource(Step.class)
  void primaryGoesOn(Step step) throws IOException {
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true)) {
      fail(primary, step, primary, secondary.listen());
      primary.goOnAlone(0);
      secondary.goOnAlone(0);
    }
  }

  /** Half a state has been put in place: that guest never runs, and its primary's does. */
  @Test
  void secondaryWithHalfAStateStops() throws IOException {
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true)) {
      fail(secondary, Step.LOADED, primary, secondary.listen());
      LocalMachine.await("its end", () -> secondary.state() == RunState.INTERNAL_ERROR);
      primary.goOnAlone(0);
      boolean _ =
          secondary.onLoop(
              () -> {
                secondary.migration().lostHeartbeat();
                return true;
              });
      LocalMachine.await("the failover", () -> !secondary.migration().colo().isActive());
      assertEquals(RunState.INTERNAL_ERROR, secondary.state());
    }
  }
}
