package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A network namespace of the host with a name of its own; gone when it is closed. */
public final class Namespace implements AutoCloseable {
  private static int number;

  private final String name;

  private Namespace(String name) {
    this.name = name;
  }

  /** Makes one; a test on a host that gives none is skipped, with the reason. */
  public static synchronized Namespace create() throws IOException, InterruptedException {
    assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "/dev/net/tun is not for this user");
    String name = "pollux-%d-%d".formatted(ProcessHandle.current().pid(), number++);
    Result made = runOnHost(20, "ip", "netns", "add", name);
    assumeTrue(made.status() == 0, "no network namespaces: " + made.output());
    return new Namespace(name);
  }

  /** Skips the test where the host does not have a program. */
  public static void needs(String program) throws IOException, InterruptedException {
    Result found = runOnHost(10, "sh", "-c", "command -v " + program);
    assumeTrue(found.status() == 0, "the host has no " + program);
  }

  /** How a command ended. */
  public record Result(int status, String output) {}

  public String name() {
    return name;
  }

  /** What starts a program inside, before the program's own words. */
  public List<String> starter() {
    return List.of("ip", "netns", "exec", name);
  }

  /** Runs a command inside; output and errors together. */
  public Result run(int seconds, String... command) throws IOException, InterruptedException {
    List<String> inside = new ArrayList<>(starter());
    inside.addAll(List.of(command));
    return runOnHost(seconds, inside.toArray(String[]::new));
  }

  /** Starts a command inside. */
  public Process start(String... command) throws IOException {
    List<String> inside = new ArrayList<>(starter());
    inside.addAll(List.of(command));
    return new ProcessBuilder(inside).redirectErrorStream(true).start();
  }

  /** Runs shell lines inside, all of which have to succeed. */
  public void shell(String lines) throws IOException, InterruptedException {
    Result result = run(20, "sh", "-ec", lines);
    if (result.status() != 0) {
      throw new IOException(lines + ": " + result.output());
    }
  }

  /**
   * Takes a TAP interface of the host's inside, onto the bridge {@code br0} there.
   *
   * @throws IOException if that is not possible
   */
  public void plug(String tap) throws IOException, InterruptedException {
    Result moved = runOnHost(20, "ip", "link", "set", tap, "netns", name);
    if (moved.status() != 0) {
      throw new IOException(moved.output());
    }
    shell("ip link set %1$s master br0; ip link set %1$s up".formatted(tap));
  }

  public static Result runOnHost(int seconds, String... command)
      throws IOException, InterruptedException {
    Path output = Files.createTempFile("pollux", ".out");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      process.getOutputStream().close();
      if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        return new Result(-1, "no end after " + seconds + " s: " + text(output));
      }
      return new Result(process.exitValue(), text(output));
    } catch (IOException e) {
      return new Result(127, e.getMessage());
    } finally {
      Files.deleteIfExists(output);
    }
  }

  private static String text(Path file) throws IOException {
    return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
  }

  @Override
  public void close() throws IOException {
    try {
      runOnHost(20, "ip", "netns", "del", name);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
