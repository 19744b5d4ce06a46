package dev.pollux.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Shows what COLO is for: two processes run one guest, the primary is killed, the secondary goes
 * on.
 */
public final class Demo implements AutoCloseable {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final int CHECKPOINT_MILLIS = 200;
  private static final int LOOK_MILLIS = 100;

  /** Checkpoints to be seen before the primary dies. */
  private static final int CHECKPOINTS = 15;

  /** Ticks to be seen of the survivor. */
  private static final int TICKS = 40;

  private static final long PATIENCE_SECONDS = 60;

  /** Characters of a console in which the last tick is looked for. */
  private static final int RECENT = 4000;

  private final DemoGuest guest;
  private final DemoScreen screen;
  private final Path folder;
  private Optional<DemoMachine> primary = Optional.empty();
  private Optional<DemoMachine> secondary = Optional.empty();

  /** What the primary had printed when the state was taken that the secondary has, at the least. */
  private long safe;

  /**
   * @param linux runs Linux rather than a small guest of our own
   * @param terminal the screen can be drawn on
   */
  public Demo(boolean linux, boolean terminal) throws IOException {
    guest = linux ? new DemoGuest.Linux() : new DemoGuest.Counting();
    screen = new DemoScreen(System.out, terminal);
    folder = Files.createTempDirectory("pollux-demo");
  }

  /**
   * Runs the demo.
   *
   * @return whether the secondary went on and nothing was lost
   * @throws IOException if it did not come that far
   */
  public boolean run() throws IOException {
    screen.say("Two processes run " + guest.description() + ".");
    List<String> options = guest.prepare(folder);
    List<String> waiting = new ArrayList<>(options);
    waiting.addAll(List.of("-incoming", "defer"));
    primary = Optional.of(DemoMachine.start("primary", folder, options));
    secondary = Optional.of(DemoMachine.start("secondary", folder, waiting));
    awaitTicks(primary.get(), 1);
    pair();
    watch();
    return failOver();
  }

  private static ObjectNode object() {
    return JSON.objectNode();
  }

  private void pair() throws IOException {
    MachineProcess p = primary.orElseThrow().process();
    MachineProcess s = secondary.orElseThrow().process();
    p.switchOn("return-path", "x-colo");
    s.switchOn("return-path", "x-colo");
    p.run(
        "migrate-set-parameters",
        object()
            .put("x-checkpoint-delay", CHECKPOINT_MILLIS)
            .put("max-bandwidth", 2_000_000_000L)
            .put("downtime-limit", 1000));
    s.run("migrate-incoming", object().put("uri", "unix:" + folder.resolve("colo")));
    p.run("migrate", object().put("uri", "unix:" + folder.resolve("colo")));
    for (Deadline deadline = new Deadline(); ; MachineProcess.pause(20)) {
      String status = p.run("query-migrate").path("status").asText();
      if (status.equals("colo") && p.run("query-status").path("running").asBoolean()) {
        break;
      }
      if (status.equals("failed")) {
        throw new IOException("the pair was not made: " + p.run("query-migrate"));
      }
      deadline.check("the pair was not made");
    }
    screen.say(
        "They are a pair: every %d ms the secondary becomes an exact copy of the primary."
            .formatted(CHECKPOINT_MILLIS));
    screen.say("Primary / secondary, median time for which the guest stands still:");
  }

  /** Shows both until there were enough checkpoints. */
  private void watch() throws IOException {
    DemoMachine p = primary.orElseThrow();
    DemoMachine s = secondary.orElseThrow();
    long markedTick = 0;
    long markedAt = Long.MAX_VALUE;
    for (Deadline deadline = new Deadline(); ; MachineProcess.pause(LOOK_MILLIS)) {
      long tick = lastTick(p);
      JsonNode ours = p.process().run("x-pollux-query-colo-statistics");
      JsonNode theirs = s.process().run("x-pollux-query-colo-statistics");
      long loaded = theirs.path("checkpoints").asLong();
      // A checkpoint that began and ended after the mark holds what had been printed by then.
      if (loaded > markedAt + 1) {
        safe = markedTick;
      }
      if (loaded > markedAt + 1 || markedAt == Long.MAX_VALUE) {
        markedTick = tick;
        markedAt = loaded;
      }
      screen.show(tick, lastTick(s), ours, theirs);
      if (loaded >= CHECKPOINTS && safe > 0) {
        return;
      }
      if (!p.process().isAlive() || !s.process().isAlive()) {
        throw new IOException("a process has ended by itself");
      }
      deadline.check("too few checkpoints");
    }
  }

