package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linux on several processors: all of them work, at the same time and on the same things. */
class LinuxSmpTest {
  private static final Duration END = Duration.ofMinutes(1);

  /** How long the stress test runs in the guest. */
  private static final int SECONDS = Integer.getInteger("smp.stress.seconds", 20);

  /** What in the kernel's log means that something went wrong. */
  private static final String TROUBLE =
      "dmesg | grep -E 'BUG|Oops|WARNING|lockup|unstable|warp|stalls|failed to start|not respond'";

  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource({
    "CLOUD, jit, 2",
    "CLOUD, jit, 4",
    "CLOUD, interp, 2",
    "GENERIC, jit, 2",
    "GENERIC, jit, 4"
  })
  void everyProcessorWorks(Kernel kernel, String engine, int cpus) {
    String smp = Integer.toString(cpus);
    try (LinuxGuest guest = LinuxGuest.start(kernel, "-accel", engine, "-smp", smp).awaitShell()) {
      assertEquals(smp, guest.run("nproc"));
      assertEquals("0-" + (cpus - 1), guest.run("cat /sys/devices/system/cpu/online"));
      // Each has a column of its own, and its timer ticks.
      String ticks = guest.run("grep LOC: /proc/interrupts");
      String[] words = ticks.replaceFirst(".*LOC:", "").strip().split("\\s+", cpus + 1);
      for (int cpu = 0; cpu < cpus; cpu++) {
        assertTrue(Integer.parseInt(words[cpu]) > 0, ticks);
      }
      assertEquals("", guest.run(TROUBLE));
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
    }
  }

  /**
   * With page tables of its own for the kernel, so that each system call changes address spaces, by
   * process context. {@code -Dsmp.stress.seconds=600} runs it for ten minutes; docs/multi-core.md
   * has the command.
   */
  @Test
  void fourProcessorsUnderStress() throws IOException, InterruptedException {
    Path program = compile();
    Path initrd = directory.resolve("initrd.cpio");
    assumeTrue(
        GuestImages.ofUser().find(Kernel.CLOUD).isPresent(),
        "no Linux guest; \"./pollux guest linux\" fetches it");
    GuestImages.ofUser().writeInitrd(initrd, Map.of("/bin/stress", program));
    try (LinuxGuest guest =
        LinuxGuest.startWith(
                "console=ttyS0 pti=on",
                Kernel.CLOUD,
                initrd,
                "-smp",
                "4",
                "-m",
                "1024",
                "-cpu",
                "max")
            .awaitShell()) {
      assertEquals("4", guest.run("grep -wc 'pti' /proc/cpuinfo"));
      assertEquals("4", guest.run("grep -wc 'pcid' /proc/cpuinfo"));
      guest.type("stress " + SECONDS + "\n");
      String printed = guest.process().expect("stress: ", Duration.ofSeconds(SECONDS).plus(END));
      assertEquals(
          "passed", guest.process().expect("\r\n", END).strip().replace("\r", ""), printed);
      assertEquals("", guest.run(TROUBLE));
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
    }
  }

  /** The program for the guest; the test is skipped where the host cannot make it. */
  private Path compile() throws IOException, InterruptedException {
    Path source = directory.resolve("stress.c");
    try (InputStream text = LinuxSmpTest.class.getResourceAsStream("stress.c")) {
      Files.copy(text, source);
    }
    Path program = directory.resolve("stress");
    Path messages = directory.resolve("gcc.txt");
    int status;
    try {
      status =
          new ProcessBuilder(
                  "gcc", "-O2", "-static", "-pthread", "-o", program.toString(), source.toString())
              .redirectErrorStream(true)
              .redirectOutput(messages.toFile())
              .start()
              .waitFor();
    } catch (IOException e) {
      status = -1;
      Files.writeString(messages, e.getMessage());
    }
    String said = Files.readString(messages);
    assumeTrue(status == 0, () -> "no gcc that links statically: " + said);
    return program;
  }
}
