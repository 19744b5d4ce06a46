package dev.pollux.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.migration.transport.PeerWatch;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A machine with its event loop and migrations in this process. Its guest goes round the pages from
 * {@link #FIRST} on for ever and increments the first byte of each.
 */
final class TestVm implements AutoCloseable {
  static final int FIRST = 0x1_0000;
  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(60);
  private static final int CODE = 0x1000;

  private final BareMachine bare;
  private final LiveMigration migration;
  private final Thread loop;
  private final List<String> events = new CopyOnWriteArrayList<>();
  private final int end;

  TestVm(int ramBytes) {
    this(ramBytes, ramBytes);
  }

  /**
   * @param end address at which the guest begins anew
   */
  TestVm(int ramBytes, int end) {
    this(ramBytes, end, PeerWatch.PATIENCE);
  }

  /**
   * @param patience with peers
   */
  TestVm(int ramBytes, int end, Duration patience) {
    this.end = end;
    bare = new BareMachine(ramBytes);
    migration = new LiveMigration(bare.machine(), "bare", new UUID(1, 2), patience);
    migration.addListener(
        new MigrationListener() {
          @Override
          public void statusChanged(MigrationStatus status) {
            events.add(status.label());
          }

          @Override
          public void pass(long number) {
            events.add("pass " + number);
          }
        });
    bare.machine()
        .addListener(
            new MachineListener() {
              @Override
              public void stopped() {
                events.add("STOP");
              }

              @Override
              public void resumed() {
                events.add("RESUME");
              }
            });
    loop = Thread.ofPlatform().daemon(true).start(bare.machine().loop()::run);
  }

  /** Starts the guest. */
  TestVm run() {
    call(
        () -> {
          bare.enterProtectedMode();
          // mov esi, FIRST; inc byte [esi]; add esi, 4096; cmp esi, end; jb; jmp
          String program =
              "be 00000100 fe06 81c6 00100000 81fe %08x 72f0 ebe9"
                  .formatted(Integer.reverseBytes(end));
          bare.load(CODE, HexFormat.of().parseHex(program.replace(" ", "")));
          bare.state().setRip(CODE);
          machine().start();
          return null;
        });
    await(() -> firstByte(end - RamBlock.PAGE_SIZE) != 0, "the guest's first round");
    return this;
  }

  /** Waits for a migration at an address. */
  TestVm expect(MigrationAddress at, boolean exitOnError) {
    return expect(at, exitOnError, new MigrationCapability[0]);
  }

  TestVm expect(MigrationAddress at, boolean exitOnError, MigrationCapability... capabilities) {
    enable(capabilities);
    call(
        () -> {
          migration.expect(Optional.empty());
          migration.incoming(at, exitOnError);
          return null;
        });
    return this;
  }

  void enable(MigrationCapability... capabilities) {
    Map<MigrationCapability, Boolean> changes = new EnumMap<>(MigrationCapability.class);
    for (MigrationCapability capability : capabilities) {
      changes.put(capability, true);
    }
    call(
        () -> {
          migration.setCapabilities(changes);
          return null;
        });
  }

  /** Limits what flows while the guest runs; 1 ms of downtime makes the limit felt. */
  void throttle(long bytesPerSecond) {
    parameters(bytesPerSecond, 1);
  }

  void unthrottle() {
    parameters(0, 2_000_000);
  }

  private void parameters(long bandwidth, long downtime) {
    order(migration -> migration.setParameters(TestParameters.of(bandwidth, downtime)));
  }

  /** Sets parameters, by the names of the record's components. */
  void set(Map<String, ?> parameters) {
    order(migration -> migration.setParameters(TestParameters.of(parameters)));
  }

  /** The address at which a destination listens. */
  MigrationAddress address() {
    return call(() -> migration.info().socketAddress().orElseThrow().getFirst());
  }

  void migrate(MigrationAddress to) {
    call(
        () -> {
          migration.migrate(to, false);
          return null;
        });
  }

  /** Has the event loop do something with the migration. */
  void order(Consumer<LiveMigration> order) {
    boolean _ =
        call(
            () -> {
              order.accept(migration);
              return true;
            });
  }

  <T> T call(Supplier<T> work) {
    try {
      return machine().loop().call(work).get(60, TimeUnit.SECONDS);
    } catch (java.util.concurrent.ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new AssertionError(e);
    } catch (InterruptedException | java.util.concurrent.TimeoutException e) {
      throw new AssertionError("the event loop is stuck", e);
    }
  }

  MigrationInfo info() {
    return call(migration::info);
  }

  Optional<MigrationStatus> status() {
    return info().status();
  }

  void awaitStatus(MigrationStatus status) {
    await(() -> status().equals(Optional.of(status)), status + ", events " + events);
  }

  void awaitState(RunState state) {
    await(() -> machine().runState().is(state), state.toString());
  }

  static void await(BooleanSupplier condition, String what) {
    long deadline = System.nanoTime() + PATIENCE;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        fail("no " + what);
      }
      LockSupport.parkNanos(1_000_000);
    }
  }

  LiveMigration migration() {
    return migration;
  }

  Machine machine() {
    return bare.machine();
  }

  List<String> events() {
    return List.copyOf(events);
  }

  RamBlock ram() {
    return bare.ram();
  }

  int firstByte(long address) {
    return bare.memory(address, 1)[0] & 0xff;
  }

  /** The guest runs: its bytes change. */
  void assertRunning() {
    int before = firstByte(FIRST);
    await(() -> firstByte(FIRST) != before, "guest that runs");
  }

  /**
   * Stops the guest and checks its memory: going along the pages the byte drops by one, at most
   * once, and never rises.
   */
  void assertIntact() {
    call(
        () -> {
          if (machine().runState().current().isRunning()) {
            machine().stop(RunState.PAUSED);
          }
          return null;
        });
    int drops = 0;
    for (int page = FIRST + RamBlock.PAGE_SIZE; page < end; page += RamBlock.PAGE_SIZE) {
      int step = firstByte(page) - firstByte(page - RamBlock.PAGE_SIZE) & 0xff;
      if (step != 0) {
        assertEquals(0xff, step, "at address " + Integer.toHexString(page));
        drops++;
      }
    }
    assertEquals(true, drops <= 1, drops + " places where the round stands");
  }

  @Override
  public void close() {
    machine().loop().stop();
    try {
      loop.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    migration.close();
    bare.close();
  }
}
