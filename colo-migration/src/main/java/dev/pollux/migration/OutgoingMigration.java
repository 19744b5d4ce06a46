package dev.pollux.migration;

import static dev.pollux.migration.MigrationStatus.*;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateOutput;
import dev.pollux.migration.colo.ColoController;
import dev.pollux.migration.multifd.MultifdSender;
import dev.pollux.migration.ram.PageChannels;
import dev.pollux.migration.ram.PageRecords;
import dev.pollux.migration.ram.RamSaver;
import dev.pollux.migration.stream.DeviceSections;
import dev.pollux.migration.stream.SectionWriter;
import dev.pollux.migration.stream.StreamCommand;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.MigrationChannel;
import dev.pollux.migration.transport.OutgoingTransport;
import dev.pollux.migration.transport.PeerFailedException;
import dev.pollux.migration.transport.PeerWatch;
import java.io.IOException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One migration on its source, on a thread of its own:
 *
 * <pre>
 *   SETUP   connect; header, commands, list of memory blocks
 *   ACTIVE  memory flows, pass after pass, while the guest runs, until the rest is small
 *   [PRE_SWITCHOVER  the guest stands still; migrate-continue is awaited]
 *   DEVICE  the rest of memory, the devices' states, the end mark
 *   COMPLETED, or COLO where both sides go on
 * </pre>
 *
 * <p>The guest never runs on both sides. Until the end mark is about to leave, the guest is this
 * side's: without that mark no destination starts it, {@link #cancel} is obeyed, and a guest that
 * was stopped for a migration that fails goes on here. From then on it is the destination's, unless
 * that says itself that it has failed: where nothing is heard of it any more, the guest stays
 * stopped here until somebody who knows better says {@code cont}. A file starts no guest, and the
 * secondary of a pair shows nothing of its own: then the guest goes on here after all.
 */
final class OutgoingMigration {
  private static final Logger log = LoggerFactory.getLogger(OutgoingMigration.class);

  private static final Set<MigrationStatus> CANCELLABLE =
      EnumSet.of(SETUP, ACTIVE, PRE_SWITCHOVER, DEVICE);

  /** In a pause the destination hears so often that this side lives. */
  private static final long PING_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final long LONGEST_LOOK_MILLIS = 50;

  private static final String IN_DOUBT =
      "; the guest may run there, so it stays stopped here until somebody says cont";

  private static final long SHORTEST_PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** So little is sent at once that a pass for it would gain nothing. */
  private static final long FEW_BYTES = 64 * RamBlock.PAGE_SIZE;

  private final MigrationContext context;
  private final MigrationAddress to;
  private final ColoController colo;
  private final Set<MigrationCapability> capabilities;
  private final Connections connections = new Connections();
  private final StatusHolder status;
  private final OutgoingStatistics statistics;
  private final Thread thread;
  private volatile String error;
  private volatile boolean ending;

  /** The end mark is about to leave, or has left. Guarded by this. */
  private boolean handedOver;

  // Of the migration thread.
  private PeerWatch watch;
  private StreamWriter out;
  private SectionWriter sections;
  private StreamReader back;
  private ReturnPath.Reader returnPath;
  private MultifdSender multifd;
  private RamSaver ram;
  private DeviceSections devices;

  /** Gives the description of the devices' states. */
  private FutureTask<byte[]> rehearsal;

  private final Pace pace;
  private Optional<RunState> before = Optional.empty();
  private long lastPing;

  /** Machine lock held; {@link #start} begins. */
  OutgoingMigration(MigrationContext context, MigrationAddress to, ColoController colo) {
    this.context = context;
    this.to = to;
    this.colo = colo;
    this.capabilities = context.capabilities().enabled();
    this.status = new StatusHolder(context.listener());
    this.statistics =
        new OutgoingStatistics(
            context.machine().ramBlocks().stream().mapToLong(RamBlock::size).sum(),
            context.parameters().get().downtimeLimit().orElseThrow());
    this.pace = new Pace(context.parameters(), statistics);
    this.thread = Thread.ofPlatform().name("migration").daemon(true).unstarted(this::run);
  }

  void start() {
    status.change(NONE, SETUP);
    thread.start();
  }

  MigrationStatus status() {
    return status.get();
  }

  Connections connections() {
    return connections;
  }

  private boolean has(MigrationCapability capability) {
    return capabilities.contains(capability);
  }

  MigrationInfo info() {
    MigrationStatus now = status.get();
    return switch (now) {
      case NONE, SETUP, CANCELLED, COLO -> MigrationInfo.of(Optional.of(now));
      case FAILED -> MigrationInfo.failed(Optional.ofNullable(error));
      default -> statistics.info(now, Optional.empty(), Optional.empty());
    };
  }

