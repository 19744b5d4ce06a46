package dev.pollux.tests.baremetal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An exception that cannot be delivered, nor the double fault that follows, resets the machine. */
class TripleFaultTest {
  private static final int DEBUG_CONSOLE = 0xe9;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @TempDir Path directory;

  private Path kernel() {
    return new TinyKernel()
        .print(DEBUG_CONSOLE, "A")
        .code("6a 00 6a 00 0f 01 1c 24") // PUSH 0, PUSH 0, LIDT [ESP]: no gates
        .code("0f 0b") // UD2
        .print(DEBUG_CONSOLE, "B")
        .halt()
        .write(directory.resolve("kernel"));
  }

  private PolluxProcess start(String engine, Path console, String... more) {
    String[] options = {
      "run",
      "-accel",
      engine,
      "-m",
      "64",
      "-display",
      "none",
      "-nodefaults",
      "-debugcon",
      "file:" + console,
      "-kernel",
      kernel().toString()
    };
    String[] all = Arrays.copyOf(options, options.length + more.length);
    System.arraycopy(more, 0, all, options.length, more.length);
    return PolluxProcess.start(all);
  }

  @ParameterizedTest
  @ValueSource(strings = {"interp", "jit"})
  void endsTheProcessWithNoReboot(String engine) throws Exception {
    Path console = directory.resolve("console");
    try (PolluxProcess vm = start(engine, console, "-no-reboot")) {
      assertEquals(0, vm.await(PATIENCE), vm.errors());
      assertEquals("A", Files.readString(console));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"interp", "jit"})
  void startsTheGuestAgain(String engine) throws Exception {
    Path console = directory.resolve("console");
    try (PolluxProcess vm = start(engine, console)) {
      long end = System.nanoTime() + PATIENCE.toNanos();
      while (!Files.exists(console) || Files.size(console) < 3) {
        assertTrue(System.nanoTime() < end, vm.errors());
        Thread.sleep(20);
      }
      vm.process().destroy();
      vm.await(PATIENCE);
      assertEquals("", Files.readString(console).replace("A", ""));
    }
  }
}
