package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.colo.CheckpointCause;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a machine may do that was one of a pair. */
@Timeout(60)
class SurvivorTest {
  @TempDir private Path folder;

  /** It is an ordinary machine from the moment on that RESUME is told. */
  @Test
  void mayPairAgainWhenItGoesOn() throws Exception {
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
    try (LocalMachine first = new LocalMachine(kernel, false, false);
        LocalMachine second = new LocalMachine(kernel, false, true);
        LocalMachine third = new LocalMachine(kernel, false, true)) {
      first.pairWith(second.listen(), 20);
      LocalMachine.await("checkpoints", () -> second.checkpoints() > 1);
      for (LocalMachine machine : List.of(first, second)) {
        List<Boolean> paired = new CopyOnWriteArrayList<>();
        machine.onResume(() -> paired.add(machine.migration().colo().isActive()));
        machine.goOnAlone(0);
        assertEquals(false, paired.getLast());
      }
      // It was a destination once, which is over: nothing of that binds it.
      boolean _ =
          second.onLoop(
              () -> {
                second.migration().setCapabilities(Map.of(MigrationCapability.MULTIFD, true));
                second.migration().setCapabilities(Map.of(MigrationCapability.MULTIFD, false));
                return true;
              });
      second.pairWith(third.listen(), 20);
      LocalMachine.await("checkpoints", () -> third.checkpoints() > 1);
      assertTrue(second.migration().colo().isActive());
    }
  }

  /**
   * A failover that is asked for while a checkpoint begins is the reason for the end, though the
   * checkpoint fails before the event loop sees to it.
   */
  @Test
  void tellsThatFailoverWasAskedFor() throws Exception {
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
    try (LocalMachine first = new LocalMachine(kernel, false, false);
        LocalMachine second = new LocalMachine(kernel, false, true)) {
      first.pairWith(second.listen(), 60_000);
      LocalMachine.await(
          "a checkpoint",
          () -> {
            first.migration().colo().call(CheckpointCause.COMMAND);
            return second.checkpoints() > 0;
          });
      CountDownLatch latch = new CountDownLatch(1);
      boolean _ =
          first.onLoop(
              () -> {
                for (int i = 0; i < 20; i++) {
                  first.migration().colo().call(CheckpointCause.COMMAND);
                  ColoMachine.pause(20);
                }
                // Now a checkpoint waits for the event loop, to take the state.
                first.holdLoop(latch);
                first.migration().lostHeartbeat();
                return true;
              });
      ColoMachine.pause(200);
      latch.countDown();
      assertEquals(ColoStatus.ExitReason.REQUEST, first.awaitExit(10));
      first.goOn(0);
    }
  }
}
