package dev.pollux.tests.silicon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.decode.OpcodeInfo;
import dev.pollux.core.decode.OpcodeTables;
import dev.pollux.core.host.HostCpu;
import dev.pollux.tests.harness.JavaCommand;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
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
 * The interpreter and the code generator against the host's processor: random sequences of
 * user-level instructions from random states must end in the same state on all three, at each of
 * two addresses of the same code. A child JVM runs them, so that one that kills it or hangs costs
 * that case only.
 *
 * <p>System properties: {@code silicon.seed}, {@code silicon.instructions}, {@code silicon.stored},
 * {@code silicon.seconds}, {@code silicon.ops}, a regular expression of mnemonics, and {@code
 * silicon.reports}, the number of differences after which to end.
 */
class SiliconTest {
  private static final long INSTRUCTIONS = Long.getLong("silicon.instructions", 5_000_000);

  /** Of the test of kept translations. */
  private static final long STORED_INSTRUCTIONS = Long.getLong("silicon.stored", 300_000);

  private static final long SECONDS = Long.getLong("silicon.seconds", 300);
  private static final String OPS = System.getProperty("silicon.ops", ".*");
  private static final int MOST_REPORTS = Integer.getInteger("silicon.reports", 20);

  /** Always the same, so that a build does not fail by chance. */
  private static final long SEED = Long.getLong("silicon.seed", 20_260_101);

  /**
   * More are not made at second addresses, where an address in a register may lead to code that was
   * not executed before.
   */
  private static final int ONE_TRANSLATION_OF = 50;

  /** A case that takes longer hangs; the slowest takes milliseconds. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir Path directory;

  private final List<String> reports = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  @BeforeAll
  static void onlyOnX86() throws IOException {
    assumeTrue(
        HostCpu.isX86() && System.getProperty("os.name").equals("Linux"),
        "the host is not x86-64 Linux, so there is nothing to compare with");
    assumeTrue((HostCpu.get().xcr0() & 7) == 7, "the host has no AVX state");
  }

  @Test
  void randomSequencesEndAlike() throws IOException, InterruptedException {
    System.out.println("silicon: seed " + SEED);
    Path file = directory.resolve("progress");
    long deadline = System.nanoTime() + SECONDS * 1_000_000_000L;
    try (Progress progress = new Progress(file)) {
      long first = 0;
      while (!progress.finished() && reports.size() < MOST_REPORTS) {
        long seconds = (deadline - System.nanoTime()) / 1_000_000_000L;
        int exit =
            child(
                progress,
                Long.toString(SEED),
                Long.toString(first),
                Long.toString(INSTRUCTIONS),
                Long.toString(Math.max(seconds, 1)),
                file.toString(),
                Integer.toString(MOST_REPORTS - reports.size()),
                OPS);
        if (!progress.finished()) {
          long died = progress.currentCase();
          reports.add("seed " + SEED + " case " + died + ": the JVM ended with status " + exit);
          first = died + 1;
        }
      }
      System.out.printf(
          "silicon: %d instructions in %d cases, %d of which ended with an exception%n",
          progress.instructions(), progress.currentCase() + 1, progress.faults());
      System.out.printf(
          "silicon: %d cases also at a second address, where %d of %d translations were made%n",
          progress.moved(), progress.movedTranslations(), progress.translations());
      printCoverage(progress);
      failWithReports();
      assertTrue(
          progress.movedTranslations() <= progress.translations() / ONE_TRANSLATION_OF,
          "second addresses have translations of their own");
    }
  }

  /** The same cases twice: the second run executes what the first one has translated. */
  @Test
  void keptTranslationsEndAlike() throws IOException, InterruptedException {
    List<String> store = List.of("-Dsilicon.store=" + directory.resolve("store"));
    long stored = 0;
    long made = 0;
    for (int run = 0; run < 2; run++) {
      notes.clear();
      Path file = directory.resolve("progress" + run);
      try (Progress progress = new Progress(file)) {
        long instructions = Math.min(INSTRUCTIONS, STORED_INSTRUCTIONS);
        child(
            progress,
            store,
            Long.toString(SEED + 1),
            "0",
            Long.toString(instructions),
            Long.toString(SECONDS),
            file.toString(),
            Integer.toString(MOST_REPORTS),
            OPS);
        made = progress.translations();
      }
      stored = Long.parseLong(notes.getLast().replaceAll("\\D", ""));
    }
    System.out.println("silicon: " + stored + SiliconRunner.STORED + ", " + made + " new ones");
    failWithReports();
    // Blocks across two pages are not kept.
    assertTrue(stored > 1000 && stored > 5 * made, "the second run translated anew: " + made);
  }

