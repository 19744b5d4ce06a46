package dev.pollux.migration;

import dev.pollux.core.machine.Machine;
import dev.pollux.migration.stream.StreamConfiguration;
import java.io.IOException;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * What the migrations of a machine share.
 *
 * @param machineType as both sides must have it, for instance {@code pc}
 * @param uuid identity of the machine, all zero where none was given
 * @param capabilities in force
 * @param parameters gives those in force
 * @param listener hears of everything
 * @param patience with a peer that does nothing
 */
public record MigrationContext(
    Machine machine,
    String machineType,
    UUID uuid,
    MigrationCapabilities capabilities,
    Supplier<MigrationParameters> parameters,
    MigrationListener listener,
    Duration patience) {
  private static final long LOOK_MS = 20;

  /** What the other side must agree to. */
  StreamConfiguration configuration() {
    return StreamConfiguration.of(machineType, machine);
  }

  /** Runs on the event loop of a machine that may end meanwhile. */
  @FunctionalInterface
  public interface Ending {
    /** Throws if the emulator ends, so that nothing more can be awaited of its event loop. */
    void check() throws IOException;
  }

  /**
   * Runs work on the event loop, with the machine lock held, and waits for its result. Migration
   * threads.
   */
  public <T> T onLoop(Ending ending, Supplier<T> work) throws IOException {
    CompletableFuture<T> result = machine.loop().call(work);
    while (true) {
      try {
        return result.get(LOOK_MS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        ending.check();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      } catch (ExecutionException e) {
        throw new IOException("internal error: " + e.getCause(), e);
      }
    }
  }
}
