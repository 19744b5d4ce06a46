package dev.pollux.tests.harness;

import java.io.File;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** The command line of another JVM like this one. */
public final class JavaCommand {
  static final String MAIN = "dev.pollux.cli.Main";

  private JavaCommand() {}

  /**
   * {@code java} with what this JVM was allowed to access (its options that begin with two
   * hyphens), more options of the JVM, and the class path. A main class and its arguments may be
   * added.
   */
  public static List<String> of(String... options) {
    return of(System.getProperty("java.class.path"), List.of(options));
  }

  static List<String> of(String classPath, List<String> options) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> option.startsWith("--"))
        .forEach(command::add);
    command.add("-XX:+UseSerialGC");
    command.addAll(options);
    command.addAll(List.of("-cp", classPath));
    return command;
  }

  /** The class path without folders, such as this module's own. */
  public static String archives() {
    return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
        .filter(entry -> !Files.isDirectory(Path.of(entry)))
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** {@code pollux}, trained, with more options of the JVM; arguments may be added. */
  public static List<String> pollux(String... options) {
    List<String> command = TrainedStart.PROGRAM.command(List.of(options));
    command.add(MAIN);
    return command;
  }
}