  @Test
  void recordedCasesEndAlike() throws Exception {
    Path cases = Path.of(SiliconTest.class.getResource("regressions.txt").toURI());
    int exit = child(null, cases.toString());
    assertTrue(exit == 0, "the JVM ended with status " + exit);
    failWithReports();
  }

  /** A far jump to a selector that no system has: as on hosts without 32-bit segments. */
  @Test
  void hostWithout32BitCodeIsLeftOut() throws Exception {
    Path cases = Path.of(SiliconTest.class.getResource("regressions.txt").toURI());
    int exit = child(null, List.of("-Dsilicon.selector32=0x7ff7"), cases.toString());
    assertTrue(exit == 0, "the JVM ended with status " + exit);
    failWithReports();
    assertEquals(
        List.of(
            "silicon: the host executes no 32-bit code: there the engines are compared with each"
                + " other"),
        notes);
  }

  private void failWithReports() {
    if (!reports.isEmpty()) {
      fail(reports.size() + " differences:\n\n" + String.join("\n", reports));
    }
  }

  /**
   * @param progress to be watched, or null
   */
  private int child(Progress progress, String... arguments)
      throws IOException, InterruptedException {
    return child(progress, List.of(), arguments);
  }

  /**
   * @param options more options of the JVM
   */
  private int child(Progress progress, List<String> options, String... arguments)
      throws IOException, InterruptedException {
    List<String> command =
        JavaCommand.of(
            "-Xmx512m",
            // Nothing of the JVM's where sequences with 32-bit addresses may come to.
            "-XX:-UseCompressedOops",
            "-XX:+IgnoreUnrecognizedVMOptions",
            "-XX:-UseCompressedClassPointers",
            "-XX:+DisplayVMOutputToStderr",
            "-Xshare:off",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:ErrorFile=" + System.getProperty("java.io.tmpdir") + "/silicon-crash-%p.log");
    command.addAll(options);
    command.add(SiliconRunner.class.getName());
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    Thread watchdog = Thread.ofVirtual().start(() -> endIfStuck(process, progress));
    StringBuilder report = new StringBuilder();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      String line;
      while ((line = lines.readLine()) != null) {
        if (line.equals(SiliconRunner.END_OF_REPORT)) {
          reports.add(report.toString());
          report.setLength(0);
        } else if (line.startsWith(SiliconRunner.NOTE)) {
          System.out.println(line);
          notes.add(line);
        } else {
          report.append(line).append('\n');
        }
      }
    }
    int exit = process.waitFor();
    watchdog.join();
    if (exit != 0) {
      System.out.println(report);
    }
    return exit;
  }

  private static void endIfStuck(Process process, Progress progress) {
    try {
      long before = -1;
      while (!process.waitFor(PATIENCE)) {
        long now = progress == null ? before : progress.currentCase();
        if (now == before) {
          process.destroyForcibly();
        }
        before = now;
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
    }
  }

  private static void printCoverage(Progress progress) throws IOException {
    Set<CpuFeature> guest = GuestExecutor.features();
    RowFilter filter = new RowFilter(HostCpu.get(), guest);
    List<OpcodeInfo> rows = OpcodeTables.rows();
    Map<String, Set<String>> left = new TreeMap<>();
    Set<String> interpreted = new TreeSet<>();
    int covered = 0;
    int translated = 0;
    for (int i = 0; i < rows.size(); i++) {
      if (progress.executions(i) > 0) {
        covered++;
        if (progress.translated(i) > 0) {
          translated++;
        } else {
          interpreted.add(rows.get(i).op.name());
        }
        continue;
      }
      String reason = filter.reason(rows.get(i), 64);
      if (reason != null && reason.startsWith("does not exist")) {
        reason = filter.reason(rows.get(i), 32);
      }
      String why = reason == null ? "not reached in this run" : reason;
      left.computeIfAbsent(why, w -> new TreeSet<>()).add(rows.get(i).op.name());
    }
    System.out.printf(
        "silicon: %d of %d table rows executed, %d of them in generated code%n",
        covered, rows.size(), translated);
    System.out.println(
        "silicon: rows that the code generator leaves to the interpreter: " + interpreted);
    left.forEach((why, ops) -> System.out.println("silicon: left out, " + why + ": " + ops));
  }
}
