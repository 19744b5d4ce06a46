package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.PolluxProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's first command. */
class DemoTest {
  @TempDir private Path folder;

  private PolluxProcess start() {
    List<String> command = JavaCommand.pollux("-Djava.io.tmpdir=" + folder);
    command.add("demo");
    return PolluxProcess.run(new ProcessBuilder(command));
  }

  @Test
  void guestSurvivesAndNothingIsLeftOver() throws Exception {
    try (PolluxProcess demo = start()) {
      assertEquals(0, demo.await(Duration.ofSeconds(90)), demo.output() + demo.errors());
      List<String> lines = demo.output().lines().toList();
      assertTrue(lines.getLast().startsWith("Nothing was lost"), demo.output());
      assertTrue(lines.stream().anyMatch(line -> line.contains("kill -9")), demo.output());
      assertTrue(lines.stream().noneMatch(line -> line.contains("\033")), "no terminal");
      assertEquals("", demo.errors());
    }
    assertNothingLeft();
  }

  @Test
  void signalEndsBothMachines() throws Exception {
    try (PolluxProcess demo = start()) {
      demo.expect("They are a pair", Duration.ofSeconds(60));
      demo.process().destroy();
      demo.await(Duration.ofSeconds(30));
    }
    assertNothingLeft();
  }

  private void assertNothingLeft() throws Exception {
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(
          List.of(),
          files.filter(f -> f.getFileName().toString().startsWith("pollux-demo")).toList());
    }
    assertEquals(
        List.of(),
        ProcessHandle.allProcesses()
            .map(ProcessHandle::info)
            .flatMap(info -> info.commandLine().stream())
            .filter(line -> line.contains(folder.toString()))
            .toList());
  }
}
