package dev.pollux.migration;

import static dev.pollux.migration.MigrationStatus.*;

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
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
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
 * Until the end mark is about to leave, {@link #cancel} is obeyed: without that mark no destination
 * starts the guest. The guest that was stopped for a migration that fails goes on here.
 */
final class OutgoingMigration {
  private static final Logger log = LoggerFactory.getLogger(OutgoingMigration.class);

  private static final Set<MigrationStatus> CANCELLABLE =
      EnumSet.of(SETUP, ACTIVE, PRE_SWITCHOVER, DEVICE);

  /** Over so long the bandwidth is measured and limited. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** So little is sent at once that a pass for it would gain nothing. */
  private static final long FEW_BYTES = 64 * RamBlock.PAGE_SIZE;

  /** Pages between two looks at limits and commands. */
  private static final int BATCH = 1024;

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
  private boolean mayCancel = true; // guarded by this

  // Of the migration thread.
  private StreamWriter out;
  private SectionWriter sections;
  private StreamReader back;
  private ReturnPath.Reader returnPath;
  private MultifdSender multifd;
  private RamSaver ram;
  private DeviceSections devices;
  private Thread rehearsal;

  /** Made by the rehearsal. */
  private byte[] description;

  private Optional<RunState> before = Optional.empty();
  private long windowStart;
  private long windowBytes;
  private long windowPages;
  private long bandwidth;

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

  /** Gives up, where that is still possible. Any thread. */
  void cancel() {
    synchronized (this) {
      if (!mayCancel || !status.change(CANCELLABLE, CANCELLING)) {
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
      throw new IOException("return path: " + returnPath.failure().getMessage());
    }
  }

  // ---- the migration thread ----

  private void run() {
    try {
      setUp();
      iterate();
      awaitRehearsal();
      stopGuest();
      complete();
      if (has(MigrationCapability.X_COLO)) {
        runColo();
      } else {
        finish();
      }
    } catch (IOException | RuntimeException e) {
      log.debug("migration failed", e);
      fail(e);
    }
  }

  private void setUp() throws IOException {
    MigrationChannel main = OutgoingTransport.connect(to, connections);
    out = new StreamWriter(main);
    sections = new SectionWriter(out);
    devices = new DeviceSections(context.machine());
    rehearsal = Thread.ofPlatform().name("migration rehearsal").daemon(true).start(this::rehearse);
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
  private void rehearse() {
    description = devices.describe();
    context.machine().lock().lock();
    try {
      devices.rehearse();
    } finally {
      context.machine().lock().unlock();
    }
  }

  private void awaitRehearsal() {
    if (rehearsal != null) {
      try {
        rehearsal.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void openReturnPath(MigrationChannel main) throws IOException {
    if (!main.isTwoWay()) {
      throw new IOException("a return path needs a connection of which both sides read and write");
    }
    sections.command(StreamCommand.OPEN_RETURN_PATH);
    sections.ping(1);
    back = new StreamReader(main);
    returnPath =
        new ReturnPath.Reader(
            back, e -> connections.shutdown("return path: " + Connections.describe(e)));
  }

  private MultifdSender openMultifd() throws IOException {
    if (!OutgoingTransport.isMultiChannel(to)) {
      throw new IOException("multifd needs an address for several connections: tcp or unix");
    }
    int count = Math.toIntExact(context.parameters().get().multifdChannels().orElseThrow());
    List<MigrationChannel> channels = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      channels.add(OutgoingTransport.connect(to, connections));
    }
    return new MultifdSender(
        channels,
        context.uuid(),
        statistics.counters,
        zeroPageDetection() == MigrationParameters.ZeroPageDetection.MULTIFD,
        connections);
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
   * downtime limit and another pass would leave no less.
   */
  private void iterate() throws IOException {
    beginWindow();
    for (long last = Long.MAX_VALUE; ; last = ram.pendingBytes()) {
      sendPass();
      collect();
      long left = ram.pendingBytes();
      if (left <= threshold() && (left <= FEW_BYTES || left > last / 2)) {
        return;
      }
    }
  }

  /** Sends what is known to be left. */
  private void sendPass() throws IOException {
    while (ram.pendingBytes() > 0) {
      check();
      sections.partOfRam();
      ram.writePages(out, batch());
      ram.writeEnd(out);
      sections.footer();
      noteProgress();
      limitRate();
    }
  }

  private void beginWindow() {
    windowStart = System.nanoTime();
    windowBytes = statistics.bytes();
    windowPages = statistics.pages();
  }

  private long maxBandwidth() {
    return context.parameters().get().maxBandwidth().orElseThrow();
  }

  /** As many pages as a window has room for, where that is little. */
  private long batch() {
    long most = maxBandwidth();
    return most == 0 ? BATCH : Math.clamp(most / 10 / RamBlock.PAGE_SIZE, 1, BATCH);
  }

  /** Waits where more was sent than may be; measures the bandwidth. */
  private void limitRate() throws IOException {
    long most = maxBandwidth();
    long bytes = statistics.bytes() - windowBytes;
    if (most > 0) {
      long due = windowStart + (long) (bytes * 1e9 / most);
      if (due - System.nanoTime() > TimeUnit.MILLISECONDS.toNanos(1)) {
        out.flush();
        pauseUntil(due);
      }
    }
    long elapsed = Math.max(1, System.nanoTime() - windowStart);
    if (elapsed >= WINDOW_NANOS || bandwidth == 0) {
      bandwidth = (long) (bytes * 1e9 / elapsed);
      statistics.setBandwidth(
          bandwidth, (long) ((statistics.pages() - windowPages) * 1e9 / elapsed));
    }
    if (elapsed >= WINDOW_NANOS) {
      beginWindow();
    }
  }

  private void pauseUntil(long nanos) throws IOException {
    try {
      for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
        status.awaitChange(ACTIVE, Math.min(50, left / 1_000_000 + 1));
        check();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  /** Bytes that can be sent within the downtime limit. */
  private long threshold() {
    MigrationParameters parameters = context.parameters().get();
    long known = parameters.availSwitchoverBandwidth().orElseThrow();
    double bytesPerSecond = known == 0 ? bandwidth : known;
    return (long) (bytesPerSecond * parameters.downtimeLimit().orElseThrow() / 1000);
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
    try {
      while (status.get() == PRE_SWITCHOVER) {
        status.awaitChange(PRE_SWITCHOVER, 50);
        check();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    check();
  }

  /** Sends the rest: the guest stands still. */
  private void complete() throws IOException {
    collect();
    sections.endRam();
    ram.writePages(out, Long.MAX_VALUE);
    ram.awaitChannels(out);
    ram.writeEnd(out);
    sections.footer();
    out.bytes(saveDevices());
    synchronized (this) {
      check();
      mayCancel = false;
    }
    sections.end();
    sections.description(description);
    out.flush();
    noteProgress();
    if (returnPath != null) {
      returnPath.awaitShut(this::check);
    }
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

  private void fail(Exception e) {
    statistics.setEnd();
    if (returnPath != null && !connections.isCut()) {
      returnPath.awaitLastWord(); // it tells more than a connection that is gone
    }
    error = connections.reason(e);
    connections.shutdown();
    awaitRehearsal();
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
    try {
      boolean _ = context.onLoop(this::checkEnding, this::giveBack);
    } catch (IOException _) {
      // The emulator ends, and with it the guest.
    }
  }

  private void checkEnding() throws IOException {
    if (ending) {
      throw new IOException("the emulator ends");
    }
  }

  /** The guest goes on where it was. Event loop. */
  private boolean giveBack() {
    boolean cancelled = status.get() == CANCELLING;
    if (!cancelled) {
      status.change(EnumSet.complementOf(EnumSet.of(CANCELLING)), FAILED);
    }
    Machine machine = context.machine();
    if (machine.runState().is(RunState.FINISH_MIGRATE)) {
      machine.goOn(before.orElseThrow());
    }
    return status.change(CANCELLING, CANCELLED);
  }
}
