package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.HostPrograms;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest that unpacks programs and runs them all the time: code comes into new pages, executes a
 * little and goes. Neither may the process grow by it nor the guest slow down. Code has so little
 * room that it is full within the first minutes, and the heap's old generation, which is collected
 * when it is full: what grows after that grows without end.
 */
class ShortProcessesTest {
  private static final int MINUTES = Integer.getInteger("processes.minutes", 10);

  /** Of the guest, which has all of it from the start. */
  private static final long GUEST_KIB = 1024 << 10;

  /** What the process may have more at the end than when half of the time was over. */
  private static final long MOST_GROWTH_KIB = 32 << 10;

  /** The second half's processes for each second of processor time, over the first half's. */
  private static final double LEAST_PACE = 0.8;

  @TempDir Path folder;

  /**
   * What was there at the end of a minute.
   *
   * @param processes that the guest has begun
   * @param cpuSeconds that the host has spent
   * @param kib of memory beyond the guest's
   */
  private record Sample(long processes, double cpuSeconds, long kib) {
    /** Processes for each second of processor time since another sample. */
    double paceSince(Sample before) {
      return (processes - before.processes) / (cpuSeconds - before.cpuSeconds);
    }
  }

  /** {@code -Dprocesses.minutes=N}, at least 4. What it prints is what it found by the minute. */
  @Tag("campaign")
  @Test
  void memoryAndPaceStay() throws IOException, InterruptedException {
    assumeTrue(
        GuestImages.ofUser().find(Kernel.CLOUD).isPresent(),
        "no cloud Linux guest; \"./pollux guest linux\" fetches it");
    Map<String, Path> files = new TreeMap<>(HostPrograms.files("sed"));
    assumeTrue(!files.isEmpty(), "the host has no sed");
    String programs = String.join(" ", files.keySet().stream().map(f -> f.substring(1)).toList());
    Path script = folder.resolve("short-processes.sh");
    try (InputStream text = ShortProcessesTest.class.getResourceAsStream("short-processes.sh")) {
      Files.copy(text, script);
    }
    files.put("/work/short-processes.sh", script);
    Path initrd = folder.resolve("initrd.cpio");
    GuestImages.ofUser().writeInitrd(initrd, files);
    String memory = GUEST_KIB + "k";
    try (LinuxGuest guest =
        LinuxGuest.start(
                Kernel.CLOUD,
                initrd,
                "-object",
                "memory-backend-ram,id=ram,prealloc=on,size=" + memory,
                "-machine",
                "memory-backend=ram",
                "-m",
                memory,
                "-accel",
                "jit,tb-size=32",
                "-smp",
                "2")
            .awaitShell()) {
      for (int i = 0; i < 2; i++) {
        guest.run(
            "(sh /work/short-processes.sh %d %s >/tmp/log%d 2>&1 &)".formatted(i, programs, i));
      }
      List<Sample> samples = samples(guest);
      for (int i = 0; i < 2; i++) {
        String[] rounds = guest.run("cat /tmp/" + i + ".rounds").split(" ", -1);
        assertTrue(Integer.parseInt(rounds[0]) > 0, "rounds");
        assertEquals("0", rounds[1], "rounds that printed something wrong");
        assertEquals("", guest.run("cat /tmp/log" + i));
      }
      check(samples);
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(Duration.ofMinutes(1)), guest.process().errors());
    }
  }

  /** One at the end of each minute. */
  private static List<Sample> samples(LinuxGuest guest) throws IOException, InterruptedException {
    List<Sample> samples = new ArrayList<>();
    Sample before = sample(guest);
    for (int minute = 1; minute <= MINUTES; minute++) {
      TimeUnit.MINUTES.sleep(1);
      Sample now = sample(guest);
      samples.add(now);
      System.out.printf(
          "minute %d: %d processes, %.0f s of processor time, %.0f processes/s, %d MiB beyond the"
              + " guest's%n",
          minute,
          now.processes - before.processes,
          now.cpuSeconds - before.cpuSeconds,
          now.paceSince(before),
          now.kib >> 10);
      before = now;
    }
    return samples;
  }

  private static void check(List<Sample> samples) {
    Sample first = samples.getFirst(); // of the start, in which all is translated
    Sample half = samples.get(samples.size() / 2);
    Sample last = samples.getLast();
    assertTrue(
        last.kib - half.kib <= MOST_GROWTH_KIB,
        () -> "memory grows: " + (half.kib >> 10) + ", then " + (last.kib >> 10) + " MiB");
    double pace = last.paceSince(half) / half.paceSince(first);
    assertTrue(pace >= LEAST_PACE, () -> "the guest gets slower: pace " + pace + " of the first");
  }

  private static Sample sample(LinuxGuest guest) throws IOException {
    ProcessHandle process = guest.process().process().toHandle();
    long processes = Long.parseLong(guest.run("grep processes /proc/stat").split(" ", -1)[1]);
    double seconds = process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    return new Sample(processes, seconds, beyondGuest(process.pid()));
  }

  /** KiB of the process that are in memory beyond the guest's. */
  private static long beyondGuest(long pid) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
      if (line.startsWith("VmRSS:")) {
        return kib(line) - GUEST_KIB;
      }
    }
    throw new IOException("the host does not tell how much memory a process has");
  }

  private static long kib(String line) {
    return Long.parseLong(line.replaceAll("\\D+", ""));
  }
}
