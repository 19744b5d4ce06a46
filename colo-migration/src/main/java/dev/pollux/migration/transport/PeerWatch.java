package dev.pollux.migration.transport;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends the waits of a migration for its peer: a thread of its own looks at what moves, and cuts the
 * connections, with a sentence, when
 *
 * <ul>
 *   <li>the peer of a socket has taken nothing for the patience while somebody writes;
 *   <li>what is expected has not come in time.
 * </ul>
 *
 * A program at the other end of a pipe, and a file, may take their time. So may this process: time
 * in which it did not run itself does not count.
 */
public final class PeerWatch implements AutoCloseable {
  /** A peer that does nothing for so long is dead, frozen, or cut off. */
  public static final Duration PATIENCE = Duration.ofSeconds(30);

  private static final long LONGEST_TICK_MILLIS = 200;

  /**
   * What must come.
   *
   * @param since as {@link System#nanoTime}
   * @param sentence what is said if it does not
   * @param renewed whatever comes begins the time anew
   */
  private record Expectation(long since, long nanos, String sentence, boolean renewed) {}

  private final Connections connections;
  private final String peer;
  private final Duration patience;
  private final long tickNanos;
  private volatile Expectation expectation;
  private volatile boolean closed;

  /**
   * Begins to watch.
   *
   * @param peer who is at the other end, for people
   */
  public PeerWatch(Connections connections, String peer, Duration patience) {
    this.connections = connections;
    this.peer = peer;
    this.patience = patience;
    this.tickNanos =
        TimeUnit.MILLISECONDS.toNanos(Math.clamp(patience.toMillis() / 10, 1, LONGEST_TICK_MILLIS));
    Thread.ofPlatform().name("migration watch").daemon(true).start(this::watch);
  }

  /** From now on bytes or connections come, never later than the patience after the last ones. */
  public void expectBytes() {
    expect(patience, "nothing has come from %s for".formatted(peer), true);
  }

  /**
   * As {@link #expectBytes()}.
   *
   * @param missing what is said if they do not, without the time
   */
  public void expectBytes(String missing) {
    expect(patience, missing + " within", true);
  }

  /**
   * Something else will be expected, or nothing, within the patience.
   *
   * @param missing what is said if that does not happen, without the time
   */
  public void expectWithinPatience(String missing) {
    expectWithinPatienceAnd(Duration.ZERO, missing);
  }

  /** As {@link #expectWithinPatience}, within {@code more} time than that. */
  public void expectWithinPatienceAnd(Duration more, String missing) {
    expect(patience.plus(more), missing + " within", false);
  }

  private void expect(Duration time, String sentence, boolean renewed) {
    expectation =
        new Expectation(
            System.nanoTime(), time.toNanos(), "%s %s".formatted(sentence, show(time)), renewed);
  }

  /** Nothing need come. */
  public void expectNothing() {
    expectation = null;
  }

  private static String show(Duration time) {
    return time.toMillisPart() == 0 ? time.toSeconds() + " s" : time.toMillis() + " ms";
  }

  private void watch() {
    long awake = System.nanoTime();
    long looked = awake;
    while (!closed) {
      LockSupport.parkNanos(this, tickNanos);
      long now = System.nanoTime();
      if (now - looked > patience.toNanos() / 2) {
        awake = now; // this process stood still itself
      }
      looked = now;
      look(now, awake);
    }
  }

  /**
   * @param awake since when this process runs
   */
  private void look(long now, long awake) {
    long stalled = connections.stalledNanos();
    if (Math.min(stalled, now - awake) > patience.toNanos()) {
      connections.shutdown("%s has taken nothing for %s".formatted(peer, show(patience)));
    }
    Expectation expected = expectation;
    if (expected == null) {
      return;
    }
    long waited = Math.min(now - expected.since, now - awake);
    if (expected.renewed) {
      // Who waits until he can answer does not read.
      waited = stalled > 0 ? 0 : Math.min(waited, connections.quietNanos());
    }
    if (waited > expected.nanos + 2 * tickNanos) {
      connections.shutdown(expected.sentence);
    } else if (waited > expected.nanos) {
      connections.stopReading(expected.sentence); // who reads may still have something to answer
    }
  }

  /** Ends the watch; the connections stay as they are. */
  @Override
  public void close() {
    closed = true;
  }
}
