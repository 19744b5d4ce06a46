package dev.pollux.migration.colo;

import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The connection of a pair while COLO runs, and the watch over the peer at its other end: a thread
 * sends heartbeats where nothing else is sent, another cuts the connection when nothing has come
 * for {@link #SILENCE_MILLIS}. A peer whose process dies is noticed at once by whoever reads.
 */
final class ColoLink implements AutoCloseable {
  /** A peer that has said nothing for so long is frozen, or its connection is stalled. */
  static final long SILENCE_MILLIS = 3000;

  private static final long HEARTBEAT_MILLIS = 200;

  /** What follows a message. */
  @FunctionalInterface
  interface Body {
    void write(StreamWriter out) throws IOException;
  }

  private final StreamReader in;
  private final StreamWriter out;
  private final Runnable cut;
  private final ReentrantLock outLock = new ReentrantLock();

  /** Why the connection is of no use any more; null while it is. */
  private volatile String failure;

  /** Nobody reads for a while, so silence means nothing. */
  private volatile boolean deaf;

  private volatile long heardFrom = System.nanoTime();
  private volatile boolean closed;

  /**
   * @param cut cuts all connections of the pair, without waiting for anything
   */
  ColoLink(StreamReader in, StreamWriter out, Runnable cut) {
    this.in = in;
    this.out = out;
    this.cut = cut;
    Thread.ofPlatform().name("COLO heartbeat").daemon(true).start(this::beat);
    Thread.ofPlatform().name("COLO watch").daemon(true).start(this::watch);
  }

  StreamReader in() {
    return in;
  }

  /** Sends a message at once. Any thread. */
  void send(ColoMessage message) throws IOException {
    send(message, _ -> {});
  }

  /** Sends a message with what follows it. Any thread. */
  void send(ColoMessage message, Body body) throws IOException {
    outLock.lock();
    try {
      out.u32(message.code());
      body.write(out);
      out.flush();
    } catch (IOException e) {
      fail(describe(e));
      throw new IOException(failure, e);
    } finally {
      outLock.unlock();
    }
  }

  /**
   * The next message that is no heartbeat; what follows it is read from {@link #in}. One thread.
   */
  ColoMessage receive() throws IOException {
    try {
      while (true) {
        int first = in.u8OrEnd();
        if (first < 0) {
          throw new StreamException("the other side has closed the connection");
        }
        ColoMessage message = ColoMessage.of(first << 24 | in.u8() << 16 | in.u16());
        if (message != ColoMessage.HEARTBEAT) {
          return message;
        }
      }
    } catch (StreamException e) {
      fail(e.getMessage());
      throw e;
    } catch (IOException e) {
      fail(describe(e));
      throw new IOException(failure, e);
    }
  }

  /** The next message, which must be this one. */
  void expect(ColoMessage wanted) throws IOException {
    ColoMessage message = receive();
    if (message != wanted) {
      throw new StreamException("%s came in place of %s".formatted(message, wanted));
    }
  }

  private static String describe(IOException e) {
    return "the connection to the other side has broken"
        + (e.getMessage() == null ? "" : " (" + e.getMessage() + ")");
  }

  /** Silence means nothing while nobody reads. */
  void setDeaf(boolean deaf) {
    heardFrom = System.nanoTime();
    this.deaf = deaf;
  }

  /** Gives the connection up and wakes who waits for it; the first reason stays. Any thread. */
  void fail(String reason) {
    synchronized (this) {
      if (failure == null) {
        failure = reason;
      }
    }
    cut.run();
  }

  /** Why the connection was given up, or null. Any thread. */
  String failure() {
    return failure;
  }

  /** Tells the peer that this side lives. */
  private void beat() {
    while (pause()) {
      // Whoever holds the lock is sending, and that tells the peer as much.
      if (outLock.tryLock()) {
        try {
          out.u32(ColoMessage.HEARTBEAT.code());
          out.flush();
        } catch (IOException e) {
          fail(describe(e));
        } finally {
          outLock.unlock();
        }
      }
    }
  }

  /** Listens to whether the peer lives; never waits for it. */
  private void watch() {
    while (pause()) {
      long heard = heardFrom + Math.max(in.lastHeard() - heardFrom, 0);
      if (!deaf && System.nanoTime() - heard > TimeUnit.MILLISECONDS.toNanos(SILENCE_MILLIS)) {
        fail("nothing has come from the other side for %d ms".formatted(SILENCE_MILLIS));
      }
    }
  }

  /** Waits a little; whether the connection is still of use. */
  private boolean pause() {
    LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(HEARTBEAT_MILLIS));
    return !closed && failure == null;
  }

  /** Ends heartbeats and watch; the connection stays as it is. */
  @Override
  public void close() {
    closed = true;
  }
}