  private boolean failOver() throws IOException {
    DemoMachine p = primary.orElseThrow();
    DemoMachine s = secondary.orElseThrow();
    final long seen = lastTick(p);
    long start = System.nanoTime();
    p.process().kill();
    screen.say("kill -9: the primary is dead; its last words were tick %d.".formatted(seen));
    s.await("COLO_EXIT", TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
    long noticed = millisSince(start);
    s.process().run("x-colo-lost-heartbeat");
    s.await("RESUME", TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
    long resumed = millisSince(start);
    int from = s.console().length();
    screen.say(
        "The secondary noticed after %d ms and went on alone after %d ms."
            .formatted(noticed, resumed));
    awaitTicks(s, from, TICKS);
    return judge(s, from, seen);
  }

  private static long millisSince(long nanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
  }

  /** What the survivor has printed since the failover must be one unbroken count. */
  private boolean judge(DemoMachine survivor, int from, long seen) throws IOException {
    String console = survivor.console();
    List<DemoGuest.Tick> ticks = ticks(console, from);
    DemoGuest.Tick first = ticks.getFirst();
    List<String> wrong = new ArrayList<>();
    for (int i = 1; i < ticks.size(); i++) {
      if (!guest.follows(ticks.get(i - 1), ticks.get(i))) {
        wrong.add("%s does not follow %s".formatted(ticks.get(i), ticks.get(i - 1)));
      }
    }
    if (console.lines().anyMatch(guest::complains)) {
      wrong.add("the guest has found its own memory wrong");
    }
    if (first.number() <= safe) {
      wrong.add("it went on at tick %d, but had %d before".formatted(first.number(), safe));
    }
    screen.say(
        "It went on at tick %d (the primary had printed %d) and has counted to %d."
            .formatted(first.number(), seen, ticks.getLast().number()));
    wrong.forEach(screen::say);
    screen.say(
        wrong.isEmpty()
            ? "Nothing was lost: " + guest.verdict()
            : "FAILED: the guest was not continued rightly.");
    return wrong.isEmpty();
  }

  // ---- consoles ----

  /** The guest's lines from a position on; one that had begun before it is left out. */
  private List<DemoGuest.Tick> ticks(String console, int from) {
    int start = from == 0 ? 0 : console.indexOf('\n', from) + 1;
    int end = console.lastIndexOf('\n') + 1;
    return start >= end || (from > 0 && start == 0)
        ? List.of()
        : console
            .substring(start, end)
            .lines()
            .map(String::strip)
            .flatMap(line -> guest.read(line).stream())
            .toList();
  }

  /** The last whole tick, 0 before the first. */
  private long lastTick(DemoMachine machine) throws IOException {
    String console = machine.console();
    List<DemoGuest.Tick> last = ticks(console, Math.max(0, console.length() - RECENT));
    return last.isEmpty() ? 0 : last.getLast().number();
  }

  private void awaitTicks(DemoMachine machine, int number) throws IOException {
    awaitTicks(machine, 0, number);
  }

  private void awaitTicks(DemoMachine machine, int from, int number) throws IOException {
    for (Deadline deadline = new Deadline(); ; MachineProcess.pause(LOOK_MILLIS)) {
      if (ticks(machine.console(), from).size() >= number) {
        return;
      }
      if (!machine.process().isAlive()) {
        throw new IOException("the process has ended by itself");
      }
      deadline.check("the guest is silent");
    }
  }

  /** Patience with one step. */
  private static final class Deadline {
    private final long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);

    void check(String otherwise) throws IOException {
      if (System.nanoTime() > end) {
        throw new IOException(otherwise + " within %d s".formatted(PATIENCE_SECONDS));
      }
    }
  }

  /** Ends the processes and removes the files; again without effect. */
  @Override
  public synchronized void close() {
    screen.close();
    primary.ifPresent(DemoMachine::close);
    secondary.ifPresent(DemoMachine::close);
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // Removed before.
    }
  }
}
