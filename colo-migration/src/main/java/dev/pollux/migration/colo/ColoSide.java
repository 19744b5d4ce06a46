package dev.pollux.migration.colo;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.MigrationContext;
import dev.pollux.migration.MigrationStatus;
import dev.pollux.migration.StatusHolder;
import dev.pollux.migration.transport.Connections;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One side of a pair, from the end of the first migration to the failover. {@link #run} has a
 * thread of its own; when its {@link #loop} ends for whatever reason, that is told at once, and
 * then the failover is awaited, which a manager asks for.
 */
abstract sealed class ColoSide permits ColoPrimary, ColoSecondary {
  private static final Logger log = LoggerFactory.getLogger(ColoSide.class);

  /** What the guest does between the migration's end and the beginning of COLO, on either side. */
  private static final Set<RunState> HELD_BEFORE =
      EnumSet.of(RunState.FINISH_MIGRATE, RunState.INMIGRATE);

  /** How far a failover is. */
  enum Failover {
    NONE,
    /** Asked for; the event loop will see to it. */
    REQUIRE,
    ACTIVE,
    /** Asked for while the secondary loads a checkpoint; comes when that is done. */
    RELAUNCH,
    COMPLETED
  }

  /** How a side is wired. */
  record Wiring(
      MigrationContext context,
      MigrationContext.Ending ending,
      StatusHolder status,
      ColoLink link,
      CheckpointLog log,
      CheckpointListener listener,
      ReplicatedDisks disks) {}

  final Wiring wiring;
  final Machine machine;
  final ColoLink link;
  private final CountDownLatch failedOver = new CountDownLatch(1);

  /** Changed on the event loop and by the side's thread, guarded by this. */
  private volatile Failover failover = Failover.NONE;

  private volatile boolean looping = true;

  /** What the guest does once a failover lets it go on, where that holds it. Event loop. */
  private RunState afterFailover;

  /** Nothing more is done to the guest. */
  private volatile boolean over;

  /** The connection was of no use any more when the failover was asked for. Set before that. */
  private volatile boolean broken;

  /** Counts states: the one that the pair began with is 0. Changed on the event loop only. */
  private volatile long number;

  /**
   * @param state what the guest did before it was stopped for the first migration
   */
  ColoSide(Wiring wiring, RunState state) {
    this.wiring = wiring;
    this.afterFailover = state;
    this.machine = wiring.context().machine();
    this.link = wiring.link();
  }

  abstract ColoStatus.Mode mode();

  /** Checkpoints until the connection is gone or something fails. */
  abstract void loop() throws IOException;

  /** Waits for the threads that {@link #loop} has started; the connection is cut. */
  abstract void settle() throws InterruptedException;

  /** Whether the peer's guest is this one, so that its end is that of this one. */
  abstract boolean followsPeersEnd();

  /** Lets go of what {@link #loop} held. Event loop, machine lock held, vCPUs parked. */
  abstract void release();

  /** Whether the state in place is none to go on from just now. Guarded by this. */
  abstract boolean isLoading();

  Failover failover() {
    return failover;
  }

  /** The number of the state that was taken, or put in place, last. */
  final long number() {
    return number;
  }

  /** The next state is taken, or in place. Event loop. */
  @SuppressWarnings("NonAtomicVolatileUpdate") // by one thread
  final void countCheckpoint() {
    number++;
  }

  /** Whether checkpoints are being made. */
  boolean isLooping() {
    return looping;
  }

  /** Whether this side has come to its end, so that the machine may migrate again. */
  boolean isOver() {
    return over;
  }

  <T> T onLoop(Supplier<T> work) throws IOException {
    return wiring.context().onLoop(wiring.ending(), work);
  }

  /**
   * Runs to the end of COLO on this side. The side's thread.
   *
   * @param enter makes this side the machine's; event loop
   */
  final void run(Runnable enter) {
    try {
      loopUntilEnd(enter);
      boolean asked = failover != Failover.NONE && !broken;
      if (!asked) {
        wiring.log().failed(link.failure());
      }
      boolean _ =
          onLoop(
              () -> {
                looping = false;
                machine.keepAfterShutdown(false);
                machine.whileParked(this::release);
                leaveFirstMigration(asked);
                return true;
              });
      boolean ordered = asked || orderedEnd().isPresent();
      wiring
          .context()
          .listener()
          .coloExited(
              mode(), ordered ? ColoStatus.ExitReason.REQUEST : ColoStatus.ExitReason.ERROR);
      orderedEnd().ifPresent(machine::requestShutdown);
      while (!failedOver.await(20, TimeUnit.MILLISECONDS)) {
        wiring.ending().check();
      }
      boolean _ =
          onLoop(
              () -> {
                over = true; // before RESUME tells the manager
                if (machine.runState().is(RunState.COLO)) {
                  machine.goOn(afterFailover);
                }
                return true;
              });
    } catch (IOException e) {
      log.debug("the emulator ends", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      over = true;
      link.close();
    }
  }

  /** Makes checkpoints; when it returns the connection is cut and nobody works for them. */
  private void loopUntilEnd(Runnable enter) throws IOException, InterruptedException {
    try {
      boolean _ =
          onLoop(
              () -> {
                machine.keepAfterShutdown(followsPeersEnd());
                enter.run();
                return true;
              });
      loop();
    } catch (IOException | RuntimeException | Error e) {
      log.debug("COLO loop ended", e);
      link.fail(describe(e)); // where the link does not know already
    }
    settle();
  }

  static String describe(Throwable e) {
    return e instanceof IOException expected
        ? Connections.describe(expected)
        : "internal error: " + e;
  }

  /**
   * COLO has ended while the guest was still held for the first migration, whose state is whole on
   * both sides: it goes on, at once or where the failover lets it.
   */
  private void leaveFirstMigration(boolean asked) {
    if (!HELD_BEFORE.contains(machine.runState().current())) {
      return;
    }
    if (asked && afterFailover.isRunning()) {
      machine.setStoppedState(RunState.COLO);
    } else {
      machine.goOn(afterFailover);
    }
  }

  /** What the peer's guest ended its emulator with, where this side's guest is to end as well. */
  private Optional<ShutdownCause> orderedEnd() {
    return failover == Failover.NONE && followsPeersEnd()
        ? link.peerEnded().filter(ShutdownCause::byGuest)
        : Optional.empty();
  }

  /** The guest is held in a state in which it does something else than when it was stopped. */
  final void setAfterFailover(RunState state) {
    afterFailover = state;
  }

  /** Begins the failover. Event loop, machine lock held. */
  final synchronized void requestFailover() {
    if (failover != Failover.NONE) {
      throw new ConfigException("COLO failover is already active");
    }
    broken = link.failure() != null;
    relaunch();
  }

  /** Has the event loop see to the failover. Guarded by this. */
  private void relaunch() {
    failover = Failover.REQUIRE;
    machine.loop().post(this::failOver);
  }

  private void failOver() {
    failover = Failover.ACTIVE;
    if (machine.runState().current().isRunning()) {
      machine.stop(RunState.COLO);
      afterFailover = RunState.RUNNING;
    }
    synchronized (this) {
      if (isLoading()) {
        failover = Failover.RELAUNCH;
        return;
      }
      failover = Failover.COMPLETED;
    }
    wiring.status().change(MigrationStatus.COLO, MigrationStatus.COMPLETED);
    wiring.disks().failOver();
    wiring.listener().failedOver();
    link.fail("a failover was asked for");
    failedOver.countDown();
  }

  /** After a load: the failover that was asked for meanwhile comes now. Whether there was one. */
  final synchronized boolean relaunchFailover() {
    if (failover == Failover.RELAUNCH) {
      relaunch();
    }
    return failover != Failover.NONE;
  }
}
