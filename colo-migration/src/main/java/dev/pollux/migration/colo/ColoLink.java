package dev.pollux.migration.colo;

import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * The connection of a pair while COLO runs, and the watch over the peer at its other end: a thread
 * sends heartbeats where nothing else is sent, another cuts the connection when nothing has come
 * for the time that {@code x-pollux-silence} says, or when the peer has taken nothing for so long
 * of what is being sent. One thread of a side reads all the time, so a peer whose process dies is
 * noticed at once.
 */
final class ColoLink implements AutoCloseable {
  /** Longest time between two heartbeats; they are more frequent where silence is shorter. */
  private static final long HEARTBEAT_MILLIS = 200;

  private static final int HEARTBEATS_OF_SILENCE = 8;

  /** What follows a message. */
  @FunctionalInterface
  interface Body {
    void write(StreamWriter out) throws IOException;
  }

  private final StreamReader in;
  private final StreamWriter out;
  private final Connections connections;
  private final long silenceMillis;
  private final long heartbeatMillis;
  private final ReentrantLock outLock = new ReentrantLock();

  /** Why the connection is of no use any more; null while it is. */
  private volatile String failure;

  /** Why the peer has ended, once it has said so. */
  private volatile ShutdownCause peerEnded;

  private volatile Thread reader;
  private volatile boolean closed;

  /**
   * @param connections all of the pair
   * @param silenceMillis a peer that neither says nor takes anything for so long is frozen, or its
   *     link is stalled
   */
  ColoLink(StreamReader in, StreamWriter out, Connections connections, long silenceMillis) {
    this.in = in;
    this.out = out;
    this.connections = connections;
    this.silenceMillis = silenceMillis;
    this.heartbeatMillis = Math.min(HEARTBEAT_MILLIS, silenceMillis / HEARTBEATS_OF_SILENCE);
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
    try {
      outLock.lock();
      try {
        out.u32(message.code());
        body.write(out);
        out.flush();
      } finally {
        outLock.unlock();
      }
    } catch (IOException e) {
      awaitLastWord();
      fail(describe(e));
      throw new IOException(failure, e);
    }
  }

  /**
   * Tells the peer why this side ends, if what is being sent just now is soon sent, and the peer
   * takes it.
   */
  void sayFarewell(ShutdownCause cause, long millis) {
    Thread thread =
        Thread.ofPlatform().name("COLO farewell").daemon(true).start(() -> sendEnded(cause));
    try {
      thread.join(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void sendEnded(ShutdownCause cause) {
    try {
      send(ColoMessage.ENDED, to -> to.name(cause.qmpName()));
    } catch (IOException e) {
      // The peer will see that the connection has ended.
    }
  }

  /** What cannot be sent any more may be so because the peer has ended, which it has said first. */
  private void awaitLastWord() {
    try {
      if (Thread.currentThread() == reader) {
        ColoMessage _ = receive();
      } else {
        for (long left = heartbeatMillis; left > 0 && failure == null; left -= 10) {
          Thread.sleep(10);
        }
      }
    } catch (IOException e) {
      // That was it.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * The next message that is no heartbeat; what follows it is read from {@link #in}. One thread.
   */
  ColoMessage receive() throws IOException {
    reader = Thread.currentThread();
    try {
      while (true) {
        int first = in.u8OrEnd();
        if (first < 0) {
          throw new StreamException("the other side has closed the connection");
        }
        ColoMessage message = ColoMessage.of(first << 24 | in.u8() << 16 | in.u16());
        if (message == ColoMessage.ENDED) {
          throw readEnded();
        }
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

  private StreamException readEnded() throws IOException {
    String name = in.name();
    ShutdownCause cause =
        Stream.of(ShutdownCause.values())
            .filter(c -> c.qmpName().equals(name))
            .findFirst()
            .orElseThrow(() -> new StreamException("unknown cause of an end '%s'".formatted(name)));
    peerEnded = cause;
    return new StreamException("the other side has ended (%s)".formatted(name));
  }

  /** Why the peer has ended, if it has said so. Any thread. */
  Optional<ShutdownCause> peerEnded() {
    return Optional.ofNullable(peerEnded);
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

  /** Gives the connection up and wakes who waits for it; the first reason stays. Any thread. */
  void fail(String reason) {
    synchronized (this) {
      if (failure == null) {
        failure = reason;
      }
    }
    connections.shutdown(reason);
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
          return; // who reads sees the end, and perhaps why
        } finally {
          outLock.unlock();
        }
      }
    }
  }

  /**
   * Listens to whether the peer lives; never waits for it. Time for which this process was held up
   * itself, so that nobody in it can have heard anything, does not count.
   */
  private void watch() {
    final long limit = TimeUnit.MILLISECONDS.toNanos(silenceMillis);
    final long most = 2 * TimeUnit.MILLISECONDS.toNanos(heartbeatMillis);
    long looked = System.nanoTime();
    long quiet = 0;
    long stalled = 0;
    while (pause()) {
      long now = System.nanoTime();
      long elapsed = now - looked;
      long counted = Math.min(elapsed, most);
      looked = now;
      quiet = connections.quietNanos() < elapsed ? 0 : quiet + counted;
      stalled = connections.stalledNanos() < elapsed ? 0 : stalled + counted;
      if (quiet > limit) {
        fail("nothing has come from the other side for %d ms".formatted(silenceMillis));
      } else if (stalled > limit) {
        fail("the other side has taken nothing for %d ms".formatted(silenceMillis));
      }
    }
  }

  /** Waits a little; whether the connection is still of use. */
  private boolean pause() {
    LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(heartbeatMillis));
    return !closed && failure == null;
  }

  /** Ends heartbeats and watch; the connection stays as it is. */
  @Override
  public void close() {
    closed = true;
  }
}
