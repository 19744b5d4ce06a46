package dev.pollux.migration.colo;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.MachineListener;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.ColoStatistics;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationContext;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.StatusHolder;
import dev.pollux.migration.ram.DirtyPages;
import dev.pollux.migration.ram.PageRecords;
import dev.pollux.migration.ram.RamLoader;
import dev.pollux.migration.stream.DeviceSections;
import dev.pollux.migration.stream.SectionReader;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongSupplier;

/**
 * COLO of one machine: which side it is, and what monitors ask of it. Migrations that were made
 * with {@code x-colo} end in {@link #runPrimary} and {@link #runSecondary}.
 */
public final class ColoController {
  /**
   * The connection of a pair.
   *
   * @param all it, and those of multifd
   */
  public record Connection(StreamReader in, StreamWriter out, Connections all) {}

  /**
   * What a primary takes over from the migration before.
   *
   * @param state what the guest did before it was stopped
   * @param dirty everything has been sent that it tells of
   * @param records writes pages
   * @param nextPass tells of another pass over the memory
   * @param sent bytes sent so far through all connections
   */
  public record Source(
      RunState state,
      DirtyPages dirty,
      PageRecords records,
      DeviceSections devices,
      Runnable nextPass,
      LongSupplier sent) {}

  /**
   * What a secondary takes over from the migration before.
   *
   * @param state what the guest did on the primary
   * @param ram puts pages into the cache
   * @param readers put pages into the cache too
   */
  public record Target(
      RunState state,
      RamLoader ram,
      SectionReader sections,
      DeviceSections devices,
      ColoCache cache,
      Readers readers) {}

  /** The threads that read connections of multifd. */
  @FunctionalInterface
  public interface Readers {
    /** Waits for their end; their connections are cut. */
    void join();
  }

  /** What a migration is in that ends in COLO, on its source and on its destination. */
  private static final Set<MigrationStatus> BEFORE =
      EnumSet.of(MigrationStatus.DEVICE, MigrationStatus.ACTIVE);

  /** So long an emulator that ends may take to tell its peer why. */
  private static final long FAREWELL_MILLIS = 500;

  private final MigrationContext context;
  private final CheckpointLog log = new CheckpointLog();
  private final List<CheckpointListener> listeners = new CopyOnWriteArrayList<>();

  private volatile ReplicatedDisks disks = ReplicatedDisks.NONE;

  /** The present side, or the last one; null before the first. */
  private volatile ColoSide side;

  /** Why the machine was shut down last; null where it was not. */
  private volatile ShutdownCause endedBy;

  /** Of the side before the present one. */
  private volatile ColoStatus.Mode lastMode = ColoStatus.Mode.NONE;

  public ColoController(MigrationContext context) {
    this.context = context;
    context
        .machine()
        .addListener(
            new MachineListener() {
              @Override
              public void shutdown(ShutdownCause cause) {
                endedBy = cause;
              }
            });
  }

  /** The disks that follow checkpoints; before the first. */
  public void setDisks(ReplicatedDisks replicated) {
    disks = replicated;
  }

  /** Adds who hears of checkpoints, before the first. */
  public void addListener(CheckpointListener listener) {
    listeners.add(listener);
  }

  private ColoSide.Wiring wiring(
      MigrationContext.Ending ending, StatusHolder status, Connection connection) {
    return new ColoSide.Wiring(
        context,
        ending,
        status,
        new ColoLink(
            connection.in(),
            connection.out(),
            connection.all(),
            context.parameters().get().xPolluxSilence().orElseThrow()),
        log,
        new Broadcast(),
        disks);
  }

  /** Tells all listeners. */
  private final class Broadcast implements CheckpointListener {
    @Override
    public void began() {
      listeners.forEach(CheckpointListener::began);
    }

    @Override
    public void taken() {
      listeners.forEach(CheckpointListener::taken);
    }

    @Override
    public void received() {
      listeners.forEach(CheckpointListener::received);
    }

    @Override
    public void loaded() {
      listeners.forEach(CheckpointListener::loaded);
    }

    @Override
    public void failedOver() {
      listeners.forEach(CheckpointListener::failedOver);
    }
  }

