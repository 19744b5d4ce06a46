package dev.pollux.tests.hostile;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationInfo;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.MigrationUri;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * Migrations with hostile peers, in a process of its own with little memory. Each case ends within
 * its time, with a sentence; the event loop answers all the time; the guest runs wherever it may
 * run, and nowhere else; and nothing piles up.
 *
 * <p>Arguments: first seed, seconds, number of cases (whichever ends first). Exit status 0 if all
 * went well; otherwise the last line of the output tells of the case by its seed.
 */
final class HostilePeerCampaign {
  private static final long CASE_SECONDS = 30;
  private static final int WARM_UP = 20;
  private static final int SETTLED_EVERY = 50;
  private static final long MOST_GROWTH = 12 << 20;
  private static final int MOST_DESCRIPTORS = 12;
  private static final int MOST_THREADS = 12;

  /** Where in a stream the first section is to be looked for. */
  private static final int MOST_HEADER = 1 << 16;

  private static byte[] stream;
  private static int header;

  private HostilePeerCampaign() {}

  /** What the process holds. */
  private record Holdings(long bytes, int descriptors, int threads) {
    static Holdings now() throws IOException {
      System.gc();
      long bytes = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
      for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
        bytes += pool.getMemoryUsed();
      }
      int descriptors = 0;
      try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
        for (Path _ : open) {
          descriptors++;
        }
      }
      return new Holdings(bytes, descriptors, ManagementFactory.getThreadMXBean().getThreadCount());
    }

    boolean isMoreThan(Holdings before) {
      return bytes > before.bytes + MOST_GROWTH
          || descriptors > before.descriptors + MOST_DESCRIPTORS
          || threads > before.threads + MOST_THREADS;
    }
  }

  public static void main(String[] args) throws Exception {
    long seed = Long.parseLong(args[0]);
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(args[1]));
    long most = Long.parseLong(args[2]);
    record();
    Holdings first = null;
    Holdings last = null;
    int count = 0;
    for (; count < most && System.nanoTime() < end; count++, seed++) {
      watched(seed);
      if (count == WARM_UP) {
        first = Holdings.now();
      } else if (first != null && count % SETTLED_EVERY == 0) {
        last = settled(first, seed);
      }
    }
    if (first != null) {
      last = settled(first, seed);
    }
    System.out.printf("%d cases; after %d: %s, at the end: %s%n", count, WARM_UP, first, last);
  }

  /** Holdings once what ended has let go; fails where they have grown. */
  private static Holdings settled(Holdings first, long seed) throws IOException {
    Holdings now = Holdings.now();
    for (int i = 0; i < 50 && now.isMoreThan(first); i++) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
      now = Holdings.now();
    }
    if (now.isMoreThan(first)) {
      fail(seed, "grown from %s to %s".formatted(first, now));
    }
    return now;
  }

  /** A watchdog ends the process, with all stacks, where a case hangs. */
  private static void watched(long seed) throws Exception {
    Thread main = Thread.currentThread();
    Thread dog =
        Thread.ofPlatform()
            .daemon(true)
            .start(
                () -> {
                  try {
                    Thread.sleep(TimeUnit.SECONDS.toMillis(CASE_SECONDS * 3));
                    Thread.getAllStackTraces()
                        .forEach(
                            (thread, stack) -> {
                              System.out.println(thread + (thread == main ? " (the case)" : ""));
                              for (StackTraceElement element : stack) {
                                System.out.println("    " + element);
                              }
                            });
                    fail(seed, "hangs");
                  } catch (InterruptedException e) {
                    // The case has ended.
                  }
                });
    try {
      if (new Random(seed).nextBoolean()) {
        destination(seed);
      } else {
        source(seed);
      }
    } catch (Exception | AssertionError e) {
      e.printStackTrace(System.out);
      fail(seed, e.toString());
    } finally {
      dog.interrupt();
    }
  }

  private static void fail(long seed, String what) {
    System.out.printf("seed %d: %s%n", seed, what);
    System.out.flush();
    Runtime.getRuntime().halt(1);
  }

  private static void check(boolean right, String what) {
    if (!right) {
      throw new AssertionError(what);
    }
  }

  private static boolean await(BooleanSupplier condition, long millis) {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        return false;
      }
      LockSupport.parkNanos(2_000_000);
    }
    return true;
  }

  private static MigrationStatus awaitEnd(HostilePeerMachine machine) {
    check(
        await(
            () -> machine.info().status().filter(s -> !s.isUnderWay()).isPresent(),
            TimeUnit.SECONDS.toMillis(CASE_SECONDS)),
        "no end: " + machine.info());
    return machine.info().status().orElseThrow();
  }

  /** Records a stream to make bad ones of. */
  private static void record() throws IOException {
    Path file = Files.createTempFile("hostile", ".stream");
    try (HostilePeerMachine machine = new HostilePeerMachine().run()) {
      machine.migrate(new MigrationAddress.File(file.toString(), 0), Set.of());
      check(awaitEnd(machine) == MigrationStatus.COMPLETED, "no stream was recorded");
      stream = Files.readAllBytes(file);
    } finally {
      Files.delete(file);
    }
    int looked = Math.min(stream.length, MOST_HEADER);
    header = new String(stream, 0, looked, StandardCharsets.ISO_8859_1).indexOf("\3ram") - 5;
  }

  // ---- a source with a hostile destination ----

  private static void destination(long seed) throws IOException {
    Random random = new Random(~seed);
    Set<MigrationCapability> capabilities = EnumSet.noneOf(MigrationCapability.class);
    if (random.nextInt(3) > 0) {
      capabilities.add(MigrationCapability.RETURN_PATH);
    }
    if (random.nextInt(3) == 0) {
      capabilities.add(MigrationCapability.MULTIFD);
    }
    HostilePeerDestination.Manner[] manners = HostilePeerDestination.Manner.values();
    HostilePeerDestination.Manner manner = manners[random.nextInt(manners.length)];
    long toRead =
        switch (random.nextInt(4)) {
          case 0 -> random.nextInt(200);
          case 1 -> random.nextInt(header + 400);
          case 2 -> random.nextInt(stream.length);
          default -> Long.MAX_VALUE - 1;
        };
    int accepted = random.nextInt(8) == 0 ? random.nextInt(3) : 3;
    try (HostilePeerMachine machine = new HostilePeerMachine().run();
        HostilePeerDestination peer =
            new HostilePeerDestination(manner, toRead, accepted, random.nextLong())) {
      machine.migrate(MigrationUri.parse("tcp:127.0.0.1:" + peer.port()), capabilities);
      boolean interrupted = random.nextInt(4) == 0;
      boolean ended =
          await(
              () -> !machine.info().status().orElseThrow().isUnderWay(),
              interrupted ? random.nextInt(300) : 3000);
      if (!ended) {
        interrupt(machine, random.nextBoolean());
      }
      MigrationStatus status = awaitEnd(machine);
      boolean runs = machine.state() == RunState.RUNNING;
      String all = "%s %s %s %s".formatted(manner, capabilities, machine.info(), machine.state());
      if (status == MigrationStatus.COMPLETED) {
        check(!runs, "the guest runs twice: " + all);
      } else if (!runs) {
        check(
            machine.info().errorDesc().orElse("").contains("may run there"),
            "the guest is lost: " + all);
        machine.order(
            () -> {
              machine.migration().cont();
              return true;
            });
      } else {
        check(!peer.hasEndMark() || peer.hasRefused(), "the guest may run twice: " + all);
      }
      if (status != MigrationStatus.COMPLETED) {
        check(machine.guestRuns(), "the guest does not run: " + all);
      }
    }
  }

  private static void interrupt(HostilePeerMachine machine, boolean yank) {
    machine.order(
        () -> {
          try {
            if (yank) {
              machine.migration().yank();
            } else {
              machine.migration().cancel();
            }
          } catch (ConfigException e) {
            // Too late to be cancelled, which has its own end.
          }
          return true;
        });
  }

  // ---- a destination with a hostile source ----

  private static void source(long seed) throws IOException {
    Random random = new Random(~seed);
    boolean multifd = random.nextInt(3) == 0;
    HostilePeerSource.Manner[] manners = HostilePeerSource.Manner.values();
    HostilePeerSource.Manner manner = manners[random.nextInt(manners.length)];
    try (HostilePeerMachine machine =
            new HostilePeerMachine()
                .listen(multifd ? EnumSet.of(MigrationCapability.MULTIFD) : Set.of());
        HostilePeerSource peer =
            new HostilePeerSource(stream, machine.address(), random.nextLong())) {
      Thread.ofPlatform()
          .name("hostile source")
          .daemon(true)
          .start(() -> peer.send(manner, header, multifd));
      BooleanSupplier ended =
          () -> machine.info().status().filter(s -> !s.isUnderWay()).isPresent();
      if (!await(ended, 3000)) {
        machine.migration().yank(); // it goes on, slowly or for ever
      }
      MigrationStatus status = awaitEnd(machine);
      MigrationInfo info = machine.info();
      String all = "%s %s %s".formatted(manner, info, machine.state());
      if (status == MigrationStatus.COMPLETED) {
        check(machine.state() != RunState.INMIGRATE, "arrived and not there: " + all);
      } else {
        check(status == MigrationStatus.FAILED, "another end: " + all);
        check(machine.state() == RunState.INMIGRATE, "half a guest: " + all);
        check(info.errorDesc().filter(why -> !why.isBlank()).isPresent(), "no reason: " + all);
        check(
            Optional.of("internal error")
                .filter(info.errorDesc().orElseThrow()::contains)
                .isEmpty(),
            "an internal error: " + all);
      }
    }
  }
}
