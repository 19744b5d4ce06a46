package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.migration.ColoStatistics;
import dev.pollux.migration.colo.CheckpointCause;
import dev.pollux.migration.colo.CheckpointListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What those who hold a guest's output back see of checkpoints, and how they call for one. */
@Timeout(60)
class CheckpointListenerTest {
  @TempDir private Path folder;

  private static Queue<String> listen(LocalMachine machine) {
    Queue<String> heard = new ConcurrentLinkedQueue<>();
    machine
        .migration()
        .colo()
        .addListener(
            new CheckpointListener() {
              @Override
              public void taken() {
                heard.add("taken");
              }

              @Override
              public void received() {
                heard.add("received");
              }

              @Override
              public void loaded() {
                heard.add("loaded");
              }

              @Override
              public void failedOver() {
                heard.add("failed over");
              }
            });
    return heard;
  }

  @Test
  void hearsOfEachStepAndCallsForCheckpoints() throws Exception {
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true)) {
      Queue<String> atPrimary = listen(primary);
      Queue<String> atSecondary = listen(secondary);
      primary.pairWith(secondary.listen(), 60_000);
      LocalMachine.await("the pair", () -> secondary.migration().colo().isActive());
      for (int i = 1; i <= 3; i++) {
        int number = i;
        LocalMachine.await(
            "a checkpoint",
            () -> {
              if (atPrimary.isEmpty() || atPrimary.size() == (number - 1) * 3) {
                primary.migration().colo().call(CheckpointCause.NETWORK);
              }
              return atPrimary.size() == number * 3;
            });
      }
      List<String> one = List.of("taken", "received", "loaded");
      List<String> heard = List.copyOf(atPrimary);
      for (int i = 0; i < heard.size(); i += 3) {
        assertEquals(one, heard.subList(i, i + 3));
      }
      assertEquals(List.of("loaded", "loaded", "loaded"), List.copyOf(atSecondary));
      ColoStatistics.Cause cause = primary.migration().coloStatistics().causes().getFirst();
      assertEquals("network", cause.cause());
      assertTrue(cause.checkpoints() >= 3);
      secondary.goOnAlone(0);
      assertEquals("failed over", List.copyOf(atSecondary).getLast());
      assertEquals(3, List.copyOf(atSecondary).indexOf("failed over"));
    }
  }
}
