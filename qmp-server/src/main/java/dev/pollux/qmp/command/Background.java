package dev.pollux.qmp.command;

import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;

/** Work of a command that waits for others than the machine. */
final class Background {
  private Background() {}

  /**
   * Runs {@code work} on a thread of its own.
   *
   * @param name of the thread
   * @return completes with its result, or with what it throws
   */
  static <T> CompletableFuture<T> run(String name, Callable<T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    var _ =
        Thread.ofPlatform()
            .name(name)
            .daemon(true)
            .start(
                () -> {
                  try {
                    result.complete(work.call());
                  } catch (Exception | Error e) {
                    result.completeExceptionally(e);
                  }
                });
    return result;
  }
}
