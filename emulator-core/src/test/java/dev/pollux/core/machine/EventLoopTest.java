package dev.pollux.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EventLoopTest {
  private final ReentrantLock lock = new ReentrantLock();
  private final EventLoop loop = new EventLoop(lock);
  private final AtomicBoolean flooding = new AtomicBoolean(true);
  private Thread thread;

  @BeforeEach
  void start() {
    thread = Thread.ofPlatform().daemon(true).start(loop::run);
  }

  @AfterEach
  void stop() throws InterruptedException {
    flooding.set(false);
    loop.stop();
    thread.join();
  }

  /** Like a client whose next command is there before the last is answered. */
  private void flood() {
    if (flooding.get()) {
      loop.post(this::flood);
    }
  }

  @Test
  void timersAndWaitersHaveTheirTurnInAFlood() throws InterruptedException {
    for (int i = 0; i < 100; i++) {
      loop.post(this::flood);
    }
    CountDownLatch fired = new CountDownLatch(1);
    assertTrue(lock.tryLock(20, TimeUnit.SECONDS), "the lock is never free");
    try {
      GuestTimer timer = loop.clocks().timer(ClockType.REALTIME, "test", fired::countDown);
      timer.set(loop.clocks().now(ClockType.REALTIME));
    } finally {
      lock.unlock();
    }
    assertTrue(fired.await(20, TimeUnit.SECONDS), "the timer never runs");
    for (int i = 0; i < 100; i++) {
      assertTrue(lock.tryLock(20, TimeUnit.SECONDS), "the lock is never free");
      lock.unlock();
    }
  }

  @Test
  void whateverATaskThrowsTheLoopGoesOn() throws InterruptedException, ExecutionException {
    for (Throwable thrown :
        new Throwable[] {new OutOfMemoryError(), new StackOverflowError(), new AssertionError()}) {
      loop.post(
          () -> {
            throw (Error) thrown;
          });
      CompletableFuture<Object> failed =
          loop.call(
              () -> {
                throw (Error) thrown;
              });
      assertEquals(
          thrown, Assertions.assertThrows(ExecutionException.class, failed::get).getCause());
      lock.lock();
      try {
        loop.clocks()
            .timer(
                ClockType.REALTIME,
                "test",
                () -> {
                  throw (Error) thrown;
                })
            .set(0);
      } finally {
        lock.unlock();
      }
      assertInstanceOf(Thread.class, loop.call(Thread::currentThread).get());
    }
  }
}
