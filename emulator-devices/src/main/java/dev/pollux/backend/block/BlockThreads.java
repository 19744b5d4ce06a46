package dev.pollux.backend.block;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Threads on which requests wait for the host. They end when there is nothing to do. */
public final class BlockThreads {
  /** Requests of one backend that are done at a time; more wait in line. */
  public static final int MOST = 16;

  private static final int IDLE_SECONDS = 10;

  private BlockThreads() {}

  /**
   * @param name what the host calls the threads
   */
  public static ThreadPoolExecutor make(String name) {
    AtomicInteger number = new AtomicInteger();
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            MOST,
            MOST,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> {
              Thread thread = new Thread(task, name + " " + number.getAndIncrement());
              thread.setDaemon(true);
              return thread;
            });
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }
}
