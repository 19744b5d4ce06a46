package dev.pollux.backend.chr;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes on their way from a front end to the host, written by a thread of their own. Bounded: what
 * finds no room is not taken.
 */
final class OutputQueue {
  static final int CAPACITY = 64 * 1024;

  /** Where the bytes go; blocks as long as it likes. */
  @FunctionalInterface
  interface Sink {
    void write(byte[] bytes, int offset, int length) throws IOException;
  }

  private final String name;
  private final InputQueue input;
  private final byte[] ring = new byte[CAPACITY];
  private int head;
  private int count;
  private boolean writing;
  private boolean closed;

  /** Null: nobody is there and output is dropped. */
  private Sink sink;

  /** Counts connections: a write that fails ends only its own. */
  private int session;

  private Thread thread;
  private final List<Runnable> waiting = new ArrayList<>();

  /**
   * @param name of the writer thread
   * @param input knows the executor on which front ends are told of room
   */
  OutputQueue(String name, InputQueue input) {
    this.name = name;
    this.input = input;
  }

  synchronized void connect(Sink newSink) {
    sink = newSink;
    session++;
    count = 0;
  }

  /** Output is dropped from now on, what waits included. */
  synchronized void disconnect() {
    sink = null;
    count = 0;
    tellWaiting();
    notifyAll();
  }

  synchronized int write(byte[] from, int offset, int length) {
    if (sink == null || closed) {
      return length;
    }
    int n = Math.min(length, CAPACITY - count);
    int tail = (head + count) % CAPACITY;
    int first = Math.min(n, CAPACITY - tail);
    System.arraycopy(from, offset, ring, tail, first);
    System.arraycopy(from, offset + first, ring, 0, n - first);
    count += n;
    if (n > 0) {
      if (thread == null) {
        thread = Thread.ofPlatform().name(name).daemon(true).start(this::run);
      }
      notifyAll();
    }
    return n;
  }

  /** Takes all of the bytes or none. */
  synchronized boolean writeWhole(byte[] message) {
    boolean fits = message.length <= CAPACITY - count || sink == null || closed;
    return fits && write(message, 0, message.length) == message.length;
  }

  synchronized void whenWritable(Runnable action) {
    waiting.add(action);
    if (count < CAPACITY || sink == null) {
      tellWaiting();
    }
  }

  private void tellWaiting() {
    List<Runnable> now = List.copyOf(waiting);
    waiting.clear();
    now.forEach(input::runForFrontEnd);
  }

  /** Waits until everything is written; false if that takes longer. */
  synchronized boolean flush(int milliseconds) {
    long deadline = System.nanoTime() + milliseconds * 1_000_000L;
    try {
      while ((count > 0 || writing) && sink != null) {
        long left = (deadline - System.nanoTime()) / 1_000_000;
        if (left <= 0) {
          return false;
        }
        wait(left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
    return true;
  }

  synchronized void close() {
    closed = true;
    disconnect();
  }

  private void run() {
    byte[] chunk = new byte[CAPACITY / 4];
    while (true) {
      Sink to;
      int writersSession;
      int n;
      synchronized (this) {
        writing = false;
        notifyAll();
        try {
          while (count == 0 && !closed) {
            wait();
          }
        } catch (InterruptedException e) {
          return;
        }
        if (closed) {
          return;
        }
        to = sink;
        writersSession = session;
        n = takeChunk(chunk);
        writing = true;
        tellWaiting();
      }
      try {
        to.write(chunk, 0, n);
      } catch (IOException | RuntimeException | Error e) {
        synchronized (this) {
          if (session == writersSession) {
            disconnect();
          }
        }
      }
    }
  }

  private int takeChunk(byte[] chunk) {
    int n = Math.min(count, chunk.length);
    int first = Math.min(n, CAPACITY - head);
    System.arraycopy(ring, head, chunk, 0, first);
    System.arraycopy(ring, 0, chunk, first, n - first);
    head = (head + n) % CAPACITY;
    count -= n;
    return n;
  }
}
