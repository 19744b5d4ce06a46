package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.colo.CheckpointListener;
import dev.pollux.tests.colo.FaultProxy.AtMessage;
import dev.pollux.tests.colo.FaultProxy.Fault;
import dev.pollux.tests.colo.FaultProxy.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Both guests of a pair say all the time how far they have counted. Each number that leaves the
 * primary is held, at that instant, against what the secondary has then: a state in which the guest
 * had counted so far, which is in place or for which it has sent VMSTATE_RECEIVED; or its own guest
 * has said the same in its present state. The connection stands still and breaks at messages of
 * checkpoints. What the secondary's guest says leaves from the takeover on, and by then it has
 * counted as far as any number that has left. {@code -Dcolo.output.pairs=} is for more pairs,
 * {@code -Dcolo.output.seed=} for others.
 */
@Timeout(600)
class OutputInstantTest {
  private static final int PAIRS = Integer.getInteger("colo.output.pairs", 8);
  private static final long SEED = Long.getLong("colo.output.seed", 1);

  private static final int PAGES = 64;
  private static final int SELDOM = 60_000;
  private static final int RECEIVED = 5;

  /** The messages to the primary at which something happens: REPLY, RECEIVED, LOADED. */
  private static final List<Integer> MESSAGES = List.of(2, RECEIVED, 6);

  @TempDir private Path folder;
  private Path kernel;

  /** How far the guest had counted in each state that was taken. */
  private final List<Long> taken = new CopyOnWriteArrayList<>();

  private final AtomicInteger received = new AtomicInteger();

  /** What the secondary's guest has said in its present state. */
  private final Set<Long> said = ConcurrentHashMap.newKeySet();

  private final Queue<String> wrong = new ConcurrentLinkedQueue<>();
  private final AtomicLong left = new AtomicLong();
  private final AtomicLong farthest = new AtomicLong();
  private final AtomicLong fromSecondary = new AtomicLong();

  /** How far the secondary's guest had counted when it took over; -1 before. */
  private final AtomicLong takenOver = new AtomicLong(-1);

  /** The number of the state that the secondary's guest has now. */
  private volatile LongSupplier inPlace;

  private volatile boolean paired;

  @BeforeEach
  void writeGuest() throws Exception {
    kernel = Files.write(folder.resolve("guest"), CountingGuest.image(PAGES, 16));
  }

