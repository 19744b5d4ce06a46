package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.Monitors;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How {@code pollux run} starts and ends, with kernels of a few instructions. */
class RunTest {
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final int COM1 = 0x3f8;
  private static final int DEBUG_CONSOLE = 0xe9;
  private static final int DEBUG_EXIT = 0x501;
  private static final int PANIC = 0x505;

  @TempDir private Path folder;

  private PolluxProcess run(TinyKernel kernel, String... options) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "run",
                "-m",
                "64",
                "-nographic",
                "-kernel",
                kernel.write(folder.resolve("kernel")).toString()));
    arguments.addAll(List.of(options));
    return PolluxProcess.start(arguments.toArray(String[]::new));
  }

  @Test
  void debugExitChoosesTheStatus() {
    try (PolluxProcess vm =
        run(new TinyKernel().out(DEBUG_EXIT, 0x10).halt(), "-device", "isa-debug-exit")) {
      assertEquals(0x10 * 2 + 1, vm.await(PATIENCE), vm.errors());
      assertEquals("", vm.errors());
    }
  }

  @Test
  void theLastOfAnOptionCountsAndTheOthersStay() {
    try (PolluxProcess vm =
        run(
            new TinyKernel().out(DEBUG_EXIT, 0x10).halt(),
            "-append",
            "a",
            "-append",
            "b",
            "-nographic",
            "-name",
            "x",
            "-device",
            "isa-debug-exit",
            "-name",
            "y")) {
      assertEquals(0x10 * 2 + 1, vm.await(PATIENCE), vm.errors());
      assertEquals("", vm.errors());
    }
  }

  /** What is written to the test device's memory is read back and becomes the exit status. */
  @Test
  void testDeviceIsWhereSuitesLookForIt() {
    TinyKernel kernel =
        new TinyKernel()
            .code("c6 05 10 00 00 ff 21") // mov byte [0xff000010], 0x21
            .code("a0 10 00 00 ff e6 e8 e4 e0") // mov al, [0xff000010]; out 0xe8, al; in al, 0xe0
            .code("66 ba 01 05 ee") // out 0x501, al
            .halt();
    try (PolluxProcess vm = run(kernel, "-device", "pc-testdev", "-device", "isa-debug-exit")) {
      assertEquals(0x21 * 2 + 1, vm.await(PATIENCE), vm.errors());
    }
  }

  /** What harnesses and managers pass to leave out what is not there. */
  @Test
  void wordsOfHarnessesAreAccepted() {
    List<String> words =
        List.of(
            "-M",
            "pc-i440fx-10.2",
            "-machine",
            "hpet=on",
            "-audio",
            "none",
            "-audiodev",
            "none,id=snd",
            "-vga",
            "none",
            "-parallel",
            "none",
            "-snapshot",
            "-run-with",
            "exit-with-parent=on",
            "-msg",
            "timestamp=on,guest-name=on",
            "-sandbox",
            "off",
            "-global",
            "PIIX4_PM.disable_s3=1",
            "-global",
            "PIIX4_PM.disable_s4=1",
            "-device",
            "isa-debug-exit");
    try (PolluxProcess vm =
        run(new TinyKernel().out(DEBUG_EXIT, 2).halt(), words.toArray(String[]::new))) {
      assertEquals(5, vm.await(PATIENCE), vm.errors());
      assertEquals("", vm.errors());
    }
    try (PolluxProcess vm =
        run(
            new TinyKernel().out(DEBUG_EXIT, 2).halt(),
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            "-device",
            "isa-debug-exit")) {
      assertEquals(5, vm.await(PATIENCE), vm.errors());
      assertTrue(vm.errors().contains("system calls are not filtered"), vm.errors());
    }
    try (PolluxProcess vm = run(new TinyKernel().halt(), "-audio", "alsa")) {
      assertEquals(1, vm.await(PATIENCE));
      assertTrue(vm.errors().contains("-audio alsa: the machine has no such"), vm.errors());
    }
    try (PolluxProcess vm = run(new TinyKernel().halt(), "-smp", "2,sockets=3")) {
      assertEquals(1, vm.await(PATIENCE));
      assertTrue(vm.errors().contains("2 CPUs are too few for that; give 3 or more"), vm.errors());
    }
  }

  /** Without the timer its ports read as nothing does. */
  @Test
  void aMachineWithoutPit() {
    TinyKernel kernel = new TinyKernel().code("e4 61 66 ba 01 05 ee").halt();
    try (PolluxProcess vm = run(kernel, "-machine", "pit=off", "-device", "isa-debug-exit")) {
      assertEquals(0xff, vm.await(PATIENCE), vm.errors());
    }
  }

  @Test
  void aMachineEndsWithItsParent() throws InterruptedException {
    List<String> command = new ArrayList<>(JavaCommand.pollux("-Xmx256m"));
    command.addAll(
        List.of(
            "run",
            "-m",
            "64",
            "-display",
            "none",
            "-serial",
            "none",
            "-monitor",
            "none",
            "-run-with",
            "exit-with-parent=on",
            "-kernel",
            new TinyKernel().spin().write(folder.resolve("spin")).toString(),
            "-pidfile",
            folder.resolve("pid").toString()));
    String line = String.join(" ", command.stream().map(word -> "'" + word + "'").toList());
    try (PolluxProcess shell =
        PolluxProcess.run(new ProcessBuilder("sh", "-c", line + " & wait"))) {
      long end = System.nanoTime() + PATIENCE.toNanos();
      while (!Files.exists(folder.resolve("pid"))) {
        assertTrue(System.nanoTime() < end && shell.process().isAlive(), shell.errors());
        Thread.sleep(20);
      }
      ProcessHandle vm = shell.process().descendants().findFirst().orElseThrow();
      assertTrue(vm.isAlive());
      shell.process().destroyForcibly();
      vm.onExit().orTimeout(60, TimeUnit.SECONDS).join();
    }
  }

  @Test
  void consolesGoWhereTheyAreTold() throws IOException {
    Path log = folder.resolve("log");
    TinyKernel kernel =
        new TinyKernel()
            .print(COM1, "serial")
            .print(DEBUG_CONSOLE, "debug")
            .out(DEBUG_EXIT, 0)
            .halt();
    try (PolluxProcess vm =
        run(
            kernel,
            "-debugcon",
            "file:" + log,
            "-device",
            "isa-debug-exit,iobase=0x501,iosize=2")) {
      assertEquals(1, vm.await(PATIENCE), vm.errors());
      assertEquals("serial", vm.output());
      assertEquals("debug", Files.readString(log));
    }
  }

  @Test
  void resetEndsTheMachineWithNoReboot() {
    // Reset through port 0xcf9, then through a triple fault: an empty interrupt table (zeros at 2
    // MiB) and an undefined opcode.
    for (String reset : List.of("66 ba f9 0c b0 06 ee f4", "0f 01 1d 00 00 20 00 0f 0b")) {
      try (PolluxProcess vm = run(new TinyKernel().code(reset).halt(), "-no-reboot")) {
        assertEquals(0, vm.await(PATIENCE), vm.errors());
        assertEquals("", vm.errors());
      }
    }
  }

  /** Linux with reboot=b jumps to FFFF:0, others to where processors begin. */
  @Test
  void aJumpToTheResetVectorResets() {
    for (String jump : List.of("b8 f0 ff 0f 00 ff e0", "b8 f0 ff ff ff ff e0")) {
      try (PolluxProcess vm = run(new TinyKernel().code(jump).halt(), "-no-reboot")) {
        assertEquals(0, vm.await(PATIENCE), vm.errors());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, HUP", "2, INT", "15, TERM"})
  void signalsEndABusyMachine(int number, String signal) throws InterruptedException, IOException {
    // A shell starts what runs in the background with SIGINT ignored, and so it stays.
    assumeFalse(isIgnored(number), "this process was started with SIG" + signal + " ignored");
    Path pidfile = folder.resolve("pid");
    try (PolluxProcess vm =
        run(new TinyKernel().print(COM1, "up").spin(), "-pidfile", pidfile.toString())) {
      vm.expect("up", PATIENCE);
      assertEquals(vm.process().pid(), Long.parseLong(Files.readString(pidfile).strip()));
      new ProcessBuilder("kill", "-" + signal, "" + vm.process().pid()).start().waitFor();
      assertEquals(0, vm.await(PATIENCE), vm.errors());
      assertFalse(Files.exists(pidfile));
    }
  }

  /** Whether a signal is ignored here, which the processes started from here inherit (proc(5)). */
  private static boolean isIgnored(int signal) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("SigIgn:")) {
        long mask = Long.parseUnsignedLong(line.substring(7).strip(), 16);
        return (mask >>> signal - 1 & 1) != 0;
      }
    }
    return false;
  }

  @Test
  void profileTellsWhereTheGuestIs() throws InterruptedException, IOException {
    Path profile = folder.resolve("profile");
    Path map = Files.writeString(folder.resolve("System.map"), "00100020 T entry\n");
    for (String engine : List.of("interp", "jit")) {
      try (PolluxProcess vm =
          run(
              new TinyKernel().print(COM1, "up").spin(),
              "-accel",
              engine,
              "-profile",
              profile.toString(),
              "-profile-symbols",
              map.toString())) {
        vm.expect("up", PATIENCE);
        Thread.sleep(300);
        new ProcessBuilder("kill", "-TERM", "" + vm.process().pid()).start().waitFor();
        assertEquals(0, vm.await(PATIENCE), vm.errors());
      }
      String report = Files.readString(profile);
      assertTrue(report.matches("(?s)[1-9]\\d* samples in .*100[.]00 % +\\d+  entry\n.*"), report);
    }
  }

  @Test
  void profileOptionsThatCannotBe() {
    try (PolluxProcess vm = run(new TinyKernel().halt(), "-profile-symbols", "none")) {
      assertEquals(1, vm.await(PATIENCE));
      assertTrue(vm.errors().contains("-profile-symbols needs -profile"), vm.errors());
    }
    String profile = folder.resolve("profile").toString();
    try (PolluxProcess vm =
        run(new TinyKernel().halt(), "-profile", profile, "-profile-symbols", profile)) {
      assertEquals(1, vm.await(PATIENCE));
      assertTrue(vm.errors().contains("no symbols of code"), vm.errors());
    }
  }

  @Test
  void monitorQuits() {
    try (PolluxProcess vm = run(new TinyKernel().halt(), "-monitor", "stdio", "-serial", "none")) {
      vm.expect("(qemu)", PATIENCE);
      vm.type("info status\n");
      vm.expect("running", PATIENCE);
      vm.type("quit\n");
      assertEquals(0, vm.await(PATIENCE), vm.errors());
    }
  }

  @Test
  void monitorAnswersWhatCameBeforeTheEndOfInput() throws IOException {
    try (PolluxProcess vm =
        run(new TinyKernel().halt(), "-qmp", "stdio", "-monitor", "none", "-serial", "none")) {
      vm.type("{'execute': 'qmp_capabilities'}{'execute': 'query-name'}{'execute': 'quit'}");
      vm.process().getOutputStream().close();
      assertEquals(0, vm.await(PATIENCE), vm.errors());
      assertEquals(3, vm.output().split("\"return\"", -1).length - 1, vm.output());
    }
  }

  private static String littleEndian(int value) {
    return "%08x".formatted(Integer.reverseBytes(value));
  }

  /**
   * A guest that prints S, says in the FACS to wake at 0x8000, prints W there, and sleeps; before
   * it ends it prints the waking status.
   *
   * @param prepare more code before it sleeps
   */
  private static TinyKernel sleeper(String prepare) {
    // In real mode: W to COM1; status of PM1 (bits 8 to 15) to isa-debug-exit.
    String code = "ba f8 03 b0 57 ee ba 01 06 ec ba 01 05 ee f4 eb fd 90 90 90";
    byte[] bytes = HexFormat.ofDelimiter(" ").parseHex(code);
    TinyKernel kernel = new TinyKernel().print(COM1, "S");
    for (int i = 0; i < bytes.length; i += 4) {
      int word = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getInt(i);
      kernel.code("c7 05" + littleEndian(0x8000 + i) + littleEndian(word));
    }
    int facs = (64 << 20) - (64 << 10);
    return kernel
        .code("c7 05" + littleEndian(facs + 12) + littleEndian(0x8000))
        .code("c7 05" + littleEndian(0x20_0000) + littleEndian(0x1234_5678)) // memory stays
        .code(prepare)
        .code("66 ba 04 06 66 b8 00 24 66 ef") // SLP_TYP 1, SLP_EN to 0x604
        .halt();
  }

  @Test
  void aSleepingGuestIsWokenByItsUser() {
    try (PolluxProcess vm =
        run(
            sleeper(""),
            "-monitor",
            "stdio",
            "-serial",
            "file:" + folder.resolve("serial"),
            "-device",
            "isa-debug-exit")) {
      vm.expect("(qemu)", PATIENCE);
      awaitStatus(vm, "paused (suspended)");
      vm.type("cont\n");
      awaitStatus(vm, "paused (suspended)");
      vm.type("stop\n");
      awaitStatus(vm, "paused");
      vm.type("cont\n");
      awaitStatus(vm, "paused (suspended)");
      vm.type("system_wakeup\n");
      // WAK_STS and PWRBTN_STS in the upper byte: 0x81.
      assertEquals((0x81 * 2 + 1) & 0xff, vm.await(PATIENCE), vm.errors());
      assertEquals("SW", Files.readString(folder.resolve("serial")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** An alarm at any second, its interrupt enabled in the clock and in PM1. */
  @Test
  void aSleepingGuestIsWokenByItsClock() {
    TinyKernel alarm =
        new TinyKernel()
            .out(0x70, 1)
            .out(0x71, 0xff)
            .out(0x70, 3)
            .out(0x71, 0xff)
            .out(0x70, 5)
            .out(0x71, 0xff)
            .out(0x70, 11)
            .out(0x71, 0x22)
            .out(0x603, 4);
    try (PolluxProcess vm = run(sleeper(alarm.hex()), "-device", "isa-debug-exit")) {
      // WAK_STS and RTC_STS: 0x84.
      assertEquals((0x84 * 2 + 1) & 0xff, vm.await(PATIENCE), vm.errors());
      assertEquals("SW", vm.output());
    }
  }

  /** Migrated away, the guest begins anew where its user resets it. */
  @Test
  void aResetAfterAMigrationIsANewBeginning() {
    try (PolluxProcess vm =
        run(new TinyKernel().print(COM1, "up").spin(), "-monitor", "stdio", "-serial", "null")) {
      vm.expect("(qemu)", PATIENCE);
      for (int i = 0; i < 2; i++) {
        vm.type("migrate exec:cat>/dev/null\n");
        awaitStatus(vm, "paused (postmigrate)");
        vm.type("system_reset\n");
        awaitStatus(vm, "paused (prelaunch)");
      }
      vm.type("cont\n");
      awaitStatus(vm, "running");
    }
  }

  /** A kernel that panics ends the machine, or has it stand for somebody to look at. */
  @ParameterizedTest
  @CsvSource({"poweroff", "pause"})
  void aPanicIsHeard(String action) throws IOException, CommandFailed, InterruptedException {
    BlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();
    Path socket = folder.resolve("qmp");
    List<String> options = new ArrayList<>(List.of("-S", "-device", "pvpanic", "-qmp"));
    options.add("unix:%s,server=on,wait=off".formatted(socket));
    if (action.equals("pause")) {
      options.add("-no-shutdown");
    }
    TinyKernel kernel = new TinyKernel().out(PANIC, 2).out(PANIC, 1).halt();
    try (PolluxProcess vm = run(kernel, options.toArray(String[]::new))) {
      try (QmpClient client = Monitors.connect(socket.toString(), events::add, PATIENCE)) {
        JsonNode _ = client.execute("cont");
        assertEquals("run", action(events, "GUEST_CRASHLOADED"));
        assertEquals(action, action(events, "GUEST_PANICKED"));
        if (action.equals("pause")) {
          assertEquals("guest-panicked", client.execute("query-status").path("status").asText());
          JsonNode _ = client.execute("quit");
        }
      }
      assertEquals(0, vm.await(PATIENCE), vm.errors());
    }
  }

  private static String action(BlockingQueue<JsonNode> events, String name)
      throws InterruptedException {
    JsonNode event;
    do {
      event = events.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertTrue(event != null, () -> "no event " + name);
    } while (!event.path("event").asText().equals(name));
    return event.path("data").path("action").asText();
  }

  /** Asks the monitor until it says so. */
  private static void awaitStatus(PolluxProcess vm, String status) {
    String seen = "";
    for (long end = System.nanoTime() + PATIENCE.toNanos(); !seen.equals(status); ) {
      assertTrue(System.nanoTime() < end, () -> vm.output());
      vm.type("info status\n");
      vm.expect("VM status: ", PATIENCE);
      seen = vm.expect("\r\n", PATIENCE);
    }
  }

  @Test
  void waitsForTheMonitorWhenToldSo() {
    TinyKernel kernel = new TinyKernel().out(DEBUG_EXIT, 1).halt();
    try (PolluxProcess vm =
        run(kernel, "-S", "-monitor", "stdio", "-serial", "none", "-device", "isa-debug-exit")) {
      vm.expect("(qemu)", PATIENCE);
      vm.type("info status\n");
      vm.expect("prelaunch", PATIENCE);
      assertTrue(vm.process().isAlive());
      vm.type("cont\n");
      assertEquals(3, vm.await(PATIENCE), vm.errors());
    }
  }
}
