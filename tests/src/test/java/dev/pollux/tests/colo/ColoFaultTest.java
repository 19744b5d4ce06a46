package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.migration.ColoStatus;
import dev.pollux.tests.colo.FaultProxy.Fault;
import dev.pollux.tests.colo.FaultProxy.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The connection of a pair is cut, changed or stalled anywhere in a checkpoint or between two. Then
 * both sides notice, and the guest of each goes on from a whole state: the guest checks that
 * itself.
 *
 * <p>{@code -Dcolo.faults=2000} makes it a campaign, {@code -Dcolo.seed=n} begins with another
 * fault; a failure names the seed that shows it alone with {@code -Dcolo.faults=1}.
 */
class ColoFaultTest {
  private static final int DELAY = 10;

  /** One fault in so many is a stall, which takes seconds to be noticed. */
  private static final int STALLS = 20;

  @TempDir private Path folder;

  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void survivorGoesOnFromWholeState() throws Exception {
    int faults = Integer.getInteger("colo.faults", 200);
    long seed = Long.getLong("colo.seed", 1);
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(512, 64));
    for (long i = seed; i < seed + faults; i++) {
      Random random = new Random(i * 0x9e37_79b9_7f4a_7c15L);
      Fault fault = Fault.of(random, i % STALLS == 0);
      try {
        survive(kernel, fault, random.nextInt(4) != 0);
      } catch (AssertionError | Exception e) {
        throw new AssertionError("-Dcolo.faults=1 -Dcolo.seed=%d: %s".formatted(i, fault), e);
      }
    }
  }

  private static void survive(Path kernel, Fault fault, boolean generator) throws Exception {
    try (LocalMachine primary = new LocalMachine(kernel, generator, false);
        LocalMachine secondary = new LocalMachine(kernel, generator, true);
        FaultProxy proxy = new FaultProxy(secondary.listen())) {
      LocalMachine.await("the guest", () -> CountedTicks.last(primary.console()) > 0);
      primary.pairWith(proxy.port(), DELAY);
      awaitCheckpoints(secondary, 2);
      long known = CountedTicks.last(primary.console());
      awaitCheckpoints(secondary, 2);
      proxy.arm(fault);
      proxy.happened().get(30, TimeUnit.SECONDS);
      long patience = fault.kind() == Kind.CUT ? 5 : 20;
      assertEquals(ColoStatus.ExitReason.ERROR, secondary.awaitExit(patience));
      assertEquals(ColoStatus.ExitReason.ERROR, primary.awaitExit(patience));
      long last = CountedTicks.last(primary.console());
      secondary.goOnAlone(known);
      primary.goOnAlone(last - 1);
    }
  }

  /** The connection breaks before the first checkpoint: the primary's guest goes on in any case. */
  @Test
  @Timeout(value = 4, unit = TimeUnit.HOURS)
  void primaryGoesOnIfThePairIsNeverMade() throws Exception {
    int faults = Math.max(20, Integer.getInteger("colo.faults", 200) / 10);
    long seed = Long.getLong("colo.seed", 1);
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(512, 64));
    for (long i = seed; i < seed + faults; i++) {
      Random random = new Random(i);
      // The whole migration is some megabytes; its last bytes, and the first of COLO, matter most.
      boolean toSecondary = random.nextBoolean();
      long after = toSecondary ? random.nextInt(3 << 20) : random.nextInt(28);
      Fault fault = new Fault(Kind.CUT, toSecondary, after, null);
      try {
        breakBeforePair(kernel, fault);
      } catch (AssertionError | Exception e) {
        throw new AssertionError("-Dcolo.seed=%d: %s".formatted(i, fault), e);
      }
    }
  }

  /**
   * The migration fails while the event loop is late to stop the guest: it goes on all the same.
   */
  @Test
  @Timeout(60)
  void guestThatIsStoppedLateGoesOn() throws Exception {
    Path kernel = Files.write(folder.resolve("guest"), CountingGuest.image(64, 16));
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true);
        FaultProxy proxy = new FaultProxy(secondary.listen())) {
      LocalMachine.await("the guest", () -> CountedTicks.last(primary.console()) > 0);
      CountDownLatch latch = new CountDownLatch(1);
      primary.pairWith(proxy.port(), 60_000);
      primary.holdLoop(latch);
      ColoMachine.pause(500); // the migration thread now waits for the guest to be stopped
      proxy.cut();
      ColoMachine.pause(200);
      latch.countDown();
      LocalMachine.await("the end", () -> primary.hasFailed() || primary.hasExited());
      if (primary.hasFailed()) {
        primary.goOn(0);
      }
    }
  }

  private static void breakBeforePair(Path kernel, Fault fault) throws Exception {
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true);
        FaultProxy proxy = new FaultProxy(secondary.listen())) {
      LocalMachine.await("the guest", () -> CountedTicks.last(primary.console()) > 0);
      proxy.arm(fault);
      primary.pairWith(proxy.port(), 60_000);
      LocalMachine.await("the fault", () -> proxy.happened().isDone() || secondary.isPaired());
      proxy.cut();
      LocalMachine.await("the end", () -> primary.hasFailed() || primary.hasExited());
      long last = CountedTicks.last(primary.console());
      if (primary.hasFailed()) {
        primary.goOn(last - 1);
      } else {
        primary.goOnAlone(last - 1);
      }
      LocalMachine.await("the end", () -> secondary.hasFailed() || secondary.hasExited());
      if (secondary.hasExited()) {
        secondary.goOnAlone(0);
      }
    }
  }

  private static void awaitCheckpoints(LocalMachine secondary, int number) throws IOException {
    long goal = secondary.checkpoints() + number;
    LocalMachine.await("checkpoints", () -> secondary.checkpoints() >= goal);
  }
}
