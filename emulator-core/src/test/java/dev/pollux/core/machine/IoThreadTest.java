package dev.pollux.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.Test;

/** What steps of an I/O thread leave for others is done exactly once, whoever does the step. */
class IoThreadTest {
  private static final int THREADS = 4;
  private static final int EACH = 20_000;
  private static final int LEFT = 2;

  private final ReentrantLock machineLock = new ReentrantLock();
  private final AtomicIntegerArray done = new AtomicIntegerArray(THREADS * EACH * LEFT);
  private final CountDownLatch all = new CountDownLatch(THREADS * EACH * LEFT);

  private void count(int number) {
    done.incrementAndGet(number);
    all.countDown();
  }

  @Test
  void whatIsLeftForAfterAStepIsDoneOnce() throws InterruptedException {
    try (IoThread io = new IoThread("IO test", machineLock)) {
      io.begin();
      io.resume();
      Thread[] threads = new Thread[THREADS];
      for (int i = 0; i < THREADS; i++) {
        int first = i * EACH * LEFT;
        boolean posts = i % 2 == 0;
        threads[i] = Thread.ofPlatform().start(() -> work(io, first, posts));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertTrue(all.await(30, TimeUnit.SECONDS), () -> all.getCount() + " are left");
    }
    for (int i = 0; i < done.length(); i++) {
      int number = i;
      assertEquals(1, done.get(i), () -> "times of " + number);
    }
  }

  private void work(IoThread io, int first, boolean posts) {
    for (int i = 0; i < EACH; i++) {
      int number = first + i * LEFT;
      Runnable step =
          () -> {
            assertTrue(io.lock().isHeldByCurrentThread());
            IoThread.afterStep(() -> afterwards(io, number), Runnable::run);
            io.withMachineLock(() -> withMachine(number + 1));
          };
      if (posts) {
        io.post(step);
      } else {
        io.complete(step);
      }
    }
  }

  private void afterwards(IoThread io, int number) {
    if (!io.lock().isHeldByCurrentThread()) {
      count(number);
    }
  }

  private void withMachine(int number) {
    if (machineLock.isHeldByCurrentThread()) {
      count(number);
    }
  }
}
