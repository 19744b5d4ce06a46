package dev.pollux.migration.colo;

import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.stream.DeviceSections;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamReader;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The secondary: runs the same guest and, when a checkpoint has come whole, replaces the guest's
 * state by it.
 *
 * <p>At every moment it has a whole state to go on from: its own running one until everything of a
 * checkpoint is here and was checked; from then on that checkpoint, all of which is in this
 * process's memory. {@link #isLoading} is the line between the two, and a failover that comes
 * behind it waits until the checkpoint is in place.
 */
final class ColoSecondary extends ColoSide {
  private static final Logger log = LoggerFactory.getLogger(ColoSecondary.class);

  private static final int LARGEST_STATE = 16 << 20;

  private final ColoController.Target target;
  private final List<DirtyLog> logs;

  /** A whole checkpoint is here that is not in place yet. Guarded by this. */
  private boolean loading;

  /** Puts a checkpoint in place; the last one, or null before the first. Of the side's thread. */
  private Thread loader;

  ColoSecondary(Wiring wiring, ColoController.Target target) {
    super(wiring, target.state());
    this.target = target;
    this.logs = machine.ramBlocks().stream().map(DirtyLog::new).toList();
  }

  @Override
  ColoStatus.Mode mode() {
    return ColoStatus.Mode.SECONDARY;
  }

  @Override
  synchronized boolean isLoading() {
    return loading;
  }

  @Override
  void loop() throws IOException {
    Optional<IOException> obstacle = onLoop(this::begin);
    if (obstacle.isPresent()) {
      throw obstacle.get();
    }
    link.send(ColoMessage.CHECKPOINT_READY);
    while (true) {
      ColoMessage message = link.receive();
      if (isLoading()) {
        throw new StreamException("%s came before VMSTATE_LOADED was sent".formatted(message));
      }
      switch (message) {
        case PAGES -> readPages();
        case CHECKPOINT_REQUEST -> checkpoint();
        default -> throw new StreamException("%s came between checkpoints".formatted(message));
      }
    }
  }

  /** Both sides have the same state; the guest goes on here too. Event loop. */
  private Optional<IOException> begin() {
    if (failover() != Failover.NONE) {
      return Optional.of(new IOException("a failover was asked for"));
    }
    try {
      wiring.disks().start(ColoStatus.Mode.SECONDARY);
    } catch (IOException e) {
      return Optional.of(e);
    }
    target.cache().goLive();
    logs.forEach(DirtyLog::start);
    machine.vcpus().forEach(vcpu -> vcpu.mmu().protectAll());
    machine.goOn(target.state());
    return Optional.empty();
  }

  @Override
  void settle() throws InterruptedException {
    if (loader != null) {
      loader.join();
    }
    target.readers().join();
  }

  @Override
  boolean followsPeersEnd() {
    return true;
  }

  private void readPages() throws IOException {
    long before = link.in().position();
    target.ram().load(link.in());
    wiring.log().carried(0, link.in().position() - before);
  }

  private void checkpoint() throws IOException {
    link.send(ColoMessage.CHECKPOINT_REPLY);
    link.expect(ColoMessage.VMSTATE_SEND);
    long before = link.in().position();
    DeviceSections.Loaded none = target.sections().readSections(link.in(), target.devices());
    if (!none.isEmpty()) {
      throw new StreamException("device states came with the memory");
    }
    link.expect(ColoMessage.VMSTATE_SIZE);
    DeviceSections.Loaded states = readStates();
    RunState state = states.check();
    link.expect(ColoMessage.DIGEST);
    if (link.in().u64() != target.cache().digest().take()) {
      throw new StreamException("what came is not what was sent");
    }
    wiring.log().carried(0, link.in().position() - before);
    load(states, state);
  }

  private DeviceSections.Loaded readStates() throws IOException {
    long size = link.in().u64();
    if (size <= 0 || size > LARGEST_STATE) {
      throw new StreamException("device states of %s bytes".formatted(Long.toUnsignedString(size)));
    }
    byte[] bytes = link.in().bytes((int) size);
    target.cache().digest().add(bytes);
    StreamReader in = new StreamReader(bytes);
    DeviceSections.Loaded states = target.sections().readSections(in, target.devices());
    if (in.position() != size) {
      throw new StreamException("something follows the device states");
    }
    return states;
  }

  /**
   * Everything is here: from now on this state is the one to go on from. It is put in place by
   * another thread, so that this one goes on listening to the primary.
   */
  private void load(DeviceSections.Loaded states, RunState state) throws IOException {
    synchronized (this) {
      if (failover() == Failover.COMPLETED) {
        throw new IOException("a failover was asked for");
      }
      loading = true;
    }
    loader =
        Thread.ofPlatform().name("COLO load").daemon(true).start(() -> putInPlace(states, state));
  }

  private void putInPlace(DeviceSections.Loaded states, RunState state) {
    // Even where that fails the primary may have been told, and its guest's output may have left.
    boolean told = tell(ColoMessage.VMSTATE_RECEIVED);
    try {
      long start = onLoop(this::stopForLoad);
      wiring.log().carried(target.cache().apply(logs), 0);
      Optional<IOException> failure = onLoop(() -> enter(states, state));
      if (failure.isPresent()) {
        throw failure.get();
      }
      wiring.log().stopped(System.nanoTime() - start);
      wiring.log().completed();
    } catch (IOException | RuntimeException | Error e) {
      log.error("a checkpoint could not be put in place", e);
      link.fail("a checkpoint could not be put in place: " + describe(e));
      spoil();
    }
    boolean failoverPending;
    synchronized (this) {
      loading = false;
      failoverPending = relaunchFailover();
    }
    if (told && !failoverPending) {
      boolean _ = tell(ColoMessage.VMSTATE_LOADED);
    }
  }

  /** Whether a message was sent; where not, the link has failed. */
  private boolean tell(ColoMessage message) {
    try {
      link.send(message);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** The guest is neither in the old state nor in the new one, and never runs so. */
  private void spoil() {
    setAfterFailover(RunState.INTERNAL_ERROR);
    try {
      boolean _ =
          onLoop(
              () -> {
                machine.stop(RunState.COLO);
                machine.setStoppedState(RunState.INTERNAL_ERROR);
                return true;
              });
    } catch (IOException e) {
      log.debug("the emulator ends", e);
    }
  }

  /** Event loop. */
  private long stopForLoad() {
    final long start = System.nanoTime();
    machine.stop(RunState.COLO);
    machine.reset(ShutdownCause.SNAPSHOT_LOAD);
    return start;
  }

  /** Event loop. */
  private Optional<IOException> enter(DeviceSections.Loaded states, RunState state) {
    try {
      wiring.disks().checkpoint();
    } catch (IOException e) {
      return Optional.of(e);
    }
    states.apply();
    machine.vcpus().forEach(vcpu -> vcpu.mmu().protectAll());
    countCheckpoint();
    wiring.listener().loaded();
    if (failover() == Failover.NONE) {
      machine.goOn(state);
    } else {
      setAfterFailover(state);
    }
    return Optional.empty();
  }

  @Override
  void release() {
    logs.forEach(DirtyLog::stop);
    target.cache().close();
  }
}
