package dev.pollux.cli.process;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Starts processes that end with this one ({@code -run-with exit-with-parent=on}). For the host it
 * is the thread that has children, and they end when it does: so it is always the same.
 */
public final class ChildProcesses {
  private static final ExecutorService PARENT =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("parent of machines").daemon(true).factory());

  private ChildProcesses() {}

  /** Starts one; any thread. */
  public static Process start(ProcessBuilder builder) throws IOException {
    try {
      return PARENT.submit(builder::start).get();
    } catch (ExecutionException e) {
      throw new IOException("cannot start a process: " + e.getCause().getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }
}
