package dev.pollux.cli.pair.host;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.ComparedNetwork;
import dev.pollux.cli.pair.PairConsole;
import dev.pollux.cli.pair.PairDisk;
import dev.pollux.cli.pair.Side;
import dev.pollux.cli.pair.decide.Event;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.cli.process.Monitor;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/**
 * The machine of one side, in a process of its own. What takes time is done on a thread of this, in
 * the order in which it was asked for; killing is done at once. Asked by the deciding thread.
 */
final class LocalMachine implements AutoCloseable {
  /** A machine that does not start is not tried again at once. */
  private static final long RETRY_MILLIS = 1000;

  private static final long MERGE_LOOK_MILLIS = 500;
  private static final long RUN_NANOS = 5_000_000_000L;

  private final HostOptions options;
  private final SideFiles files;
  private final PairConsole console;

  /** Hears what happens, with a sentence about it or none. */
  private final BiConsumer<Event, String> to;

  private final List<PairDisk> disks = new ArrayList<>();
  private final List<ComparedNetwork> networks = new ArrayList<>();
  private final Bonding asPrimary;
  private final Bonding asSecondary;
  private final ExecutorService worker =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().name("machine").daemon(true).factory());

  /**
   * Counts machines: what one says is of no use when there is a next one. Odd while there is one,
   * or is to be.
   */
  private final AtomicInteger number = new AtomicInteger();

  /** The machine whose own disk does not take writes: people are told once. */
  private final AtomicInteger failing = new AtomicInteger();

  private volatile boolean copy;

  /** The generation of the disks of a machine that is a copy, or is to be. */
  private volatile String copied = "";

  private volatile Optional<Side> side = Optional.empty();
  private int pairs;

  LocalMachine(
      HostOptions options, SideFiles files, PairConsole console, BiConsumer<Event, String> to) {
    this.options = options;
    this.files = files;
    this.console = console;
    this.to = to;
    List<String> ids =
        options.machine().networks().stream().map(net -> net.required("id")).toList();
    HostPlaces running = new HostPlaces(options.here(), options.peer(), ids);
    HostPlaces copying = new HostPlaces(options.peer(), options.here(), ids);
    options
        .machine()
        .disks()
        .forEach(disk -> disks.add(new PairDisk(disk, options.machine().folder(), true)));
    ids.forEach(id -> networks.add(new ComparedNetwork(id, running)));
    asPrimary = bonding(running);
    asSecondary = bonding(copying);
  }

  private Bonding bonding(HostPlaces places) {
    return new Bonding(
        disks,
        networks,
        places,
        options.machine().checkpointMillis(),
        options.machine().silenceMillis());
  }

  /** Its monitor, while there is one. Any thread. */
  Optional<Side> side() {
    return side;
  }

  // ---- starting ----

  void startPrimary(long until) {
    int mine = number.incrementAndGet();
    copy = false;
    worker.execute(
        () ->
            start(
                mine,
                until,
                name -> {
                  finishMerge();
                  List<String> words = new ArrayList<>();
                  for (PairDisk disk : disks) {
                    words.addAll(disk.first(name));
                  }
                  return words;
                }));
  }

  /**
   * @param primary the other side's machine, which knows how large the disks are
   */
  void startCopy(String generation, Monitor primary) {
    int mine = number.incrementAndGet();
    copy = true;
    copied = generation;
    worker.execute(
        () ->
            start(
                mine,
                0,
                name -> {
                  files.setGeneration(generation);
                  List<String> words = new ArrayList<>(List.of("-incoming", "defer"));
                  for (PairDisk disk : disks) {
                    disk.forgetOverlays();
                  }
                  for (PairDisk disk : disks) {
                    words.addAll(disk.copy(name, primary));
                  }
                  return words;
                }));
  }

  /** Makes the options of a machine that is about to start. */
  private interface Words {
    List<String> of(String name) throws IOException;
  }

  private void start(int mine, long until, Words own) {
    String name = "m" + mine;
    try {
      List<String> words = own.of(name);
      words.addAll(List.of("-object", "x-pollux-lease,id=lease,until=" + until));
      for (DeviceOptions net : options.machine().networks()) {
        words.addAll(List.of("-netdev", describe(net)));
      }
      Side started =
          Side.start(name, options.machine(), words, console, event -> hear(mine, event));
      var _ =
          started
              .process()
              .onExit()
              .thenAcceptAsync(status -> gone(mine, ended(status)), Thread::startVirtualThread);
      side = Optional.of(started);
      if (mine != number.get()) {
        side = Optional.empty();
        started.close();
        return;
      }
      if (!copy) {
        console.follow(started.console());
      }
      tell(mine, copy ? new Event.Waits() : new Event.Runs());
    } catch (IOException | ConfigException e) {
      MachineProcess.attempt(
          () -> {
            MachineProcess.pause(RETRY_MILLIS);
            return true;
          });
      gone(mine, "the machine does not start: " + e.getMessage());
    }
  }

  private static String describe(DeviceOptions net) {
    StringBuilder words = new StringBuilder(net.required("type"));
    for (String key : net.keys()) {
      if (!key.equals("type")) {
        words.append(",%s=%s".formatted(key, net.string(key, "").replace(",", ",,")));
      }
    }
    return words.toString();
  }

  private static String ended(int status) {
    return "the machine's process has ended with status " + status;
  }

  /** Where a disk was not marked yet, none was written: they are what the primary had. */
  private void finishMerge() throws IOException {
    Optional<String> name = files.merging();
    if (name.isEmpty()) {
      return;
    }
    boolean all = true;
    for (PairDisk disk : disks) {
      all &= disk.overlays(name.get()).haveTakenOver();
    }
    if (all) {
      for (PairDisk disk : disks) {
        disk.overlays(name.get()).merge(disk.spec().file(), disk.spec().format());
      }
    }
    files.mergeEnded();
  }

  // ---- what it says ----

  private void tell(int mine, Event event) {
    tell(mine, event, "");
  }

  private void tell(int mine, Event event, String sentence) {
    if (mine == number.get()) {
      to.accept(event, sentence);
    }
  }

  /** A machine has ended, or is to; told once. Any thread. */
  private void gone(int mine, String sentence) {
    if (number.compareAndSet(mine, mine + 1)) {
      Optional<Side> last = side;
      side = Optional.empty();
      last.ifPresent(Side::close);
      to.accept(new Event.Gone(), sentence);
    }
  }

  /** An event of its monitor. */
  private void hear(int mine, JsonNode event) {
    JsonNode data = event.path("data");
    String status = data.path("status").asText();
    switch (event.path("event").asText()) {
      case "STOP" -> side.ifPresent(s -> console.checkpoint(s.console()));
      case "MIGRATION" -> {
        if (copy && status.equals("colo")) {
          tell(mine, new Event.Paired(copied));
        } else if (copy && status.equals("failed")) {
          tell(mine, new Event.Broken(), "the copy was not made");
        }
      }
      case "COLO_EXIT" -> {
        if (data.path("reason").asText().equals("error")) {
          tell(mine, new Event.Broken(), "the connection between the machines is gone");
        }
      }
      case "QUORUM_REPORT_BAD" -> {
        if (!copy && !data.path("type").asText().equals("read")) {
          missedWrite(mine, data.path("node-name").asText(), data.path("error").asText());
        }
      }
      case "SHUTDOWN" -> {
        if (data.path("guest").asBoolean()) {
          tell(
              mine, new Event.GuestEnded(), "the guest has ended: " + data.path("reason").asText());
        }
      }
      default -> {}
    }
  }

  /** The guest was told that it is written, because one of the two sides has done that. */
  private void missedWrite(int mine, String node, String error) {
    if (disks.stream().anyMatch(disk -> disk.hasTarget(node))) {
      unpair(); // where there is a connection yet
      tell(mine, new Event.Broken(), "a write has not reached the other side's disk: " + error);
    } else if (disks.stream().anyMatch(disk -> disk.isOwn(node))) {
      String sentence = "a write has not reached this side's disk: " + error;
      tell(mine, new Event.DiskFails(), failing.getAndSet(mine) == mine ? "" : sentence);
    }
  }

  // ---- what is done to it ----

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private static ObjectNode deadline(long until) {
    return object().put("path", "/objects/lease").put("property", "until").put("value", until);
  }

  /** Tells its process until when it may run; nothing is waited for. */
  void allow(long until) {
    side.ifPresent(s -> s.tell("qom-set", deadline(until)));
  }

  /** Something that is done to the machine that runs now. */
  private interface Work {
    void on(Side side) throws IOException;
  }

  private void later(Work work, Event failure) {
    int mine = number.get();
    worker.execute(
        () -> {
          Optional<Side> on = side;
          if (mine != number.get() || on.isEmpty()) {
            return;
          }
          try {
            work.on(on.get());
          } catch (IOException | ConfigException e) {
            if (failure instanceof Event.Gone) {
              gone(mine, e.getMessage());
            } else {
              tell(mine, failure, e.getMessage());
            }
          }
        });
  }

  /**
   * @param generation of the other side's disks
   */
  void pair(String generation, Monitor other) {
    int mine = number.get();
    later(
        s -> {
          asPrimary.bond(s.process(), other, pairs++);
          tell(mine, new Event.Paired(generation));
        },
        new Event.Broken());
  }

  void goOnAlone() {
    later(s -> asPrimary.goOnAlone(s.process()), new Event.Gone());
  }

  /** From now on it is the one that the world sees. */
  void takeOver(long until) {
    copy = false;
    int mine = number.get();
    later(
        s -> {
          if (!disks.isEmpty()) {
            files.mergeBegins(s.name());
          }
          var _ = s.process().run("qom-set", deadline(until));
          asSecondary.takeOver(s.process());
          console.follow(s.console());
          awaitRun(mine, s);
          watchMerge(s);
        },
        new Event.Gone());
  }

  /** A primary whose deadline was over has made its copy stand still, too. */
  private void awaitRun(int mine, Side s) throws IOException {
    long end = System.nanoTime() + RUN_NANOS;
    String status = "";
    while (System.nanoTime() - end < 0) {
      status = s.process().run("query-status").path("status").asText();
      if (status.equals("running")) {
        return;
      } else if (status.equals("paused")) {
        var _ = s.process().run("cont");
      }
      MachineProcess.pause(10);
    }
    tell(mine, new Event.Tick(), "has taken over, and its guest does not run: it is " + status);
  }

  /** A monitor that does not answer in time says nothing about the disk. */
  private static boolean isMerging(PairDisk disk, Side s) throws IOException {
    try {
      return disk.isMerging(s.process(), s.name());
    } catch (IOException e) {
      if (s.process().isAlive()) {
        return true;
      }
      throw e;
    }
  }

  private void watchMerge(Side s) {
    if (disks.isEmpty()) {
      return;
    }
    Thread.ofVirtual()
        .start(
            () ->
                MachineProcess.attempt(
                    () -> {
                      for (PairDisk disk : disks) {
                        while (isMerging(disk, s)) {
                          MachineProcess.pause(MERGE_LOOK_MILLIS);
                        }
                      }
                      files.mergeEnded();
                      return true;
                    }));
  }

  void unpair() {
    side.ifPresent(
        s -> {
          ObjectNode migration = object();
          migration.putArray("instances").addObject().put("type", "migration");
          s.tell("yank", migration);
        });
  }

  /** Kills it, or has it killed as soon as it has started; {@code Gone} follows when it is gone. */
  void kill(String why) {
    int mine = number.get();
    if (mine % 2 == 0) {
      return; // that has been told, or is being told
    }
    if (side.isPresent()) {
      gone(mine, why);
    } else {
      worker.execute(() -> gone(mine, why));
    }
  }

  /** What COLO has done on it; waits for its answer. Any thread. */
  JsonNode statistics() {
    Optional<Side> on = side;
    try {
      return on.isEmpty() ? object() : on.get().process().run("x-pollux-query-colo-statistics");
    } catch (IOException e) {
      return object();
    }
  }

  /** For how long its monitor has been silent. */
  long silentMillis() {
    return side.map(s -> s.pulse().silentMillis()).orElse(0L);
  }

  @Override
  public void close() {
    gone(number.get(), "");
    worker.shutdownNow();
  }
}
