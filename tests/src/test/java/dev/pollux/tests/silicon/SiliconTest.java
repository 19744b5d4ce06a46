package dev.pollux.tests.silicon;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeTables;
import dev.pollux.core.host.HostCpu;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The interpreter against the host's processor: random sequences of user-level instructions from
 * random states must end in the same state on both. A child JVM runs them, so that one that kills
 * it costs that case only.
 *
 * <p>System properties: {@code silicon.seed} (random unless given), {@code silicon.instructions},
 * {@code silicon.seconds} and {@code silicon.ops}, a regular expression of mnemonics.
 */
class SiliconTest {
  private static final long INSTRUCTIONS = Long.getLong("silicon.instructions", 2_000_000);
  private static final long SECONDS = Long.getLong("silicon.seconds", 3600);
  private static final String OPS = System.getProperty("silicon.ops", ".*");
  private static final int MOST_REPORTS = 20;

  @TempDir Path directory;

  private final List<String> reports = new ArrayList<>();

  @BeforeAll
  static void onlyOnX86() throws IOException {
    assumeTrue(
        HostCpu.isX86() && System.getProperty("os.name").equals("Linux"),
        "the host is not x86-64 Linux, so there is nothing to compare with");
    assumeTrue((HostCpu.get().xcr0() & 7) == 7, "the host has no AVX state");
  }

  @Test
  void randomSequencesEndAlike() throws IOException, InterruptedException {
    long seed = Long.getLong("silicon.seed", System.nanoTime() & 0xffff_ffffL);
    System.out.println("silicon: seed " + seed);
    Path file = directory.resolve("progress");
    long deadline = System.nanoTime() + SECONDS * 1_000_000_000L;
    try (Progress progress = new Progress(file)) {
      long first = 0;
      while (!progress.finished() && reports.size() < MOST_REPORTS) {
        long seconds = (deadline - System.nanoTime()) / 1_000_000_000L;
        int exit =
            child(
                Long.toString(seed),
                Long.toString(first),
                Long.toString(INSTRUCTIONS),
                Long.toString(Math.max(seconds, 1)),
                file.toString(),
                Integer.toString(MOST_REPORTS - reports.size()),
                OPS);
        if (!progress.finished()) {
          long died = progress.currentCase();
          reports.add("seed " + seed + " case " + died + ": the JVM ended with status " + exit);
          first = died + 1;
        }
      }
      System.out.printf(
          "silicon: %d instructions in %d cases, %d of which ended with an exception%n",
          progress.instructions(), progress.currentCase() + 1, progress.faults());
      printCoverage(progress);
    }
    failWithReports();
  }

  @Test
  void recordedCasesEndAlike() throws Exception {
    Path cases = Path.of(SiliconTest.class.getResource("regressions.txt").toURI());
    int exit = child(cases.toString());
    assertTrue(exit == 0, "the JVM ended with status " + exit);
    failWithReports();
  }

  private void failWithReports() {
    if (!reports.isEmpty()) {
      fail(reports.size() + " differences:\n\n" + String.join("\n", reports));
    }
  }

  private int child(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseSerialGC",
            "-Xmx256m",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:ErrorFile=" + directory.resolve("crash-%p.log"),
            "-cp",
            System.getProperty("java.class.path"),
            SiliconRunner.class.getName()));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    StringBuilder report = new StringBuilder();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      String line;
      while ((line = lines.readLine()) != null) {
        if (line.equals(SiliconRunner.END_OF_REPORT)) {
          reports.add(report.toString());
          report.setLength(0);
        } else {
          report.append(line).append('\n');
        }
      }
    }
    int exit = process.waitFor();
    if (exit != 0) {
      System.out.println(report);
    }
    return exit;
  }

  private static void printCoverage(Progress progress) throws IOException {
    Set<CpuFeature> guest = GuestExecutor.features();
    RowFilter filter = new RowFilter(HostCpu.get(), guest);
    List<OpcodeInfo> rows = OpcodeTables.rows();
    Map<String, Set<String>> left = new TreeMap<>();
    int covered = 0;
    for (int i = 0; i < rows.size(); i++) {
      if (progress.executions(64, i) + progress.executions(32, i) > 0) {
        covered++;
        continue;
      }
      String reason = filter.reason(rows.get(i), 64);
      if (reason != null && reason.startsWith("does not exist")) {
        reason = filter.reason(rows.get(i), 32);
      }
      String why = reason == null ? "not reached in this run" : reason;
      left.computeIfAbsent(why, w -> new TreeSet<>()).add(rows.get(i).op.name());
    }
    System.out.printf("silicon: %d of %d table rows executed%n", covered, rows.size());
    left.forEach((why, ops) -> System.out.println("silicon: left out, " + why + ": " + ops));
  }
}