  /**
   * The rest of a migration's life on its source: returns after the failover, the guest running
   * again, or when the emulator ends. The guest is stopped, everything was sent, and the
   * destination has said that it is content. Migration thread.
   *
   * @param status becomes {@code colo} in the same step in which a failover becomes possible
   */
  public void runPrimary(
      MigrationContext.Ending ending, StatusHolder status, Connection connection, Source source)
      throws IOException {
    run(new ColoPrimary(wiring(ending, status, connection), source));
  }

  /**
   * The rest of a migration's life on its destination: returns after the failover, the guest
   * running, or when the emulator ends. The machine has the source's state. Migration thread.
   *
   * @param status as for the primary
   */
  public void runSecondary(
      MigrationContext.Ending ending, StatusHolder status, Connection connection, Target target) {
    run(new ColoSecondary(wiring(ending, status, connection), target));
  }

  private void run(ColoSide next) {
    next.run(
        () -> {
          lastMode = lastMode();
          side = next;
          next.wiring.status().change(BEFORE, MigrationStatus.COLO);
          next.wiring.listener().began();
        });
  }

  /** The emulator ends: tells the peer why, if there is one. The event loop has returned. */
  public void close() {
    ColoSide now = side;
    ShutdownCause cause = endedBy;
    if (now != null && !now.isOver() && now.link.failure() == null && cause != null) {
      now.link.sayFarewell(cause, FAREWELL_MILLIS);
    }
  }

  /** Whether a side still has things to do, so that no new migration may begin. */
  public boolean isActive() {
    ColoSide now = side;
    return now != null && !now.isOver();
  }

  /** What {@code query-colo-status} tells. Any thread. */
  public ColoStatus status() {
    ColoSide now = side;
    if (now == null) {
      return ColoStatus.NONE;
    }
    MigrationStatus status = now.wiring.status().get();
    boolean colo = status == MigrationStatus.COLO;
    ColoSide.Failover failover = now.failover();
    ColoStatus.ExitReason reason =
        switch (failover) {
          case NONE -> ColoStatus.ExitReason.NONE;
          case COMPLETED -> ColoStatus.ExitReason.REQUEST;
          default ->
              colo && now.mode() == ColoStatus.Mode.PRIMARY
                  ? ColoStatus.ExitReason.PROCESSING
                  : ColoStatus.ExitReason.ERROR;
        };
    return new ColoStatus(colo ? now.mode() : ColoStatus.Mode.NONE, lastMode(), reason);
  }

  /** The side of this machine before its last failover. */
  private ColoStatus.Mode lastMode() {
    ColoSide now = side;
    return now != null && now.failover() == ColoSide.Failover.COMPLETED ? now.mode() : lastMode;
  }

  public ColoStatistics statistics() {
    return log.get();
  }

  /** Begins the failover. Event loop, machine lock held. */
  public void lostHeartbeat() {
    ColoSide now = side;
    if (now == null || now.wiring.status().get() != MigrationStatus.COLO) {
      throw new ConfigException("The feature 'colo' is not enabled");
    }
    now.requestFailover();
  }

  /** The manager cuts the connection: known here before anything else is asked. Any thread. */
  public void yank() {
    ColoSide now = side;
    if (now != null && !now.isOver()) {
      now.link.fail("the manager has cut the connection");
    }
  }

  /**
   * The number of the state that was taken last on a primary, and that is in place on a secondary:
   * 0 for the one that a pair begins with. For listeners, while they are told.
   */
  public long checkpoint() {
    ColoSide now = side;
    return now == null ? 0 : now.number();
  }

  /** Which side the present pair, or the last one, has here. For listeners. */
  public ColoStatus.Mode side() {
    ColoSide now = side;
    return now == null ? ColoStatus.Mode.NONE : now.mode();
  }

  /** Calls for a checkpoint, where this side is a primary. Any thread. */
  public void call(CheckpointCause cause) {
    if (side instanceof ColoPrimary primary && !primary.isOver()) {
      primary.call(cause);
    }
  }

  /** Why the guest may not be started just now. Event loop, machine lock held. */
  public Optional<String> whyNotStart() {
    ColoSide now = side;
    if (context.machine().runState().is(RunState.FINISH_MIGRATE)) {
      return Optional.of("Migration is not finalized yet");
    }
    return now != null
            && !now.isOver()
            && context.machine().runState().is(RunState.COLO)
            && (now.isLooping() || now.failover() != ColoSide.Failover.NONE)
        ? Optional.of("the guest is stopped for a COLO checkpoint and goes on by itself")
        : Optional.empty();
  }
}
