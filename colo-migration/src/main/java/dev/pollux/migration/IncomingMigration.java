package dev.pollux.migration;

import static dev.pollux.migration.MigrationStatus.*;

import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateOutput;
import dev.pollux.migration.colo.ColoCache;
import dev.pollux.migration.colo.ColoController;
import dev.pollux.migration.multifd.MultifdReceiver;
import dev.pollux.migration.ram.GuestRam;
import dev.pollux.migration.ram.RamLoader;
import dev.pollux.migration.stream.DeviceSections;
import dev.pollux.migration.stream.SectionReader;
import dev.pollux.migration.stream.StreamCommand;
import dev.pollux.migration.stream.StreamException;
import dev.pollux.migration.stream.StreamFormat;
import dev.pollux.migration.stream.StreamReader;
import dev.pollux.migration.stream.StreamWriter;
import dev.pollux.migration.transport.Connections;
import dev.pollux.migration.transport.IncomingTransport;
import dev.pollux.migration.transport.MigrationChannel;
import dev.pollux.migration.transport.PeerWatch;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One migration on its destination, on a thread of its own. Memory goes into place as it comes;
 * device states are read and checked to the end of the stream before any is put in place. Then the
 * guest starts, if it ran on the source.
 */
final class IncomingMigration {
  private static final Logger log = LoggerFactory.getLogger(IncomingMigration.class);

  private static final long HUGE_PAGE = 2 << 20;

  private final MigrationContext context;
  private final IncomingTransport transport;
  private final List<MigrationAddress.SocketAddress> addresses;
  private final boolean exitOnError;
  private final BooleanSupplier autostart;
  private final ColoController colo;
  private final Connections connections;
  private final StatusHolder status;
  private final Thread thread;
  private volatile String error;
  private volatile boolean ending;

  /** The guest may run here: whatever happens, the source is not told otherwise. */
  private volatile boolean entered;

  // Of the migration thread.
  private PeerWatch watch;

  /** In force when the source connected. */
  private Set<MigrationCapability> capabilities = Set.of();

  private StreamReader in;
  private Optional<StreamWriter> back = Optional.empty();
  private boolean backOpen;

  private SectionReader sections;
  private RamLoader ram;
  private MultifdReceiver multifd;
  private DeviceSections devices;

  /** Where memory goes too, once the source wants COLO. */
  private Optional<ColoCache> cache = Optional.empty();

