package dev.pollux.migration;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.migration.colo.CheckpointCause;
import dev.pollux.migration.colo.ColoController;
import dev.pollux.migration.transport.PeerWatch;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Migrations of a machine: at most one at a time leaves, and one may arrive before the machine's
 * first instruction. Each has a thread of its own, so that the event loop never waits for a peer.
 */
public final class LiveMigration implements MigrationService, AutoCloseable {
  private final MigrationCapabilities capabilities = new MigrationCapabilities();
  private final List<MigrationListener> listeners = new CopyOnWriteArrayList<>();
  private final MigrationContext context;
  private final ColoController colo;

  // Changed with the machine lock held.
  private volatile MigrationParameters parameters = MigrationParameters.DEFAULTS;
  private volatile OutgoingMigration outgoing;
  private volatile IncomingMigration incoming;
  private boolean incomingExpected;
  private boolean autostart = true;

  /**
   * @param machineType as both sides must have it
   * @param uuid identity of the machine, all zero where none was given
   */
  public LiveMigration(Machine machine, String machineType, UUID uuid) {
    this(machine, machineType, uuid, PeerWatch.PATIENCE);
  }

  /**
   * @param patience with a peer that does nothing
   */
  public LiveMigration(Machine machine, String machineType, UUID uuid, Duration patience) {
    this.context =
        new MigrationContext(
            machine, machineType, uuid, capabilities, () -> parameters, new Broadcast(), patience);
    colo = new ColoController(context);
  }

  /** Tells all listeners. */
  private final class Broadcast implements MigrationListener {
    @Override
    public void statusChanged(MigrationStatus status) {
      listeners.forEach(l -> l.statusChanged(status));
    }

    @Override
    public void pass(long number) {
      listeners.forEach(l -> l.pass(number));
    }

    @Override
    public void leaving() throws IOException {
      for (MigrationListener each : listeners) {
        each.leaving();
      }
    }

    @Override
    public void stays() {
      listeners.forEach(MigrationListener::stays);
    }

    @Override
    public void arrived() {
      listeners.forEach(MigrationListener::arrived);
    }

    @Override
    public void coloExited(ColoStatus.Mode mode, ColoStatus.ExitReason reason) {
      listeners.forEach(l -> l.coloExited(mode, reason));
    }
  }

  public void addListener(MigrationListener listener) {
    listeners.add(listener);
  }

  /**
   * The machine waits for a migration instead of running. Before the event loop runs, machine lock
   * held.
   *
   * @param from empty where {@code migrate-incoming} will say it
   */
  public void expect(Optional<MigrationAddress> from) {
    incomingExpected = true;
    context.machine().setStoppedState(RunState.INMIGRATE);
    from.ifPresent(address -> incoming(address, true));
  }

  @Override
  public MigrationCapabilities capabilities() {
    return capabilities;
  }

  @Override
  public void setCapabilities(Map<MigrationCapability, Boolean> changes) {
    boolean incomingStarted = incoming != null && incoming.status().isUnderWay();
    capabilities.change(changes, parameters, underWay(), incomingStarted);
  }

  /** The status of a migration that is under way, of either direction, or of none. */
  private MigrationStatus underWay() {
    if (outgoing != null && outgoing.status().isUnderWay()) {
      return outgoing.status();
    }
    // Only listening is no reason against changes; what must not change then has its own rule.
    if (incoming != null
        && incoming.status().isUnderWay()
        && incoming.status() != MigrationStatus.SETUP) {
      return incoming.status();
    }
    return MigrationStatus.NONE;
  }

  @Override
  public MigrationParameters parameters() {
    return parameters;
  }

  @Override
  public void setParameters(MigrationParameters changes) {
    MigrationParameters merged = parameters.with(changes);
    merged.checkBuilt();
    parameters = merged;
    if (changes.xCheckpointDelay().isPresent()) {
      colo.call(CheckpointCause.PARAMETER);
    }
  }

  @Override
  public MigrationInfo info() {
    if (outgoing != null) {
      return outgoing.info();
    }
    return incoming != null ? incoming.info() : MigrationInfo.EMPTY;
  }

