package dev.pollux.tests.harness;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The command line of another JVM like this one. */
public final class JavaCommand {
  private JavaCommand() {}

  /**
   * {@code java} with what this JVM was allowed to access (its options that begin with two
   * hyphens), more options of the JVM, and the class path. A main class and its arguments may be
   * added.
   */
  public static List<String> of(String... options) {
    return of(System.getProperty("java.class.path"), List.of(options));
  }

  private static List<String> of(String classPath, List<String> options) {
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

  /** {@code pollux} with arguments, which may be added. */
  public static List<String> pollux(String... options) {
    return pollux(System.getProperty("java.class.path"), List.of(options));
  }

  /** The same with another class path. */
  static List<String> pollux(String classPath, List<String> options) {
    List<String> command = of(classPath, options);
    command.add("dev.pollux.cli.Main");
    return command;
  }
}
