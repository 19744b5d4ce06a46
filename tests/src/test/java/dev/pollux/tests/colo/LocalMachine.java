package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.fail;

import dev.pollux.backend.chr.MemoryBackend;
import dev.pollux.cli.demo.CountingGuest;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.ExecutionEngine;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.interp.Interpreter;
import dev.pollux.core.jit.JitEngine;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.devices.board.BoardConfig;
import dev.pollux.devices.board.PcBoard;
import dev.pollux.devices.boot.KernelFiles;
import dev.pollux.devices.boot.KernelLoader;
import dev.pollux.devices.timer.RtcBase;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.LiveMigration;
import dev.pollux.migration.MigrationAddress;
import dev.pollux.migration.MigrationCapability;
import dev.pollux.migration.MigrationListener;
import dev.pollux.migration.MigrationParameters;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.MigrationUri;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** A machine with the counting guest in this process: many faults in little time. */
final class LocalMachine implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 30;
  private static final long RAM = 16 << 20;

  private final Machine machine;
  private final MemoryBackend serial = new MemoryBackend("serial");
  private final StringBuilder console = new StringBuilder();
  private final LiveMigration migration;
  private final CompletableFuture<ColoStatus.ExitReason> exited = new CompletableFuture<>();
  private final Thread loop;

  /** Why it was shut down, each time. */
  private final List<ShutdownCause> shutdowns = new CopyOnWriteArrayList<>();

  /**
   * @param generator code is generated, rather than interpreted
   * @param waits for an incoming migration, rather than running
   */
  LocalMachine(Path kernel, boolean generator, boolean waits) throws IOException {
    this(kernel, generator, waits, new Machine.EndPolicy(false, true));
  }

  /** As above, with a way to handle its guest's end. */
  LocalMachine(Path kernel, boolean generator, boolean waits, Machine.EndPolicy policy)
      throws IOException {
    machine = new Machine("local", policy);
    migration = new LiveMigration(machine, "pc", new UUID(0, 0));
    loop = Thread.ofPlatform().daemon(true).unstarted(machine.loop()::run);
    machine.addListener(
        new MachineListener() {
          @Override
          public void shutdown(ShutdownCause cause) {
            shutdowns.add(cause);
          }
        });
    machine.lock().lock();
    try {
      PcBoard board =
          new PcBoard(
              machine,
              new BoardConfig(
                  RAM,
                  1,
                  new CpuModel("qemu64"), // the same with both engines, on every host
                  generator ? LocalMachine::generator : Interpreter::new,
                  new RtcBase(1_000_000_000, ClockType.VIRTUAL)));
      board.addSerialPort(0, serial);
      KernelLoader loader = KernelLoader.install(board, new KernelFiles(kernel, List.of(), ""));
      machine.resetDevices();
      loader.boot();
      migration.addListener(
          new MigrationListener() {
            @Override
            public void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {
              exited.complete(reason);
            }
          });
      if (waits) {
        migration.expect(Optional.empty());
      }
    } finally {
      machine.lock().unlock();
    }
    loop.start();
    if (!waits) {
      machine.loop().post(machine::start);
    }
  }

  private static ExecutionEngine generator(Vcpu vcpu) {
    try {
      return new JitEngine(vcpu, new Interpreter(vcpu));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Runs something on the event loop. */
  <T> T onLoop(Supplier<T> work) {
    try {
      return machine.loop().call(work).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError(e.getCause());
    } catch (InterruptedException | TimeoutException e) {
      return fail("the event loop hangs", e);
    }
  }

  private boolean configure(int delay) {
    Map<MigrationCapability, Boolean> on = new EnumMap<>(MigrationCapability.class);
    on.put(MigrationCapability.RETURN_PATH, true);
    on.put(MigrationCapability.X_COLO, true);
    migration.setCapabilities(on);
    migration.setParameters(parameters(delay));
    return true;
  }

  /** A change of two parameters: all others are absent. */
  private static MigrationParameters parameters(long delay) {
    try {
      RecordComponent[] components = MigrationParameters.class.getRecordComponents();
      Object[] values = new Object[components.length];
      Class<?>[] types = new Class<?>[components.length];
      for (int i = 0; i < components.length; i++) {
        types[i] = components[i].getType();
        values[i] =
            switch (components[i].getName()) {
              case "xCheckpointDelay" -> Optional.of(delay);
              case "downtimeLimit" -> Optional.of(30_000L);
              default -> Optional.empty();
            };
      }
      return MigrationParameters.class.getDeclaredConstructor(types).newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Keeps the event loop busy, without the machine lock, until the latch is open. */
  void holdLoop(CountDownLatch latch) {
    machine
        .loop()
        .post(
            () -> {
              machine.lock().unlock();
              try {
                boolean _ = latch.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              } finally {
                machine.lock().lock();
              }
            });
  }

  /** Runs something on the event loop whenever the guest goes on. */
  void onResume(Runnable work) {
    machine.addListener(
        new MachineListener() {
          @Override
          public void resumed() {
            work.run();
          }
        });
  }

  /** Runs something on the event loop at each change of a migration's status. */
  void onStatus(Consumer<MigrationStatus> work) {
    migration.addListener(
        new MigrationListener() {
          @Override
          public void statusChanged(MigrationStatus status) {
            work.accept(status);
          }
        });
  }

  /** Why it was shut down, each time. */
  List<ShutdownCause> shutdowns() {
    return List.copyOf(shutdowns);
  }

  /** Whether the emulator has ended, as far as it does that by itself. */
  boolean hasEnded() {
    return !loop.isAlive();
  }

  /** What went wrong last in a pair, for people. */
  String lastError() {
    return migration.coloStatistics().lastError().orElse("");
  }

  /** Begins to listen; the port. */
  int listen() {
    return onLoop(
        () -> {
          configure(1000);
          migration.incoming(MigrationUri.parse("tcp:127.0.0.1:0"), false);
          MigrationAddress.SocketAddress at =
              migration.info().socketAddress().orElseThrow().getFirst();
          return Integer.parseInt(((MigrationAddress.Inet) at).port());
        });
  }

  /** Becomes the primary of the machine that listens at a port. */
  void pairWith(int port, int delay) {
    boolean _ =
        onLoop(
            () -> {
              configure(delay);
              migration.migrate(MigrationUri.parse("tcp:127.0.0.1:" + port), false);
              return true;
            });
  }

  Machine machine() {
    return machine;
  }

  LiveMigration migration() {
    return migration;
  }

  long checkpoints() {
    return migration.coloStatistics().checkpoints();
  }

  /**
   * How far the guest has counted at least: the largest number in its memory.
   *
   * @param pages that it counts in
   */
  long counted(int pages) {
    long memory = machine.ramBlocks().getFirst().hostAddress() + CountingGuest.TABLE;
    long most = 0;
    for (int i = 0; i < pages; i++) {
      most = Math.max(most, RawMemory.getInt(memory + (long) i * RamBlock.PAGE_SIZE));
    }
    return most;
  }

  /** All that the guest has printed. */
  synchronized String console() {
    return console.append(serial.takeOutput()).toString();
  }

  /** Waits for the end of COLO here. */
  ColoStatus.ExitReason awaitExit(long seconds) {
    try {
      return exited.get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException | InterruptedException | TimeoutException e) {
      return fail("COLO has not ended within " + seconds + " s", e);
    }
  }

  /** What the machine is doing. */
  RunState state() {
    return machine.runState().current();
  }

  void awaitState(RunState state) {
    await(state.toString(), () -> state() == state);
  }

  /** Whether a migration has failed here. */
  boolean hasFailed() {
    return onLoop(() -> migration.info().status().filter(MigrationStatus.FAILED::equals))
        .isPresent();
  }

  /** Whether COLO has ended here. */
  boolean hasExited() {
    return exited.isDone();
  }

  /** Whether COLO has begun here. */
  boolean isPaired() {
    return migration.coloStatus().mode() != ColoStatus.Mode.NONE;
  }

  static void await(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        fail("not within %d s: %s".formatted(PATIENCE_SECONDS, what));
      }
      ColoMachine.pause(2);
    }
  }

  /** Goes on alone: asks for the failover, then checks that the guest counts on without a gap. */
  void goOnAlone(long known) {
    boolean _ =
        onLoop(
            () -> {
              migration.lostHeartbeat();
              return true;
            });
    await(
        "the failover",
        () -> !migration.colo().isActive() && machine.runState().is(RunState.RUNNING));
    goOn(known);
  }

  /** The guest runs and counts on without a gap. */
  void goOn(long known) {
    await("the guest", () -> machine.runState().is(RunState.RUNNING));
    int from = console().length();
    await("ticks", () -> CountedTicks.since(console(), from).size() >= 4);
    CountedTicks.assertUnbroken(console(), from, known);
  }

  @Override
  public void close() {
    machine.loop().stop();
    try {
      loop.join(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (loop.isAlive()) {
      fail("the event loop hangs");
    }
    migration.close();
    machine.close();
  }
}
