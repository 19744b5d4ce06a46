package dev.pollux.tests.hostile;

import dev.pollux.core.machine.BareMachine;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationInfo;
import dev.pollux.migration.MigrationSettings;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/**
 * A small machine whose migrations have hostile peers. Its guest writes all its memory over and
 * over; its event loop must answer at any time, or the case has failed.
 */
final class HostilePeerMachine implements AutoCloseable {
  static final UUID IDENTITY = new UUID(1, 2);

  /** More than a socket on either side holds by itself. */
  private static final int RAM = 10 << 20;

  private static final int FIRST = 0x1_0000;
  private static final int CODE = 0x1000;
  private static final long ANSWER_SECONDS = 10;
  private static final Duration PATIENCE = Duration.ofMillis(400);

  private final BareMachine bare = new BareMachine(RAM);
  private final LiveMigration migration =
      new LiveMigration(bare.machine(), "bare", IDENTITY, PATIENCE);
  private final Thread loop = Thread.ofPlatform().daemon(true).start(bare.machine().loop()::run);

  /** Starts the guest. */
  HostilePeerMachine run() {
    return order(
        () -> {
          bare.enterProtectedMode();
          // mov esi, FIRST; inc byte [esi]; add esi, 4096; cmp esi, RAM; jb; jmp
          bare.load(
              CODE, HexFormat.of().parseHex("be00000100fe0681c60010000081fe0000a00072f0ebe9"));
          bare.state().setRip(CODE);
          bare.machine().start();
          return this;
        });
  }

  /** Begins to listen. */
  HostilePeerMachine listen(Set<MigrationCapability> capabilities) {
    return order(
        () -> {
          enable(capabilities);
          migration.expect(Optional.empty());
          migration.incoming(
              new MigrationAddress.Inet("127.0.0.1", "0", Optional.empty(), Optional.empty()),
              false);
          return this;
        });
  }

  InetSocketAddress address() {
    MigrationAddress at = info().socketAddress().orElseThrow().getFirst();
    return new InetSocketAddress(
        InetAddress.getLoopbackAddress(), Integer.parseInt(((MigrationAddress.Inet) at).port()));
  }

  /** Begins to migrate as fast as possible. */
  HostilePeerMachine migrate(MigrationAddress to, Set<MigrationCapability> capabilities) {
    return order(
        () -> {
          enable(capabilities);
          migration.setParameters(MigrationSettings.parameter("max-bandwidth", "0"));
          migration.setParameters(MigrationSettings.parameter("downtime-limit", "30000"));
          migration.migrate(to, false);
          return this;
        });
  }

  private void enable(Set<MigrationCapability> capabilities) {
    Map<MigrationCapability, Boolean> on = new EnumMap<>(MigrationCapability.class);
    capabilities.forEach(capability -> on.put(capability, true));
    migration.setCapabilities(on);
  }

  MigrationInfo info() {
    return order(migration::info);
  }

  LiveMigration migration() {
    return migration;
  }

  RunState state() {
    return bare.machine().runState().current();
  }

  /** Has the event loop do something, which is also the watchdog's look at it. */
  <T> T order(Supplier<T> work) {
    try {
      return bare.machine().loop().call(work).get(ANSWER_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new AssertionError(e);
    } catch (InterruptedException | TimeoutException e) {
      throw new AssertionError("the event loop does not answer", e);
    }
  }

  /** Whether the guest executes. */
  boolean guestRuns() {
    int before = bare.memory(FIRST, 1)[0];
    for (int i = 0; i < 2000; i++) {
      if (bare.memory(FIRST, 1)[0] != before) {
        return true;
      }
      LockSupport.parkNanos(1_000_000);
    }
    return false;
  }

  @Override
  public void close() {
    bare.machine().loop().stop();
    try {
      loop.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    migration.close();
    bare.close();
  }
}
