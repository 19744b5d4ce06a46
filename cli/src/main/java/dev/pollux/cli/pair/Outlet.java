package dev.pollux.cli.pair;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;

/**
 * Passes on what is written to a reader who may stop reading, on a thread of its own: who writes
 * never waits. At most 1 MiB is kept; what comes then is left out, and a sentence says so in its
 * place. Any thread; what lies below stays open.
 */
final class Outlet extends OutputStream {
  private static final int MOST_WAITING = 1 << 20;
  private static final long FAREWELL_NANOS = TimeUnit.SECONDS.toNanos(2);

  private final OutputStream to;
  private final LongFunction<String> leftOut;

  // Guarded by this.
  private final Deque<byte[]> waiting = new ArrayDeque<>();
  private int bytes;
  private long lost;

  /** Something is being written to the reader. */
  private boolean busy;

  private boolean closed;

  /**
   * @param name of the thread
   * @param leftOut what is said in the place of so many bytes
   */
  Outlet(String name, OutputStream to, LongFunction<String> leftOut) {
    this.to = to;
    this.leftOut = leftOut;
    var _ = Thread.ofPlatform().name(name).daemon(true).start(this::pass);
  }

  /**
   * For lines.
   *
   * @param json where lines are JSON objects
   */
  static PrintStream lines(String name, PrintStream to, boolean json) {
    String format =
        json ? "{\"event\": \"left-out\", \"bytes\": %d}%n" : "pollux: %d bytes were not read%n";
    Outlet outlet = new Outlet(name, to, format::formatted);
    return new PrintStream(outlet, false, StandardCharsets.UTF_8);
  }

  @Override
  public void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public synchronized void write(byte[] from, int offset, int length) {
    if (closed || length == 0) {
      return;
    }
    if (bytes + length > MOST_WAITING) {
      lost += length;
      return;
    }
    sayWhatIsLost();
    add(Arrays.copyOfRange(from, offset, offset + length));
  }

  private void add(byte[] piece) {
    waiting.add(piece);
    bytes += piece.length;
    notifyAll();
  }

  private void sayWhatIsLost() {
    if (lost > 0) {
      add(leftOut.apply(lost).getBytes(StandardCharsets.UTF_8));
      lost = 0;
    }
  }

  private void pass() {
    try {
      for (byte[] piece = next(); piece.length > 0; piece = next()) {
        to.write(piece);
        to.flush();
      }
    } catch (IOException e) {
      // The reader has gone.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      end();
    }
  }

  /** What is to be written; empty at the end. */
  private synchronized byte[] next() throws InterruptedException {
    busy = false;
    while (waiting.isEmpty()) {
      sayWhatIsLost();
      if (waiting.isEmpty()) {
        notifyAll();
        if (closed) {
          return new byte[0];
        }
        wait();
      }
    }
    byte[] piece = waiting.remove();
    bytes -= piece.length;
    busy = true;
    return piece;
  }

  private synchronized void end() {
    closed = true;
    busy = false;
    waiting.clear();
    notifyAll();
  }

  /** Takes nothing more; waits for the reader, two seconds at most. */
  @Override
  public synchronized void close() {
    closed = true;
    notifyAll();
    long end = System.nanoTime() + FAREWELL_NANOS;
    try {
      while (busy || !waiting.isEmpty()) {
        long left = end - System.nanoTime();
        if (left <= 0) {
          return;
        }
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