  /**
   * Gives up. Any thread.
   *
   * @throws ConfigException if that is not possible any more, and why
   */
  void cancel() {
    synchronized (this) {
      if (handedOver && status.get() == DEVICE) {
        throw new ConfigException(
            "The destination may have started the guest already:"
                + " the migration can not be cancelled any more, and ends by itself");
      }
      if (!status.change(CANCELLABLE, CANCELLING)) {
        return;
      }
    }
    connections.shutdown();
  }

  /** Ends the thread; the event loop has ended. */
  void close() {
    ending = true;
    connections.shutdown();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Goes on after {@link MigrationStatus#PRE_SWITCHOVER}. Any thread; whether it waited there. */
  boolean continueSwitchover() {
    return status.change(PRE_SWITCHOVER, DEVICE);
  }

  private void check() throws IOException {
    if (ending) {
      throw new IOException("the emulator ends");
    }
    if (status.get() == CANCELLING) {
      throw new IOException("the migration was cancelled");
    }
    if (returnPath != null && returnPath.failure() != null) {
      throw new IOException(Connections.describe(returnPath.failure()));
    }
  }

  // ---- the migration thread ----

  private void run() {
    watch = new PeerWatch(connections, "the destination", context.patience());
    try {
      setUp();
      iterate();
      final byte[] description = awaitRehearsal();
      stopGuest();
      complete(description);
      if (has(MigrationCapability.X_COLO)) {
        runColo();
      } else {
        finish();
      }
    } catch (IOException | RuntimeException | Error e) {
      log.debug("migration failed", e);
      fail(e);
    } finally {
      watch.close();
    }
  }

  private MigrationChannel connect() throws IOException {
    watch.expectWithinPatience(to.show() + " has not answered");
    MigrationChannel channel = OutgoingTransport.connect(to, connections);
    watch.expectNothing();
    return channel;
  }

  private void setUp() throws IOException {
    MigrationChannel main = connect();
    out = new StreamWriter(main);
    sections = new SectionWriter(out);
    devices = new DeviceSections(context.machine());
    rehearsal = new FutureTask<>(this::rehearse);
    Thread.ofPlatform().name("migration rehearsal").daemon(true).start(rehearsal);
    sections.header(context.configuration());
    if (has(MigrationCapability.RETURN_PATH) || has(MigrationCapability.X_COLO)) {
      openReturnPath(main);
    }
    if (has(MigrationCapability.X_COLO)) {
      sections.command(StreamCommand.ENABLE_COLO);
    }
    Optional<PageChannels> channels = Optional.empty();
    if (has(MigrationCapability.MULTIFD)) {
      out.flush(); // the destination hears of the main connection first
      multifd = openMultifd();
      channels = Optional.of(multifd);
    }
    ram = new RamSaver(context.machine(), statistics.counters, channels, findsZeroPages());
    collect();
    sections.startRam();
    ram.writeBlocks(out);
    sections.footer();
    out.flush();
    if (!status.change(SETUP, ACTIVE)) {
      check();
    }
    statistics.setActive();
  }

  /**
   * What takes long the first time is done while the guest still runs: the description, and a save
   * whose result nobody needs.
   */
  private byte[] rehearse() {
    context.machine().lock().lock();
    try {
      devices.rehearse();
    } finally {
      context.machine().lock().unlock();
    }
    return devices.describe();
  }

  private byte[] awaitRehearsal() throws IOException {
    try {
      return rehearsal.get();
    } catch (InterruptedException e) {
      throw interrupted(e);
    } catch (ExecutionException e) {
      throw new IOException(Connections.describe(e.getCause()), e);
    }
  }

  private void awaitRehearsalsEnd() {
    try {
      if (rehearsal != null) {
        byte[] _ = awaitRehearsal();
      }
    } catch (IOException e) {
      log.debug("the rehearsal has failed", e);
    }
  }

  private static IOException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new IOException("interrupted", e);
  }

  private void openReturnPath(MigrationChannel main) throws IOException {
    if (!main.isTwoWay()) {
      throw new IOException("a return path needs a connection of which both sides read and write");
    }
    back = new StreamReader(main);
    returnPath = new ReturnPath.Reader(back, e -> connections.shutdown(Connections.describe(e)));
    sections.command(StreamCommand.OPEN_RETURN_PATH);
    ping();
  }

  private void ping() throws IOException {
    if (returnPath != null) {
      returnPath.expectPong();
    }
    sections.ping(1);
    lastPing = System.nanoTime();
  }

  /**
   * Waits a moment while the status is the given one, at most so long; the destination hears now
   * and then that this side lives.
   */
  private void pause(MigrationStatus in, long nanos) throws IOException {
    try {
      status.awaitChange(in, Math.clamp(nanos / 1_000_000 + 1, 1, LONGEST_LOOK_MILLIS));
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
    check();
    if (System.nanoTime() - lastPing > PING_NANOS) {
      ping();
      out.flush();
    }
  }

  private MultifdSender openMultifd() throws IOException {
    if (!OutgoingTransport.isMultiChannel(to)) {
      throw new IOException("multifd needs an address for several connections: tcp or unix");
    }
    return new MultifdSender(
        Math.toIntExact(context.parameters().get().multifdChannels().orElseThrow()),
        this::connect,
        context.uuid(),
        statistics.counters,
        zeroPageDetection() == MigrationParameters.ZeroPageDetection.MULTIFD,
        this::channelFailed);
  }

  /** A thread of multifd can not go on. */
  private void channelFailed(IOException e) {
    awaitLastWord();
    connections.shutdown("multifd: " + Connections.describe(e));
  }

  /** What the destination says tells more than a connection that is gone. */
  private void awaitLastWord() {
    if (returnPath != null && !connections.isCut()) {
      returnPath.awaitLastWord();
    }
  }

  private MigrationParameters.ZeroPageDetection zeroPageDetection() {
    return context.parameters().get().zeroPageDetection().orElseThrow();
  }

  /** Whether this thread looks for zero pages, or that of a connection, or nobody. */
  private boolean findsZeroPages() {
    return switch (zeroPageDetection()) {
      case NONE -> false;
      case LEGACY -> true;
      case MULTIFD -> multifd == null;
    };
  }

  /** Looks at what the guest has written. */
  private void collect() throws IOException {
    long known = ram.dirty().count();
    long pages = ram.collect();
    context.listener().pass(statistics.pass(pages - known));
    noteProgress();
  }

  private void noteProgress() {
    statistics.setProgress(
        out.position(), multifd == null ? 0 : multifd.bytes(), ram.pendingBytes());
  }

  /**
   * Sends memory while the guest runs, pass after pass, until what is left can be sent within the
   * downtime limit and another pass would leave no less, or the user does not want to wait for one.
   */
  private void iterate() throws IOException {
    pace.begin();
    for (long last = Long.MAX_VALUE; ; last = ram.pendingBytes()) {
      final boolean hurry = sendPass();
      collect();
      long left = ram.pendingBytes();
      if (left <= pace.threshold() && (hurry || left <= FEW_BYTES || left > last / 2)) {
        return;
      }
    }
  }

  /**
   * Sends what is known to be left. If the downtime limit is raised meanwhile so far that the guest
   * may be stopped at once, then that is what is wanted.
   *
   * @return whether that is why it ended
   */
  private boolean sendPass() throws IOException {
    long limit = pace.downtimeLimit();
    while (ram.pendingBytes() > 0) {
      check();
      if (pace.downtimeLimit() > limit && ram.pendingBytes() <= pace.threshold()) {
        return true;
      }
      sections.partOfRam();
      ram.writePages(out, pace.batch());
      ram.writeEnd(out);
      sections.footer();
      noteProgress();
      limitRate();
    }
    return false;
  }

  /** Waits where more was sent than may be; measures the bandwidth. */
  private void limitRate() throws IOException {
    if (pace.pause() > SHORTEST_PAUSE_NANOS) {
      out.flush();
      for (long left = pace.pause(); left > 0; left = pace.pause()) {
        pause(ACTIVE, left);
      }
    }
    pace.measure();
  }

  /** Stops the guest and waits, where that is wanted, for the word to go on. */
  private void stopGuest() throws IOException {
    out.flush();
    statistics.setStopped();
    boolean _ =
        context.onLoop(
            this::check,
            () -> {
              Machine machine = context.machine();
              RunState state = machine.runState().current();
              // Here, since nobody may wait for the result any more when the guest stops.
              before = Optional.of(state);
              if (state.isRunning()) {
                machine.stop(RunState.FINISH_MIGRATE);
              } else if (machine.runState().mayBecome(RunState.FINISH_MIGRATE)) {
                machine.setStoppedState(RunState.FINISH_MIGRATE);
              }
              return true;
            });
    boolean pause = has(MigrationCapability.PAUSE_BEFORE_SWITCHOVER);
    if (!status.change(ACTIVE, pause ? PRE_SWITCHOVER : DEVICE)) {
      check();
    }
    while (status.get() == PRE_SWITCHOVER) {
      pause(PRE_SWITCHOVER, Long.MAX_VALUE);
    }
    check();
    // Not before the word to go on: until then managers may end what still copies to the disks.
    Optional<IOException> kept = context.onLoop(this::check, this::leave);
    if (kept.isPresent()) {
      throw kept.get();
    }
  }

  /** Has everything that leaves with the guest made ready; what keeps it here. Event loop. */
  private Optional<IOException> leave() {
    try {
      context.listener().leaving();
      return Optional.empty();
    } catch (IOException e) {
      return Optional.of(e);
    }
  }

  /** Sends the rest: the guest stands still. */
  private void complete(byte[] description) throws IOException {
    if (before.orElseThrow().isRunning()) {
      watch.expectWithinPatienceAnd(
          Duration.ofMillis(pace.downtimeLimit()),
          "the destination has not taken the rest of the stopped guest");
    }
    collect();
    sections.endRam();
    ram.writePages(out, Long.MAX_VALUE);
    ram.awaitChannels(out);
    ram.writeEnd(out);
    sections.footer();
    out.bytes(saveDevices());
    out.flush(); // as long as a failure has no consequence
    synchronized (this) {
      check();
      handedOver = true;
    }
    if (returnPath != null) {
      returnPath.expectShut();
    }
    watch.expectWithinPatience("the destination has not said whether it has the guest");
    sections.end();
    sections.description(description);
    out.flush();
    noteProgress();
    if (returnPath != null) {
      returnPath.awaitShut(this::check);
    }
    watch.expectNothing();
  }

  /** The destination has the guest's state and starts it; both go on until one is lost. */
  private void runColo() throws IOException {
    statistics.setEnd();
    colo.runPrimary(
        this::check,
        status,
        new ColoController.Connection(back, out, connections),
        new ColoController.Source(
            before.orElseThrow(),
            ram.dirty(),
            new PageRecords(out, statistics.counters, Optional.ofNullable(multifd)),
            devices,
            () -> context.listener().pass(statistics.pass(0)),
            () -> out.position() + (multifd == null ? 0 : multifd.bytes())));
    if (multifd != null) {
      multifd.close();
    }
    connections.close();
  }

  private byte[] saveDevices() {
    StateOutput state = new StateOutput();
    context.machine().lock().lock();
    try {
      devices.save(state, context.machine().runState().afterHold(before.orElseThrow()));
    } finally {
      context.machine().lock().unlock();
    }
    return state.toByteArray();
  }

  private void finish() throws IOException {
    statistics.setEnd();
    if (multifd != null) {
      multifd.close();
    }
    connections.end();
    ram.close();
    boolean _ =
        context.onLoop(
            this::check,
            () -> {
              if (context.machine().runState().mayBecome(RunState.POSTMIGRATE)) {
                context.machine().setStoppedState(RunState.POSTMIGRATE);
              }
              return status.change(DEVICE, COMPLETED);
            });
  }

  private void fail(Throwable e) {
    statistics.setEnd();
    awaitLastWord();
    final boolean inDoubt = isInDoubt(e);
    error = connections.reason(e) + (inDoubt ? IN_DOUBT : "");
    connections.shutdown();
    awaitRehearsalsEnd();
    if (multifd != null) {
      multifd.close();
    }
    if (returnPath != null) {
      returnPath.join();
    }
    connections.close();
    if (ram != null) {
      ram.close();
    }
    if (status.get() != CANCELLING && !ending) {
      log.warn("the migration to {} has failed: {}", to.show(), error);
    }
    try {
      boolean _ = context.onLoop(this::checkEnding, () -> giveBack(inDoubt));
    } catch (IOException _) {
      // The emulator ends, and with it the guest.
    }
  }

  /** Whether the guest may run at the destination, now or later. */
  private boolean isInDoubt(Throwable e) {
    synchronized (this) {
      if (!handedOver) {
        return false;
      }
    }
    boolean refused =
        e instanceof PeerFailedException
            || (returnPath != null && returnPath.failure() instanceof PeerFailedException);
    return !refused && !has(MigrationCapability.X_COLO) && !(to instanceof MigrationAddress.File);
  }

  private void checkEnding() throws IOException {
    if (ending) {
      throw new IOException("the emulator ends");
    }
  }

  /** The guest goes on where it was, unless it may run elsewhere. Event loop. */
  private boolean giveBack(boolean inDoubt) {
    boolean cancelled = status.get() == CANCELLING;
    if (!cancelled) {
      status.change(EnumSet.complementOf(EnumSet.of(CANCELLING)), FAILED);
    }
    if (!inDoubt && before.isPresent()) {
      context.listener().stays();
    }
    Machine machine = context.machine();
    if (machine.runState().is(RunState.FINISH_MIGRATE)) {
      if (inDoubt) {
        machine.setStoppedState(RunState.POSTMIGRATE);
      } else {
        machine.goOn(before.orElseThrow());
      }
    }
    return status.change(CANCELLING, CANCELLED);
  }
}
