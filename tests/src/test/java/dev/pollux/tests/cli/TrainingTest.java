package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The guest that the launcher has the JVM learn from comes to its end, and so do its images. */
class TrainingTest {
  @Test
  void trainingGuestEnds() {
    try (PolluxProcess vm = PolluxProcess.start("train")) {
      assertEquals(0, vm.await(Duration.ofMinutes(1)), vm.output() + vm.errors());
      String output = vm.output().replace("\r", "");
      assertTrue(output.startsWith("training\nround\nround\nround\nround\n"), output);
      assertTrue(output.endsWith("Images are identical.\n"), output);
    }
  }
}