  @Test
  void nothingLeavesBeforeTheSecondaryHasIt() throws Exception {
    Random random = new Random(SEED);
    long all = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
      run(Files.createDirectory(folder.resolve("pair" + pair)), random);
      assertEquals(List.of(), List.copyOf(wrong), "pair %d of seed %d".formatted(pair, SEED));
      all += left.get();
    }
    assertTrue(all > PAIRS, "something has to leave at all");
  }

  private void begin() {
    paired = false;
    taken.clear();
    received.set(0);
    said.clear();
    left.set(0);
    farthest.set(0);
    fromSecondary.set(0);
    takenOver.set(-1);
  }

  private void run(Path home, Random random) throws Exception {
    begin();
    try (LocalMachine primary = new LocalMachine(kernel, true, false);
        LocalMachine secondary = new LocalMachine(kernel, true, true);
        LocalNetwork ours = new LocalNetwork(primary, this::leaves);
        LocalNetwork theirs = new LocalNetwork(secondary, this::leavesSecondary)) {
      LocalMachine.await("the guest", () -> primary.counted(PAGES) > 0);
      step(primary, () -> ours.wirePrimary(home));
      step(secondary, () -> theirs.wireSecondary(home));
      step(primary, () -> assertCanBeChanged(ours));
      listen(primary, secondary);
      try (FaultProxy proxy = new FaultProxy(secondary.listen())) {
        proxy.onMessage(code -> received.addAndGet(code == RECEIVED ? 1 : 0));
        primary.pairWith(proxy.port(), SELDOM);
        LocalMachine.await("the pair", () -> primary.isPaired() && secondary.isPaired());
        secondary.awaitState(RunState.RUNNING);
        primary.awaitState(RunState.RUNNING);
        for (int i = 0; i < 4; i++) {
          stall(proxy, primary, ours, secondary, theirs, random);
        }
        proxy.arm(fault(Kind.CUT, random));
        speak(primary, ours, secondary, theirs, secondary::hasExited);
      }
      step(secondary, secondary.migration()::lostHeartbeat);
      LocalMachine.await("the takeover", () -> takenOver.get() >= 0);
      step(secondary, theirs::unwireSecondary);
      speak(primary, ours, secondary, theirs, () -> fromSecondary.get() > 0);
      paired = false; // a comparison that is taken away lets go of what it holds
      assertTrue(farthest.get() <= takenOver.get(), "it has counted as far as all that has left");
    }
  }

  /** As with QEMU, while it compares. */
  private static void assertCanBeChanged(LocalNetwork network) {
    for (String property : List.of("compare_timeout", "expired_scan_cycle", "max_queue_size")) {
      assertEquals(900L, network.compareWith(property, 900L));
      assertEquals(
          "Property 'colo-compare.%s' requires a positive value".formatted(property),
          assertThrows(ConfigException.class, () -> network.compareWith(property, 0L))
              .getMessage());
      assertThrows(ConfigException.class, () -> network.compareWith(property, -1L));
      assertEquals(1000L, network.compareWith(property, 1000L));
    }
    assertEquals(3000L, network.compareWith("compare_timeout", 3000L));
  }

  private static void step(LocalMachine machine, Runnable work) {
    boolean _ =
        machine.onLoop(
            () -> {
              work.run();
              return true;
            });
  }

  private static Fault fault(Kind kind, Random random) {
    AtMessage at =
        new AtMessage(MESSAGES.get(random.nextInt(MESSAGES.size())), random.nextBoolean());
    return new Fault(kind, false, 0, at);
  }

  /** Nothing comes through for a while, from some message on, while both guests go on. */
  private void stall(
      FaultProxy proxy,
      LocalMachine primary,
      LocalNetwork ours,
      LocalMachine secondary,
      LocalNetwork theirs,
      Random random) {
    CompletedStall stall = new CompletedStall(proxy, random);
    speak(primary, ours, secondary, theirs, stall::isOver);
  }

  /** A connection that stands still for a moment, and goes on. */
  private static final class CompletedStall {
    private final FaultProxy proxy;
    private final int words;
    private int heard;

    CompletedStall(FaultProxy proxy, Random random) {
      this.proxy = proxy;
      words = 5 + random.nextInt(60);
      proxy.arm(fault(Kind.STALL, random));
    }

    /** Asked after each word of the guests. */
    boolean isOver() {
      if (!proxy.isStalled()) {
        return false;
      }
      if (heard++ < words) {
        return false;
      }
      proxy.release();
      return true;
    }
  }

  /** Has both guests say how far they are, until something is so. */
  private void speak(
      LocalMachine primary,
      LocalNetwork ours,
      LocalMachine secondary,
      LocalNetwork theirs,
      BooleanSupplier until) {
    LocalMachine.await(
        "the end of the talk",
        () -> {
          speak(primary, ours, false);
          speak(secondary, theirs, true);
          return until.getAsBoolean();
        });
  }

  private void speak(LocalMachine machine, LocalNetwork network, boolean isSecondary) {
    step(
        machine,
        () -> {
          if (machine.state() == RunState.RUNNING) {
            long number = machine.counted(PAGES);
            if (isSecondary) {
              said.add(number);
            }
            network.say(number);
          }
        });
  }

  private void listen(LocalMachine primary, LocalMachine secondary) {
    inPlace = secondary.migration().colo()::checkpoint;
    primary
        .migration()
        .colo()
        .addListener(
            new CheckpointListener() {
              @Override
              public void began() {
                paired = true;
              }

              @Override
              public void taken() {
                taken.add(primary.counted(PAGES));
              }

              @Override
              public void failedOver() {
                paired = false;
              }
            });
    secondary
        .migration()
        .colo()
        .addListener(
            new CheckpointListener() {
              @Override
              public void loaded() {
                said.clear();
              }

              @Override
              public void failedOver() {
                takenOver.set(secondary.counted(PAGES));
              }
            });
  }

  /** A number leaves the primary. */
  private void leaves(long number) {
    if (!paired) {
      return;
    }
    left.incrementAndGet();
    farthest.accumulateAndGet(number, Math::max);
    int states = (int) Math.max(received.get(), inPlace.getAsLong());
    boolean kept = states > 0 && number <= taken.get(states - 1);
    if (!kept && !said.contains(number)) {
      wrong.add("%d left, with %d states received of %s".formatted(number, states, taken));
    }
  }

  private void leavesSecondary(long number) {
    fromSecondary.incrementAndGet();
    if (takenOver.get() < 0) {
      wrong.add("the secondary's %d left".formatted(number));
    }
  }
}
