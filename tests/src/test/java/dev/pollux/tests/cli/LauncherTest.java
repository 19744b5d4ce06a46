package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The scripts that start Pollux from its source tree, where they can be tested without a build. */
class LauncherTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  @Test
  void takesTheJdkThatJavaHomeNames() {
    assertEquals(System.getProperty("java.home"), findJdk(System.getProperty("java.home")).strip());
  }

  @Test
  void passesOverAnOldOrBrokenJavaHome(@TempDir Path folder) throws IOException {
    Path old = Files.createDirectories(folder.resolve("jdk-17/bin")).getParent();
    Files.createFile(old.resolve("bin/javac")).toFile().setExecutable(true);
    Files.writeString(old.resolve("release"), "JAVA_VERSION=\"17.0.9\"\n");
    String home = System.getProperty("java.home");
    // Tests run on a new enough JDK; where it is not in one of the usual places, it is at least
    // found by PATH.
    ProcessBuilder builder = new ProcessBuilder(ROOT.resolve("tools/find-jdk").toString());
    builder.environment().put("JAVA_HOME", old.toString());
    builder.environment().merge("PATH", home + "/bin", LauncherTest::add);
    try (PolluxProcess script = PolluxProcess.run(builder)) {
      assertEquals(0, script.await(PATIENCE), script.errors());
      Path found = Path.of(script.output().strip());
      assertTrue(Files.isExecutable(found.resolve("bin/javac")), script.output());
      assertTrue(!found.equals(old), script.output());
    }
  }

  @Test
  void needsNoHome() {
    // As a service that systemd starts; the launcher reads the script with these options.
    String script = ROOT.resolve("tools/find-jdk").toString();
    ProcessBuilder builder = new ProcessBuilder("bash", "-u", script);
    builder
        .environment()
        .merge("PATH", System.getProperty("java.home") + "/bin", LauncherTest::add);
    builder.environment().remove("JAVA_HOME");
    builder.environment().remove("HOME");
    try (PolluxProcess process = PolluxProcess.run(builder)) {
      assertEquals(0, process.await(PATIENCE), process.errors());
    }
  }

  private static String add(String path, String folder) {
    return folder + ":" + path;
  }

  @Test
  void saysInOneLineHowToGetAJdk(@TempDir Path folder) throws IOException {
    // Without the places to look in, there is none.
    String script = Files.readString(ROOT.resolve("tools/find-jdk"));
    Path lost = folder.resolve("find-jdk");
    Files.writeString(
        lost, script.replaceAll("/usr/lib/jvm|/usr/lib64/jvm|/usr/java|/opt", folder + "/none"));
    ProcessBuilder builder = new ProcessBuilder("/bin/bash", lost.toString());
    builder.environment().put("HOME", folder.toString());
    builder.environment().put("PATH", folder.toString());
    builder.environment().remove("JAVA_HOME");
    try (PolluxProcess process = PolluxProcess.run(builder)) {
      assertEquals(1, process.await(PATIENCE));
      assertEquals(1, process.errors().lines().count(), process.errors());
      assertTrue(process.errors().contains("apt-get install openjdk-25-jdk"), process.errors());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "run | 1024",
        "run -smp 4 | 1984",
        "run --smp cpus=2,maxcpus=8 | 3264",
        "run -smp sockets=2,cores=4,threads=2 | 5824",
        "run -smp 4,sockets=2,cores=2 | 1984",
        "run -m 64G | 1088",
        "run -m size=2048,slots=2 | 1026",
        "run -drive file=a -blockdev b -hda c | 1216",
        "run -smp 255 -m 1T | 31744",
        "run -smp 99999,cores=*,threads=0 -m much | 1024",
        "run -m -smp | 1024",
      })
  void choosesTheHeapByTheMachine(String arguments, String mebibytes) {
    List<String> command = new ArrayList<>(List.of(ROOT.resolve("tools/heap-size").toString()));
    command.addAll(List.of(arguments.split(" ")));
    try (PolluxProcess script = PolluxProcess.run(new ProcessBuilder(command))) {
      assertEquals(0, script.await(PATIENCE), script.errors());
      assertEquals("", script.errors());
      assertEquals(mebibytes, script.output().strip());
    }
  }

  private static String findJdk(String javaHome) {
    ProcessBuilder builder = new ProcessBuilder(ROOT.resolve("tools/find-jdk").toString());
    builder.environment().put("JAVA_HOME", javaHome);
    try (PolluxProcess script = PolluxProcess.run(builder)) {
      assertEquals(0, script.await(PATIENCE), script.errors());
      return script.output();
    }
  }
}
