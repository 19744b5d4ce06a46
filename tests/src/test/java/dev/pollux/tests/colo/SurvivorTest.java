package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.migration.MigrationCapability;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
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
}
