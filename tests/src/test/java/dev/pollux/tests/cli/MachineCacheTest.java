package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.training.TrainingGuest;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A machine whose JVM takes its classes from a cache that such a machine has made, as the launcher
 * starts plain ones: translations are kept for later runs all the same, though the JVM does not
 * tell where such a class comes from.
 */
class MachineCacheTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int GUEST_DONE = 1;
  private static final String ARCHIVES = JavaCommand.archives();

  @TempDir private Path folder;

  @Test
  void keepsTranslations() throws IOException {
    assumeTrue(ARCHIVES.contains("emulator-core"), "the program is in folders, not in archives");
    Files.write(folder.resolve("kernel"), TrainingGuest.image());
    Path cache = folder.resolve("classes.aot");
    runMachine("learning", "-XX:AOTCacheOutput=" + cache);
    assertTrue(Files.size(cache) > 0);
    runMachine("learnt", "-XX:AOTCache=" + cache, "-XX:AOTMode=on");
  }

  /** Runs the guest to its end, with a new folder for what is kept. */
  private void runMachine(String name, String... options) throws IOException {
    List<String> command = JavaCommand.of(options);
    command.set(command.size() - 1, ARCHIVES);
    command.addAll(List.of("dev.pollux.cli.Main", "run", "-nographic", "-no-reboot"));
    command.addAll(List.of("-m", Integer.toString(TrainingGuest.MEBIBYTES)));
    command.addAll(List.of("-kernel", folder.resolve("kernel").toString()));
    command.add("-device");
    command.add("isa-debug-exit,iosize=4,iobase=" + TrainingGuest.EXIT_PORT);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("XDG_CACHE_HOME", folder.resolve(name).toString());
    try (PolluxProcess machine = PolluxProcess.run(builder)) {
      assertEquals(GUEST_DONE, machine.await(PATIENCE), machine.errors());
    }
    try (Stream<Path> kept = Files.list(folder.resolve(name).resolve("pollux/translations"))) {
      assertTrue(kept.anyMatch(file -> file.toFile().length() > 100_000), name);
    }
  }
}
