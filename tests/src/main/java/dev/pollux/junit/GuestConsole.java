package dev.pollux.junit;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A guest's first serial port: what it has printed so far, as ISO 8859-1, and a keyboard. Any
 * thread; tests wait on their own.
 */
public final class GuestConsole {
  /** For tests that say nothing else. */
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final int SHOWN = 4000;

  private final OutputStream keyboard;
  private final StringBuilder printed = new StringBuilder();
  private boolean ended;

  /** What {@link #expect} has taken. */
  private int taken;

  GuestConsole(InputStream from, OutputStream keyboard) {
    this.keyboard = keyboard;
    var _ = Thread.ofPlatform().name("guest's console").daemon(true).start(() -> read(from));
  }

  private void read(InputStream from) {
    byte[] buffer = new byte[8192];
    try (from) {
      for (int n = from.read(buffer); n >= 0; n = from.read(buffer)) {
        add(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
      }
    } catch (IOException e) {
      // The end, too.
    }
    synchronized (this) {
      ended = true;
      notifyAll();
    }
  }

  private synchronized void add(String text) {
    printed.append(text);
    notifyAll();
  }

  /** All that was printed. */
  public synchronized String text() {
    return printed.toString();
  }

  /** As {@link #expect(String, Duration)}, for two minutes. */
  public String expect(String text) {
    return expect(text, PATIENCE);
  }

  /**
   * Waits for a text, after what earlier calls waited for.
   *
   * @return what was printed between the two
   * @throws AssertionError if it does not come in time, or the guest has ended without it
   */
  public synchronized String expect(String text, Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    int found = printed.indexOf(text, taken);
    while (found < 0) {
      long left = deadline - System.nanoTime();
      if (ended || left <= 0) {
        throw new AssertionError(
            "\"%s\" %s; the console ends with:\n%s"
                .formatted(
                    text,
                    ended ? "was not printed before the end" : "was not printed within " + patience,
                    printed.substring(Math.max(0, printed.length() - SHOWN))));
      }
      pause(left);
      found = printed.indexOf(text, taken);
    }
    String between = printed.substring(taken, found);
    taken = found + text.length();
    return between;
  }

  private void pause(long nanos) {
    try {
      TimeUnit.NANOSECONDS.timedWait(this, nanos);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }

  /** Types text as it is; the return key is {@code \n}. */
  public void type(String text) {
    try {
      keyboard.write(text.getBytes(StandardCharsets.UTF_8));
      keyboard.flush();
    } catch (IOException e) {
      throw new UncheckedIOException("the guest's console is gone", e);
    }
  }
}
