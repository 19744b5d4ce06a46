package dev.pollux.tests.net;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The time of day of some processes, which can be stepped while they run, as an administrator or a
 * time server does it. The monotonic clock, and other processes' clocks, stay as they are. It takes
 * libfaketime (Debian's package {@code faketime}).
 */
final class HostClock {
  private static final Optional<Path> LIBRARY =
      Stream.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")
          .map(folder -> Path.of(folder, "faketime", "libfaketimeMT.so.1"))
          .filter(Files::isReadable)
          .findFirst();

  /** Ends where it began. */
  private static final List<Duration> STEPS =
      List.of(Duration.ofHours(1), Duration.ofDays(-1), Duration.ofHours(-1), Duration.ofDays(1));

  private static final int READ_SECONDS = 1;

  private final Path file;
  private Duration offset = Duration.ZERO;
  private int steps;

  /**
   * @param file which the processes are to read; it is made
   */
  HostClock(Path file) throws IOException {
    this.file = file;
    write();
  }

  /** Whether this host has what it takes. */
  static boolean canBeStepped() {
    return LIBRARY.isPresent();
  }

  /** What a process and its children have to have in their environment; nothing without library. */
  Map<String, String> environment() {
    return LIBRARY
        .map(
            library ->
                Map.of(
                    "LD_PRELOAD", library.toString(),
                    "FAKETIME_TIMESTAMP_FILE", file.toString(),
                    "FAKETIME_CACHE_DURATION", String.valueOf(READ_SECONDS),
                    "FAKETIME_DONT_FAKE_MONOTONIC", "1",
                    // With it, as Debian builds it, timed waits of a JVM end at once.
                    "FAKETIME_FORCE_MONOTONIC_FIX", "0"))
        .orElse(Map.of());
  }

  /** An hour or a day forwards or back, in turn; returns when they have it. */
  void step() throws IOException, InterruptedException {
    offset = offset.plus(STEPS.get(steps++ % STEPS.size()));
    write();
    TimeUnit.MILLISECONDS.sleep(READ_SECONDS * 1000L + 500);
  }

  /** As a whole: a process may be reading. */
  private void write() throws IOException {
    Path next = Path.of(file + ".next");
    Files.writeString(next, "%+d%n".formatted(offset.toSeconds()));
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
  }

  /**
   * Removes what the library leaves in shared memory when a process is killed.
   *
   * @param pid of the first process with this environment, which has ended
   */
  static void cleanUp(long pid) throws IOException {
    Files.deleteIfExists(Path.of("/dev/shm/faketime_shm_" + pid));
    Files.deleteIfExists(Path.of("/dev/shm/sem.faketime_sem_" + pid));
  }
}
