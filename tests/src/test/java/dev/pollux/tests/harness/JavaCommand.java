package dev.pollux.tests.harness;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
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

  /**
   * Has the JUnit extension start {@code pollux} trained, too: by a program of its own.
   *
   * @param folder where it goes
   */
  public static void useInExtension(Path folder) throws IOException {
    Path program = folder.resolve("pollux");
    String words =
        pollux("-Xmx1g").stream().map("'%s'"::formatted).collect(Collectors.joining(" "));
    Files.writeString(program, "#!/bin/sh\nexec %s \"$@\"\n".formatted(words));
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
    System.setProperty("pollux.junit.program", program.toString());
  }

  /** {@code pollux}, trained, with more options of the JVM; arguments may be added. */
  public static List<String> pollux(String... options) {
    List<String> command = TrainedStart.PROGRAM.command(List.of(options));
    command.add(MAIN);
    return command;
  }
}
