package dev.pollux.tests.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.junit.Guest;
import dev.pollux.junit.GuestImage;
import dev.pollux.junit.PolluxExtension;
import dev.pollux.junit.PolluxMachine;
import dev.pollux.junit.PolluxPair;
import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TrainedProgram;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.reporting.FileEntry;
import org.junit.platform.engine.reporting.ReportEntry;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** What tests get of the extension, and what is left behind them: nothing. */
@ExtendWith(TrainedProgram.class)
class PolluxExtensionTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  /** Set for the classes below: they are run by tests here only. */
  private static final String INNER = "pollux.tests.inner";

  @TempDir private Path folder;

  /** {@link CountingGuest}. */
  static final class Counting implements GuestImage {
    @Override
    public List<String> options(Path folder) throws Exception {
      Path kernel = Files.write(folder.resolve("kernel"), CountingGuest.image(16, 4));
      return List.of("-m", "32", "-kernel", kernel.toString());
    }
  }

  @ExtendWith(PolluxExtension.class)
  @Guest(image = Counting.class, disk = "1M")
  static final class Inner {
    @Test
    void fails(PolluxMachine machine) {
      Assumptions.assumeTrue(Boolean.getBoolean(INNER), "run by another test");
      machine.console().expect("tick 00000003 ");
      throw new AssertionError("as it should");
    }

    @Test
    void works(PolluxMachine machine) throws Exception {
      Assumptions.assumeTrue(Boolean.getBoolean(INNER), "run by another test");
      machine.console().expect("tick 00000003 ");
      assertEquals("running", machine.qmp("query-status").path("status").asText());
      machine.slowDisk(1000);
      assertEquals(1000, machine.qmp("query-block").at("/0/inserted/bps").asLong());
      assertTrue(Files.exists(machine.disk()));
      var _ = machine.qmp("quit");
      assertEquals(0, machine.await(PATIENCE));
    }

    @Test
    @Guest(image = Counting.class, disk = "1M", room = "2M")
    void isFull(PolluxMachine machine) throws Exception {
      Assumptions.assumeTrue(Boolean.getBoolean(INNER), "run by another test");
      write(machine, "before");
      machine.fillDisk();
      IOException full = assertThrows(IOException.class, () -> write(machine, "full"));
      assertTrue(full.getMessage().contains("No space left on device"), full.getMessage());
      machine.freeDisk();
      write(machine, "after");
      assertEquals("running", machine.qmp("query-status").path("status").asText());
    }

    /** Has the machine write a file beside the disk's image. */
    private static void write(PolluxMachine machine, String name) throws IOException {
      Path image = Path.of(machine.qmp("query-block").at("/0/inserted/image/filename").asText());
      var _ =
          machine.qmp(
              "pmemsave",
              "val",
              0,
              "size",
              256 * 1024,
              "filename",
              image.resolveSibling(name).toString());
    }

    @Test
    void isKilled(PolluxPair pair) throws Exception {
      Assumptions.assumeTrue(Boolean.getBoolean(INNER), "run by another test");
      System.out.println("running");
      Thread.sleep(PATIENCE);
    }
  }

  /** What a run of one of those has come to. */
  private static final class Outcome implements TestExecutionListener {
    private final List<TestExecutionResult> results = new ArrayList<>();
    private final List<String> files = new ArrayList<>();
    private final List<String> entries = new ArrayList<>();

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      if (test.isTest()) {
        results.add(result);
      }
    }

    @Override
    public void fileEntryPublished(TestIdentifier test, FileEntry file) {
      files.add(file.getPath().getFileName().toString());
    }

    @Override
    public void reportingEntryPublished(TestIdentifier test, ReportEntry entry) {
      entries.addAll(entry.getKeyValuePairs().values());
    }
  }

  private Outcome run(String method) {
    return run(folder, method, PolluxMachine.class);
  }

  private static Outcome run(Path reports, String method, Class<?> parameter) {
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectMethod(Inner.class, method, parameter))
            .configurationParameter("junit.platform.reporting.output.dir", reports.toString())
            .build();
    Outcome outcome = new Outcome();
    System.setProperty(INNER, "true");
    try {
      LauncherFactory.create().execute(request, outcome);
    } finally {
      System.clearProperty(INNER);
    }
    return outcome;
  }

  /** A JVM that runs a test until it is killed. */
  static final class Victim {
    public static void main(String[] reports) {
      var _ = run(Path.of(reports[0]), "isKilled", PolluxPair.class);
    }
  }

  @Test
  void testThatWorksLeavesNothing() throws Exception {
    Outcome outcome = run("works");
    assertEquals(1, outcome.results.size());
    assertEquals(
        TestExecutionResult.Status.SUCCESSFUL,
        outcome.results.getFirst().getStatus(),
        () -> outcome.results.getFirst().toString());
    assertEquals(List.of(), outcome.files);
    assertEquals(List.of(), remains(ProcessHandle.current().pid()));
  }

  @Test
  void testThatFailsHasItsConsoleAndLogs() throws Exception {
    Outcome outcome = run("fails");
    assertEquals(
        "as it should", outcome.results.getFirst().getThrowable().orElseThrow().getMessage());
    assertEquals(List.of("console.txt", "machine.log"), outcome.files.stream().sorted().toList());
    assertTrue(outcome.entries.getFirst().contains("tick 00000002 "), outcome.entries.toString());
    try (Stream<Path> files = Files.walk(folder)) {
      Path console = files.filter(file -> file.endsWith("console.txt")).findFirst().orElseThrow();
      assertTrue(Files.readString(console).contains("tick 00000003 "));
    }
    assertEquals(List.of(), remains(ProcessHandle.current().pid()));
  }

  @Test
  void killedJvmTakesItsMachinesAlong() throws Exception {
    List<String> command = new ArrayList<>(JavaCommand.of());
    command.addAll(List.of(Victim.class.getName(), folder.toString()));
    try (PolluxProcess victim = PolluxProcess.run(new ProcessBuilder(command))) {
      victim.expect("running", PATIENCE);
      long owner = victim.process().pid();
      List<ProcessHandle> machines = victim.process().descendants().toList();
      for (int i = 0; machines.size() < 2; i++) {
        assertTrue(i < 600, "a pair has more processes than " + machines);
        Thread.sleep(100);
        machines = victim.process().descendants().toList();
      }
      assertEquals(1, remains(owner).size());
      var _ = victim.process().destroyForcibly().waitFor();
      for (ProcessHandle machine : machines) {
        var _ = machine.onExit().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      }
      assertEquals(1, remains(owner).size());
      var _ = run("works");
      assertEquals(List.of(), remains(owner));
    }
  }

  @Test
  void hostMayHaveNoRoomLeft() throws Exception {
    TestExecutionResult result = run("isFull").results.getFirst();
    Assumptions.assumeFalse(
        result.getStatus() == TestExecutionResult.Status.ABORTED,
        "the host lets this user mount no file system in a namespace");
    assertEquals(TestExecutionResult.Status.SUCCESSFUL, result.getStatus(), result::toString);
  }

  /** Folders of an owner. */
  private static List<Path> remains(long owner) throws Exception {
    try (Stream<Path> all = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      String prefix = "pollux-junit-" + owner + "-";
      return all.filter(path -> path.getFileName().toString().startsWith(prefix)).toList();
    }
  }
}
