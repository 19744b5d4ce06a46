package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code run -expect}: guests in shell scripts and CI jobs. */
class ScriptTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir private Path folder;

  private PolluxProcess counting(String... script) throws IOException {
    Path kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(16, 4));
    return run(List.of("-m", "32", "-kernel", kernel.toString()), script);
  }

  private PolluxProcess run(List<String> machine, String... script) throws IOException {
    Path file = Files.write(folder.resolve("script"), List.of(script));
    List<String> words = new ArrayList<>(List.of("run", "-display", "none", "-expect"));
    words.add(file.toString());
    words.addAll(machine);
    return PolluxProcess.start(words.toArray(String[]::new));
  }

  @Test
  void waitsAndEndsWithTheStatus() throws Exception {
    try (PolluxProcess vm =
        counting(
            "fail-on \"BAD\"", "wait \"tick 00000002 \"", "wait \"tick 00000004 \"", "exit 9")) {
      assertEquals(9, vm.await(PATIENCE), vm.errors());
      assertTrue(vm.output().contains("tick 00000003 "), vm.output());
      assertEquals("", vm.errors());
    }
  }

  @Test
  void saysWhatDidNotCome() throws Exception {
    try (PolluxProcess vm =
        counting("wait \"tick 00000003 \"", "within 0.5", "wait \"tick 00000001 \"")) {
      assertEquals(124, vm.await(PATIENCE), vm.errors());
      String said = "script:3: \"tick 00000001 \" did not come within 0.5 s";
      assertTrue(vm.errors().strip().endsWith(said), vm.errors());
    }
  }

  @Test
  void textThatMustNotComeEndsIt() throws Exception {
    try (PolluxProcess vm = counting("fail-on \"00000005\"", "wait \"never\"")) {
      assertEquals(1, vm.await(PATIENCE), vm.errors());
      assertTrue(vm.errors().contains("script:1: the guest has printed \"00000005\""), vm.errors());
    }
  }

  @Test
  void wrongScriptEndsBeforeTheMachineIsMade() throws Exception {
    try (PolluxProcess vm = counting("exit 1", "wiat \"x\"")) {
      assertEquals(1, vm.await(PATIENCE), vm.output());
      assertTrue(vm.errors().contains("script:2: unknown step \"wiat\""), vm.errors());
    }
  }

  @Test
  void drivesTheShellOfLinux() throws Exception {
    try (PolluxProcess vm =
        run(
            LinuxGuest.machine(Kernel.CLOUD),
            "fail-on \"Kernel panic\"",
            "wait \"# \"",
            "type \"echo $((6*7))-answer\\n\"",
            "wait \"42-answer\"",
            "type \"poweroff -f\\n\"",
            "wait \"never printed\"")) {
      assertEquals(1, vm.await(PATIENCE.multipliedBy(2)), vm.errors());
      assertTrue(
          vm.errors().contains("script:6: the guest has ended without \"never printed\""),
          vm.errors());
    }
  }
}
