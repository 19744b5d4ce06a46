package dev.pollux.tests.harness;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The {@code pollux} command in a process of its own, with the class path and JVM options of the
 * tests. Standard input is open, output and error output are collected from the start. Closing
 * kills it.
 *
 * <pre>
 * try (PolluxProcess vm = PolluxProcess.start("run", "-nographic", ...)) {
 *   vm.expect("login:", Duration.ofSeconds(30));
 *   vm.type("root\n");
 *   assertEquals(0, vm.await(Duration.ofSeconds(30)));
 * }
 * </pre>
 */
public final class PolluxProcess implements AutoCloseable {
  private static final int SHOWN_AT_FAILURE = 4000;

  /** Engine of the machines whose test does not choose one, as {@code -accel} names it; or null. */
  private static final String ACCEL = System.getProperty("tests.accel");

  /** The interpreter needs several times as long for what tests wait for. */
  private static final int PATIENCE_FACTOR = "interp".equals(ACCEL) ? 5 : 1;

  private final Process process;
  private final Collector output;
  private final Collector errors;
  private int position;

  private PolluxProcess(Process process) {
    this.process = process;
    output = new Collector(process.getInputStream());
    errors = new Collector(process.getErrorStream());
  }

  /** Starts {@code pollux} with arguments. */
  public static PolluxProcess start(String... arguments) {
    return start(Path.of("."), arguments);
  }

  /**
   * Starts {@code pollux} with arguments in a working folder; a machine whose arguments do not
   * choose an engine gets that of {@code -Dtests.accel}.
   */
  public static PolluxProcess start(Path folder, String... arguments) {
    return run(new ProcessBuilder(command(List.of(), arguments)).directory(folder.toFile()));
  }

  /** Starts {@code pollux} with arguments and more variables in its environment. */
  public static PolluxProcess start(Map<String, String> environment, String... arguments) {
    ProcessBuilder builder = new ProcessBuilder(command(List.of(), arguments));
    builder.environment().putAll(environment);
    return run(builder);
  }

  /** Starts {@code pollux} with arguments in a JVM with more options. */
  public static PolluxProcess start(List<String> jvmOptions, String... arguments) {
    return run(new ProcessBuilder(command(jvmOptions, arguments)));
  }

  /**
   * Has another program start {@code pollux} with arguments.
   *
   * @param starter for instance {@code ip netns exec NAME}
   */
  public static PolluxProcess startBy(List<String> starter, String... arguments) {
    List<String> words = new ArrayList<>(starter);
    words.addAll(command(List.of(), arguments));
    return run(new ProcessBuilder(words));
  }

  private static List<String> command(List<String> jvmOptions, String... arguments) {
    List<String> options = new ArrayList<>(List.of("-Xmx1g"));
    if (Stream.of(arguments).noneMatch(word -> word.contains("interp"))) {
      options.add("-XX:TieredStopAtLevel=1"); // as the launcher does
    }
    options.addAll(jvmOptions);
    List<String> command = JavaCommand.pollux(options.toArray(String[]::new));
    int behindRun = command.size() + 1;
    command.addAll(List.of(arguments));
    if (ACCEL != null && choosesNoEngine(arguments)) {
      command.addAll(behindRun, List.of("-accel", ACCEL));
    }
    return command;
  }

  private static boolean choosesNoEngine(String... arguments) {
    return arguments[0].equals("run")
        && Stream.of(arguments).noneMatch(word -> word.contains("accel"));
  }

  /** Starts any command. */
  public static PolluxProcess run(ProcessBuilder builder) {
    try {
      return new PolluxProcess(builder.start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public Process process() {
    return process;
  }

  /** All standard output so far. */
  public String output() {
    return output.text();
  }

  /** All error output so far. */
  public String errors() {
    return errors.text();
  }

  /**
   * Waits for a text on standard output, after what earlier calls waited for.
   *
   * @param patience that of the code generator; there is more where {@code -Dtests.accel}
   *     interprets
   * @return the output between the two
   */
  public String expect(String text, Duration patience) {
    long deadline = System.nanoTime() + patience.multipliedBy(PATIENCE_FACTOR).toNanos();
    while (true) {
      String seen = output.text();
      int found = seen.indexOf(text, position);
      if (found >= 0) {
        String between = seen.substring(position, found);
        position = found + text.length();
        return between;
      }
      boolean ended = output.ended();
      if ((ended && output.text().length() == seen.length()) || System.nanoTime() > deadline) {
        fail(
            "%s while waiting for \"%s\"; output ends with:\n%s\nerror output:\n%s"
                .formatted(
                    ended ? "the process ended" : "no answer within " + patience,
                    text,
                    tail(seen),
                    tail(errors())));
      }
      output.awaitMore(seen.length(), deadline);
    }
  }

  /** Sends text to standard input. */
  public void type(String text) {
    try {
      OutputStream in = process.getOutputStream();
      in.write(text.getBytes(StandardCharsets.UTF_8));
      in.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the process no longer reads; error output: " + tail(errors()), e);
    }
  }

  /** Waits for the process's end, with the patience of {@link #expect}; its exit status. */
  public int await(Duration patience) {
    try {
      if (!process.waitFor(patience.multipliedBy(PATIENCE_FACTOR))) {
        fail("still running after %s; output ends with:\n%s".formatted(patience, tail(output())));
      }
      output.join();
      errors.join();
      return process.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    process.onExit().join();
  }

  private static String tail(String text) {
    return text.substring(Math.max(0, text.length() - SHOWN_AT_FAILURE));
  }

  /** Reads a stream to its end on a thread of its own. */
  private static final class Collector {
    private final StringBuilder text = new StringBuilder();
    private final Thread thread;
    private boolean ended;

    Collector(InputStream stream) {
      thread = Thread.ofPlatform().daemon().start(() -> collect(stream));
    }

    private void collect(InputStream stream) {
      byte[] buffer = new byte[8192];
      try {
        for (int n = stream.read(buffer); n >= 0; n = stream.read(buffer)) {
          append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
        }
      } catch (IOException e) {
        append("\n[" + e.getMessage() + "]");
      }
      synchronized (this) {
        ended = true;
        notifyAll();
      }
    }

    private synchronized void append(String more) {
      text.append(more);
      notifyAll();
    }

    synchronized String text() {
      return text.toString();
    }

    synchronized boolean ended() {
      return ended;
    }

    /** Returns when there is more than {@code length}, at the end, or at the deadline. */
    synchronized void awaitMore(int length, long deadline) {
      try {
        while (text.length() == length && !ended && System.nanoTime() < deadline) {
          wait(100);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }

    void join() throws InterruptedException {
      thread.join();
    }
  }
}
