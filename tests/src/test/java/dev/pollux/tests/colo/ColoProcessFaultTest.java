package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Processes of pairs die, freeze or pause, at each step of a checkpoint and at any other moment;
 * the survivor's guest goes on from a whole state, which the guest checks itself, and becomes the
 * primary of the next pair.
 *
 * <p>{@code -Dcolo.process.faults=2000} makes it a campaign, {@code -Dcolo.process.seed=n} begins
 * with another fault; a failure names the seed that shows it alone, as far as time can be repeated,
 * with {@code -Dcolo.process.faults=1}.
 */
class ColoProcessFaultTest {
  /** Chains that run side by side: who waits for a frozen peer to be noticed needs no processor. */
  private static final int CHAINS = 3;

  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path folder;
  private final AtomicBoolean failed = new AtomicBoolean();

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void survivorGoesOnFromWholeState() throws Exception {
    long faults = Long.getLong("colo.process.faults", ProcessFault.ROUND);
    long first = Long.getLong("colo.process.seed", 0);
    // Those that live longer shall show whether they need more and more.
    List<String> jvmOptions = List.of("-Xms32m");
    ColoMachines machines = new ColoMachines(folder, 512, 64, jvmOptions);
    try (ExecutorService executor = Executors.newCachedThreadPool()) {
      List<Future<?>> chains = new ArrayList<>();
      for (long chain = first; chain < first + Math.min(CHAINS, faults); chain++) {
        long begin = chain;
        chains.add(
            executor.submit(
                () -> {
                  run(machines, begin, first + faults);
                  return null;
                }));
      }
      for (Future<?> chain : chains) {
        chain.get();
      }
    }
  }

  private void run(ColoMachines machines, long first, long end) throws Exception {
    try (ColoChain chain = new ColoChain(machines, "chain" + first)) {
      for (long number = first; number < end && !failed.get(); number += CHAINS) {
        ProcessFault fault = ProcessFault.of(number);
        try {
          assertTimeoutPreemptively(PATIENCE, () -> chain.survive(fault));
        } catch (AssertionError | Exception e) {
          throw new AssertionError(
              "-Dcolo.process.faults=1 -Dcolo.process.seed=%d: %s\n%s"
                  .formatted(number, fault, chain.describe()),
              e);
        }
      }
      chain.end();
    } catch (AssertionError | Exception e) {
      failed.set(true);
      throw e;
    }
  }
}
