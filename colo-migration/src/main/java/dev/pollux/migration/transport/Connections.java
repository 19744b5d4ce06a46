package dev.pollux.migration.transport;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Every connection of one migration, so that all can be cut at once. Any thread; the methods never
 * wait for a peer.
 */
public final class Connections {
  private final List<MigrationChannel> channels = new ArrayList<>();

  /** A socket that listens or is being connected: there is nothing in it to cut, only to close. */
  private final List<Closeable> pending = new ArrayList<>();

  private boolean cut;

  /** Why they were cut; the first reason is the one. */
  private String reason;

  /** Enters a connection; it is cut at once if all others were. */
  public <C extends MigrationChannel> C add(C channel) {
    boolean late;
    synchronized (this) {
      channels.add(channel);
      late = cut;
    }
    if (late) {
      channel.shutdown();
    }
    return channel;
  }

  /** Enters what is to be closed instead of cut until {@link #settled}. */
  synchronized void await(Closeable socket) throws IOException {
    if (cut) {
      socket.close();
    }
    pending.add(socket);
  }

  synchronized void settled(Closeable socket) {
    pending.remove(socket);
  }

  /** Whether there is something to cut. */
  public synchronized boolean isAny() {
    return !channels.isEmpty() || !pending.isEmpty();
  }

  /** Nanoseconds since something came through any of them; 0 where there is none. */
  public synchronized long quietNanos() {
    return channels.stream().mapToLong(MigrationChannel::quietNanos).min().orElse(0);
  }

  /** Nanoseconds for which the other side has taken nothing of what waits on one of them. */
  public synchronized long stalledNanos() {
    return channels.stream().mapToLong(MigrationChannel::stalledNanos).max().orElse(0);
  }

  /** Whether the connections were cut, in one direction or both. */
  public synchronized boolean isCut() {
    return cut;
  }

  /** Cuts all connections, those that come later included, because somebody wants that. */
  public void shutdown() {
    shutdown("the connection was cut");
  }

  /**
   * As {@link #shutdown()}, because something failed.
   *
   * @param why for people
   */
  public void shutdown(String why) {
    cut(why, MigrationChannel::shutdown);
  }

  /**
   * As {@link #shutdown(String)}, but what is written may still leave, as far as there are two
   * directions.
   */
  public void stopReading(String why) {
    cut(why, MigrationChannel::shutdownInput);
  }

  private void cut(String why, Consumer<MigrationChannel> how) {
    List<MigrationChannel> open;
    List<Closeable> waiting;
    synchronized (this) {
      cut = true;
      reason = reason == null ? why : reason;
      open = List.copyOf(channels);
      waiting = List.copyOf(pending);
    }
    open.forEach(how);
    waiting.forEach(Connections::closeQuietly);
  }

  /**
   * Why a migration over these connections failed, in a sentence for people: why they were cut,
   * where they were; otherwise what an exception says.
   */
  public synchronized String reason(Throwable e) {
    return reason == null ? describe(e) : reason;
  }

  /** What an exception says, never null. */
  public static String describe(Throwable e) {
    if (!(e instanceof IOException)) {
      return "internal error: " + e;
    }
    if (e instanceof ClosedChannelException) {
      return "the connection was closed";
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  /**
   * Lets go of all connections of a migration that went well so far.
   *
   * @throws IOException if one of the peers says that it failed
   */
  public void end() throws IOException {
    List<MigrationChannel> all;
    synchronized (this) {
      all = List.copyOf(channels);
    }
    for (MigrationChannel channel : all) {
      channel.close();
    }
    close();
  }

  /** Lets go of all connections; what was written before still arrives. */
  public void close() {
    List<Closeable> all;
    synchronized (this) {
      all = new ArrayList<>(channels);
      all.addAll(pending);
      channels.clear();
      pending.clear();
    }
    all.forEach(Connections::closeQuietly);
  }

  private static void closeQuietly(Closeable closeable) {
    try {
      closeable.close();
    } catch (IOException e) {
      // It is of no use any more in any case.
    }
  }
}
