package dev.pollux.backend.net.user;

import java.io.IOException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The network's thread: waits for its sockets and its timers, and calls their handlers with the
 * network's lock held.
 */
final class Reactor implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Reactor.class);
  private static final long MAX_WAIT_MILLIS = 1000;

  /** Hears that its channel is ready. */
  interface Handler {
    void ready(SelectionKey key);
  }

  private final Selector selector;
  private final ReentrantLock lock;
  private final Runnable before;
  private final LongSupplier timers;
  private final Runnable after;
  private final Thread thread;
  private volatile boolean closed;

  /**
   * @param lock the network's
   * @param before runs before the handlers of each round, with the lock held
   * @param timers runs what is due, with the lock held, and returns the nanoseconds until the next
   * @param after runs after each round, without the lock
   */
  Reactor(String name, ReentrantLock lock, Runnable before, LongSupplier timers, Runnable after)
      throws IOException {
    this.selector = Selector.open();
    this.lock = lock;
    this.before = before;
    this.timers = timers;
    this.after = after;
    this.thread = Thread.ofPlatform().name(name).daemon(true).unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /** Watches a channel; the lock is held. */
  SelectionKey register(SelectableChannel channel, int operations, Handler handler)
      throws IOException {
    SelectionKey key = channel.register(selector, operations, handler);
    wakeUp();
    return key;
  }

  /** Changes what a key waits for. */
  void interest(SelectionKey key, int operations) {
    if (key.isValid() && key.interestOps() != operations) {
      key.interestOps(operations);
      wakeUp();
    }
  }

  /** Makes the thread look at its keys and timers again. Any thread. */
  void wakeUp() {
    if (!Thread.currentThread().equals(thread)) {
      selector.wakeup();
    }
  }

  private void run() {
    List<SelectionKey> ready = new ArrayList<>();
    long wait = 0;
    while (!closed) {
      try {
        ready.clear();
        if (wait > 0) {
          selector.select(ready::add, Math.clamp(wait / 1_000_000, 1, MAX_WAIT_MILLIS));
        } else {
          selector.selectNow(ready::add);
        }
      } catch (IOException | ClosedSelectorException e) {
        return;
      }
      wait = round(ready);
      after.run();
    }
  }

  private long round(List<SelectionKey> ready) {
    lock.lock();
    try {
      before.run();
      for (SelectionKey key : ready) {
        if (key.isValid()) {
          handle(key);
        }
      }
      return timers.getAsLong();
    } finally {
      lock.unlock();
    }
  }

  private static void handle(SelectionKey key) {
    try {
      ((Handler) key.attachment()).ready(key);
    } catch (RuntimeException e) {
      log.error("internal error of a network's connection, which ends; the network goes on", e);
      key.cancel();
    }
  }

  @Override
  public void close() {
    closed = true;
    try {
      selector.close();
    } catch (IOException e) {
      // Nothing is left of it.
    }
  }
}