  /**
   * Begins to listen. Machine lock held; {@link #start} begins.
   *
   * @param exitOnError a failure ends the process
   * @param autostart whether the guest is to be started; asked with the machine lock held
   */
  IncomingMigration(
      MigrationContext context,
      MigrationAddress at,
      boolean exitOnError,
      BooleanSupplier autostart,
      ColoController colo)
      throws IOException {
    this.context = context;
    this.exitOnError = exitOnError;
    this.autostart = autostart;
    this.colo = colo;
    this.connections = new Connections();
    this.status = new StatusHolder(context.listener());
    this.transport = IncomingTransport.listen(at, connections);
    this.addresses = transport.addresses();
    this.thread = Thread.ofPlatform().name("incoming").daemon(true).unstarted(this::run);
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

  MigrationInfo info() {
    Optional<List<MigrationAddress.SocketAddress>> at =
        addresses.isEmpty() ? Optional.empty() : Optional.of(addresses);
    MigrationStatus now = status.get();
    return MigrationInfo.incoming(
        now == SETUP ? Optional.empty() : Optional.of(now), // only listening is no migration yet
        now == FAILED ? Optional.ofNullable(error) : Optional.empty(),
        at);
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

  private void checkEnding() throws IOException {
    if (ending) {
      throw new IOException("the emulator ends");
    }
  }

  // ---- the migration thread ----

  private void run() {
    watch = new PeerWatch(connections, "the source", context.patience());
    try {
      devices = new DeviceSections(context.machine());
      rehearse();
      List<RamBlock> blocks = context.machine().ramBlocks();
      // Pages come in no order: huge ones would be zeroed for a few pages each, while the guest
      // waits.
      blocks.forEach(block -> block.setHugePages(false));
      ram = new RamLoader(blocks, new GuestRam(blocks), this::awaitMultifd);
      sections = new SectionReader(ram::load, this::command);
      accept();
      transport.close();
      load();
    } catch (IOException | RuntimeException | Error e) {
      log.debug("incoming migration failed", e);
      fail(e);
    } finally {
      watch.close();
    }
  }

  private void awaitMultifd() throws IOException {
    if (multifd == null) {
      throw new StreamException("a mark of multifd, which is not switched on here");
    }
    multifd.await();
  }

  /** Takes the main connection and those of multifd, which come in any order. */
  private void accept() throws IOException {
    MigrationChannel first = transport.accept();
    if (first.isTwoWay()) {
      watch.expectBytes(); // a program may take its time
    }
    StreamReader reader = new StreamReader(first);
    boolean _ = reader.isAtEnd(); // until the first byte nothing has begun
    begin();
    take(first, reader);
    int all = multifd == null ? 1 : 1 + multifd.channels();
    for (int count = 1; count < all; count++) {
      watch.expectBytes(
          "no more than %d of %d connections (multifd-channels and one) have come"
              .formatted(count, all));
      MigrationChannel next = transport.accept();
      reader = new StreamReader(next, all);
      take(next, reader);
    }
    if (first.isTwoWay()) {
      watch.expectBytes();
    }
  }

  /** The source is here: what was set until now acts, and cannot be changed any more. */
  private void begin() throws IOException {
    context.machine().lock().lock();
    try {
      capabilities = context.capabilities().enabled();
      status.change(SETUP, ACTIVE);
    } finally {
      context.machine().lock().unlock();
    }
    if (capabilities.contains(MigrationCapability.MULTIFD)) {
      if (!transport.isMultiChannel()) {
        throw new StreamException("multifd needs an address for several connections: tcp or unix");
      }
      int channels = Math.toIntExact(context.parameters().get().multifdChannels().orElseThrow());
      multifd = new MultifdReceiver(ram, channels, connections);
    }
  }

  private void take(MigrationChannel channel, StreamReader reader) throws IOException {
    if (multifd != null && MultifdReceiver.isMultifd(reader.peek32())) {
      multifd.add(channel, reader, context.uuid());
    } else if (in == null) {
      in = reader;
      if (channel.isTwoWay()) {
        back = Optional.of(new StreamWriter(channel));
      }
      sections.readHeader(in);
    } else {
      throw new StreamException(
          "a second main connection; is multifd switched on at the source, with as many channels?");
    }
  }

  private void load() throws IOException {
    sections.checkHeader(in, context.configuration());
    DeviceSections.Loaded loaded = sections.readSections(in, devices);
    sections.checkRam();
    RunState state = loaded.check();
    if (cache.isPresent()) {
      loadColo(loaded, state);
      release();
    } else {
      if (multifd != null) {
        multifd.finish(); // nobody else writes to the guest's memory
      }
      boolean _ =
          context.onLoop(
              this::checkEnding,
              () -> {
                loaded.apply();
                return enter(state);
              });
      farewell();
      release();
      gatherPages();
    }
  }

  /** Both sides run the guest until one is lost. */
  private void loadColo(DeviceSections.Loaded loaded, RunState state) throws IOException {
    SectionReader.skipDescription(in);
    boolean _ =
        context.onLoop(
            this::checkEnding,
            () -> {
              loaded.apply();
              return true;
            });
    ReturnPath.shut(back.orElseThrow());
    watch.close(); // the pair has its own
    context.machine().ramBlocks().forEach(block -> block.setHugePages(true));
    colo.runSecondary(
        this::checkEnding,
        status,
        new ColoController.Connection(in, back.orElseThrow(), connections),
        new ColoController.Target(state, ram, sections, devices, cache.get(), this::closeMultifd));
  }

  /** The guest's memory gets the huge pages that it would have had if it had begun here. */
  private void gatherPages() {
    for (RamBlock block : context.machine().ramBlocks()) {
      block.setHugePages(true);
      for (long at = 0; at < block.size() && !ending; at += HUGE_PAGE) {
        block.gather(at, Math.min(HUGE_PAGE, block.size() - at));
      }
    }
  }

  /** The guest runs here: what the source still says is of no consequence. */
  private void farewell() {
    try {
      SectionReader.skipDescription(in);
      if (backOpen) {
        ReturnPath.shut(back.orElseThrow());
      }
    } catch (IOException e) {
      log.debug("the source has gone", e);
    }
  }

  /**
   * What takes long the first time is done while nobody waits: a load of this machine's own state,
   * which is not put in place.
   */
  private void rehearse() throws IOException {
    StateOutput state = new StateOutput();
    context.machine().lock().lock();
    try {
      devices.save(state, RunState.RUNNING);
    } finally {
      context.machine().lock().unlock();
    }
    state.u8(StreamFormat.END);
    RamLoader none = new RamLoader(List.of(), new GuestRam(List.of()), () -> {});
    DeviceSections.Loaded loaded =
        new SectionReader(none::load, this::command)
            .readSections(new StreamReader(state.toByteArray()), devices);
    RunState _ = loaded.check();
  }

  /** Obeys what the source says between sections. */
  private void command(StreamCommand command, byte[] data) throws IOException {
    if (status.get() == COLO) {
      throw new StreamException("command %s in a checkpoint".formatted(command));
    }
    switch (command) {
      case OPEN_RETURN_PATH -> {
        if (back.isEmpty()) {
          throw new StreamException("a return path through a connection that has none");
        }
        backOpen = true;
      }
      case PING -> {
        if (backOpen) {
          ReturnPath.pong(back.orElseThrow(), ByteBuffer.wrap(data).getInt());
        }
      }
      case SWITCHOVER_START -> {}
      case ENABLE_COLO -> enableColo();
      default -> throw new StreamException("command %s is not supported".formatted(command));
    }
  }

  /** From now on memory goes to the COLO cache too. */
  private void enableColo() throws IOException {
    if (!capabilities.contains(MigrationCapability.X_COLO)) {
      throw new StreamException("the source wants COLO; switch on the capability x-colo here");
    }
    if (!backOpen || cache.isPresent()) {
      throw new StreamException("COLO without a way back, or twice");
    }
    cache = Optional.of(new ColoCache(context.machine().ramBlocks()));
    ram.setSink(cache.get());
  }

  /** Goes on as the source was. Event loop. */
  private boolean enter(RunState state) {
    Machine machine = context.machine();
    entered = true;
    context.listener().arrived();
    machine.goOn(autostart.getAsBoolean() ? state : RunState.PAUSED);
    return status.change(ACTIVE, COMPLETED);
  }

  private void release() {
    connections.close();
    closeMultifd();
  }

  /** Waits for the threads of multifd, whose connections were closed or cut. */
  private void closeMultifd() {
    if (multifd != null) {
      multifd.close();
    }
  }

  private void fail(Throwable e) {
    error = connections.reason(e);
    if (backOpen && !entered) {
      try {
        ReturnPath.fail(back.orElseThrow(), error);
      } catch (IOException _) {
        // The source sees that the connection has ended.
      }
    }
    connections.shutdown();
    try {
      transport.close();
    } catch (IOException _) {
      // It is of no use any more in any case.
    }
    release();
    cache.ifPresent(ColoCache::close); // nobody puts pages into it any more
    if (ending) {
      return;
    }
    if (entered || !status.change(EnumSet.of(SETUP, ACTIVE), FAILED)) {
      log.error("failure after the guest came in, which goes on: {}", error, e);
      status.change(ACTIVE, COMPLETED);
      return;
    }
    if (exitOnError) {
      System.err.println("pollux: load of migration failed: " + error);
      context.machine().requestExit(ShutdownCause.HOST_ERROR, 1);
    } else {
      log.warn("the incoming migration has failed: {}", error);
    }
  }
}
