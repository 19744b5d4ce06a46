package dev.pollux.junit;

import dev.pollux.cli.process.ChildProcesses;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The {@code pollux} command in a process that ends with this one: with this one's class path, or
 * the program that the property {@value #PROGRAM} names.
 */
final class PolluxCommand {
  private static final String PROGRAM = "pollux.junit.program";

  /** As the launcher passes them. */
  private static final List<String> JVM_OPTIONS =
      List.of(
          "--enable-native-access=ALL-UNNAMED",
          "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
          "-XX:+UseSerialGC");

  private PolluxCommand() {}

  /**
   * Starts it.
   *
   * @param starter the words before it, see {@link GuestOptions}
   * @param errors gets its standard error
   * @param words {@code run} or {@code pair}, and options
   */
  static Process start(List<String> starter, Path errors, List<String> words) throws IOException {
    List<String> command = new ArrayList<>(starter);
    String program = System.getProperty(PROGRAM);
    if (program != null) {
      command.add(program);
    } else {
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.addAll(JVM_OPTIONS);
      command.addAll(
          List.of("-Xmx1g", "-cp", System.getProperty("java.class.path"), "dev.pollux.cli.Main"));
    }
    command.addAll(words);
    command.addAll(List.of("-run-with", "exit-with-parent=on"));
    return ChildProcesses.start(new ProcessBuilder(command).redirectError(errors.toFile()));
  }

  /** Kills it and what it has started; returns when it is gone. */
  static void kill(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    process.onExit().join();
  }
}