  @Override
  public void migrate(MigrationAddress to, boolean resume) {
    if (resume) {
      throw new ConfigException("Cannot resume if there is no paused migration");
    }
    if (underWay() != MigrationStatus.NONE || colo.isActive()) {
      throw new ConfigException("There's a migration process in progress");
    }
    RunState state = context.machine().runState().current();
    if (state == RunState.INMIGRATE) {
      throw new ConfigException("Guest is waiting for an incoming migration");
    }
    if (state == RunState.POSTMIGRATE) {
      throw new ConfigException("Can't migrate the vm that was paused due to previous migration");
    }
    for (Device device : context.machine().devices()) {
      device
          .migrationObstacle()
          .ifPresent(
              obstacle -> {
                throw new ConfigException(obstacle);
              });
    }
    outgoing = new OutgoingMigration(context, to, colo);
    outgoing.start();
  }

  @Override
  public void incoming(MigrationAddress from, boolean exitOnError) {
    if (!incomingExpected) {
      throw new ConfigException("'-incoming' was not specified on the command line");
    }
    if (incoming != null) {
      throw new ConfigException("The incoming migration has already been started");
    }
    try {
      incoming = new IncomingMigration(context, from, exitOnError, () -> autostart, colo);
      incoming.start();
    } catch (IOException e) {
      throw new ConfigException(e.getMessage(), e);
    }
  }

  @Override
  public void cancel() {
    if (outgoing != null) {
      outgoing.cancel();
    }
  }

  @Override
  public void continueFrom(MigrationStatus state) {
    MigrationStatus now = outgoing == null ? MigrationStatus.NONE : outgoing.status();
    if (state != MigrationStatus.PRE_SWITCHOVER
        || outgoing == null
        || !outgoing.continueSwitchover()) {
      throw new ConfigException("Migration not in expected state: " + now.label());
    }
  }

  /**
   * Says whether the guest starts when the incoming migration is complete. Machine lock held, or
   * before the event loop runs.
   */
  public void setAutostart(boolean autostart) {
    this.autostart = autostart;
  }

  @Override
  public void stop() {
    if (context.machine().runState().is(RunState.INMIGRATE)) {
      autostart = false;
    } else {
      context.machine().pause();
    }
  }

  @Override
  public void cont() {
    Machine machine = context.machine();
    switch (machine.runState().current()) {
      case RUNNING, SUSPENDED -> {}
      case SHUTDOWN, INTERNAL_ERROR, GUEST_PANICKED ->
          throw new ConfigException("Resetting the Virtual Machine is required");
      case INMIGRATE -> autostart = true;
      default -> {
        Optional<String> obstacle = colo.whyNotStart();
        if (obstacle.isEmpty()) {
          machine.start();
        } else if (!machine.runState().withdrawPause()) {
          throw new ConfigException(obstacle.get());
        }
      }
    }
  }

  @Override
  public ColoStatus coloStatus() {
    return colo.status();
  }

  @Override
  public ColoStatistics coloStatistics() {
    return colo.statistics();
  }

  @Override
  public void lostHeartbeat() {
    colo.lostHeartbeat();
  }

  @Override
  public void checkpoint() {
    colo.call(CheckpointCause.COMMAND);
  }

  /** COLO of the machine, for those who hold its output back. */
  public ColoController colo() {
    return colo;
  }

  @Override
  public boolean isYankable() {
    OutgoingMigration out = outgoing;
    IncomingMigration in = incoming;
    return (out != null && out.connections().isAny()) || (in != null && in.connections().isAny());
  }

  @Override
  public void yank() {
    colo.yank();
    OutgoingMigration out = outgoing;
    if (out != null) {
      out.connections().shutdown();
    }
    IncomingMigration in = incoming;
    if (in != null) {
      in.connections().shutdown();
    }
  }

  /** Ends what is under way. The event loop has returned; the machine lock is not held. */
  @Override
  public void close() {
    colo.close();
    if (outgoing != null) {
      outgoing.close();
    }
    if (incoming != null) {
      incoming.close();
    }
  }
}
