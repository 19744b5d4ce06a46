package dev.pollux.cli.script;

import dev.pollux.backend.chr.ProgramBackend;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;

/**
 * Runs a script on a console of its own. What the guest prints is shown, and kept as far as a later
 * step may wait for it.
 */
public final class ScriptRunner {
  /** Exit status where a text did not come in time, as timeout(1) has it. */
  public static final int TIMED_OUT = 124;

  private static final int FAILURE = 1;
  private static final double DEFAULT_SECONDS = 60;

  /** Output that no step has taken yet; more is not looked at. */
  private static final int LIMIT = 1 << 20;

  private final ConsoleScript script;
  private final OutputStream screen;
  private final ProgramBackend console;
  private final IntConsumer end;

  // Guarded by this.
  private final StringBuilder unread = new StringBuilder();
  private final List<ConsoleScript.FailOn> failures = new ArrayList<>();
  private Optional<String> verdict = Optional.empty();
  private Optional<ConsoleScript.Wait> waitingFor = Optional.empty();

  /**
   * @param screen where the guest's output is shown
   * @param end ends the machine with an exit status
   */
  public ScriptRunner(String id, ConsoleScript script, OutputStream screen, IntConsumer end) {
    this.script = script;
    this.screen = screen;
    this.end = end;
    console = new ProgramBackend(id, new Listener());
  }

  public ProgramBackend console() {
    return console;
  }

  /** Begins with the first step, on a thread of its own. */
  public void start() {
    Thread.ofPlatform().name("console script").daemon(true).start(this::run);
  }

  /** Why the script has failed, asked when the machine has ended; empty where it did not. */
  public synchronized Optional<String> verdict() {
    return verdict.or(
        () ->
            waitingFor.map(
                wait -> say(wait, "the guest has ended without \"%s\"".formatted(wait.text()))));
  }

  private void run() {
    double seconds = DEFAULT_SECONDS;
    try {
      for (ConsoleScript.Step step : script.steps()) {
        switch (step) {
          case ConsoleScript.Within(int _, double patience) -> seconds = patience;
          case ConsoleScript.FailOn failure -> {
            synchronized (this) {
              failures.add(failure);
            }
          }
          case ConsoleScript.Type(int _, String text) -> console.type(text);
          case ConsoleScript.Exit(int _, int status) -> {
            end.accept(status);
            return;
          }
          case ConsoleScript.Wait wait -> {
            if (!await(wait, seconds)) {
              return;
            }
          }
        }
      }
    } catch (InterruptedException e) {
      // The machine has ended.
    }
  }

  /** False where the script has failed. */
  private synchronized boolean await(ConsoleScript.Wait wait, double seconds)
      throws InterruptedException {
    long until = System.nanoTime() + (long) (seconds * 1e9);
    waitingFor = Optional.of(wait);
    while (true) {
      int at = unread.indexOf(wait.text());
      for (ConsoleScript.FailOn failure : failures) {
        int bad = unread.indexOf(failure.text());
        if (bad >= 0 && (at < 0 || bad < at)) {
          fail(FAILURE, failure, "the guest has printed \"%s\"".formatted(failure.text()));
          return false;
        }
      }
      if (at >= 0) {
        unread.delete(0, at + wait.text().length());
        waitingFor = Optional.empty();
        return true;
      }
      long left = until - System.nanoTime();
      if (left <= 0) {
        String shown =
            seconds == Math.rint(seconds)
                ? String.valueOf((long) seconds)
                : String.valueOf(seconds);
        fail(TIMED_OUT, wait, "\"%s\" did not come within %s s".formatted(wait.text(), shown));
        return false;
      }
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
  }

  private void fail(int status, ConsoleScript.Step step, String why) {
    verdict = Optional.of(say(step, why));
    end.accept(status);
  }

  private String say(ConsoleScript.Step step, String why) {
    String text = why.replace("\n", "\\n").replace("\r", "\\r");
    return "%s:%d: %s".formatted(script.file(), step.line(), text);
  }

  /** What the guest prints, on the console's thread. */
  private final class Listener extends OutputStream {
    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      synchronized (ScriptRunner.this) {
        unread.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
        if (unread.length() > LIMIT) {
          unread.delete(0, unread.length() - LIMIT);
        }
        ScriptRunner.this.notifyAll();
      }
      screen.write(bytes, offset, length);
      screen.flush();
    }
  }
}
