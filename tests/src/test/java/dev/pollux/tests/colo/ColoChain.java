package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.qmp.client.QmpClient.CommandFailed;
import dev.pollux.tests.colo.ProcessFault.Kind;
import dev.pollux.tests.colo.ProcessFault.Side;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A guest that goes from machine to machine: who survives a fault is the primary of the next pair,
 * as after a real failover. The next secondary is started while there is still the pair before.
 */
final class ColoChain implements AutoCloseable {
  /** A command that does no work is answered within. */
  private static final long ANSWER_MILLIS = 5000;

  /** What a machine may come to need more of while it pairs again and again. */
  private static final long GROWTH_KIBIBYTES = 100 << 10;

  private final ColoMachines machines;
  private final String name;
  private int started;
  private Member primary;
  private CompletableFuture<Member> next;

  /** The pair's other one while there is a pair. */
  private Member secondary;

  /** A machine, what its process had before it was paired, and how many faults it has survived. */
  private static final class Member {
    final ColoMachine machine;
    final Footprint alone;
    int survived;

    /** KiB of memory when classes were loaded and compiled. */
    long warm;

    Member(ColoMachine machine) {
      this.machine = machine;
      this.alone = footprint();
    }

    Footprint footprint() {
      return Footprint.of(machine.process().process().pid());
    }
  }

  ColoChain(ColoMachines machines, String name) throws IOException {
    this.machines = machines;
    this.name = name;
    primary = new Member(machines.start(name + "-0"));
    next = startNext();
  }

  private CompletableFuture<Member> startNext() {
    String title = name + "-" + ++started;
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return new Member(machines.startWaiting(title));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        },
        task -> Thread.ofPlatform().daemon(true).start(task));
  }

  /** Makes a pair, has the fault happen, and checks what is left. */
  void survive(ProcessFault fault) throws Exception {
    secondary = next.join();
    next = startNext();
    ColoPair pair =
        new ColoPair(
            machines,
            new ColoPair.Settings(fault.multifd(), fault.delay()),
            primary.machine,
            secondary.machine);
    int port = pair.listen();
    boolean primaryDies = fault.victim() == Side.PRIMARY;
    Member survivor = primaryDies ? secondary : primary;
    Member victim = primaryDies ? primary : secondary;
    try (FaultProxy proxy = new FaultProxy(port)) {
      if (fault.kind() == Kind.KILL_BEFORE_PAIR) {
        killBeforePair(fault, pair, proxy);
      } else {
        primary.machine.awaitTicks(0, 1);
        pair.join(primary.machine, fault.at().isPresent() ? proxy.port() : port);
        fail(fault, pair, proxy, survivor, victim);
      }
    }
    victim.machine.close();
    secondary = null;
    primary = survivor;
    assertNothingIsLeft(survivor);
  }

  private static void fail(
      ProcessFault fault, ColoPair pair, FaultProxy proxy, Member survivor, Member victim)
      throws Exception {
    long known = CountedTicks.last(pair.primary().console(tail(pair.primary())));
    // The second one was taken after that tick.
    pair.awaitCheckpoints(2);
    Run run = new Run(survivor.machine, fault.victim().other(), known);
    Run other = new Run(victim.machine, fault.victim(), known);
    if (fault.at().isPresent()) {
      proxy.arm(fault.at().get());
      proxy.happened().get(30, TimeUnit.SECONDS);
    } else {
      ColoMachine.pause(fault.after());
    }
    if (fault.kind() == Kind.KILL) {
      victim.machine.kill();
    } else {
      victim.machine.signal("STOP");
    }
    if (fault.arrives()) {
      proxy.release();
    } else {
      proxy.cut();
    }
    switch (fault.kind()) {
      case KILL -> run.takeOver(fault.informed(), false);
      case FREEZE -> {
        run.takeOver(fault.informed(), true);
        victim.machine.kill();
      }
      case FREEZE_AND_WAKE -> {
        run.takeOver(fault.informed(), true);
        victim.machine.signal("CONT");
        // Told to, it goes on as well: that is its manager's decision.
        other.takeOver(false, true);
        victim.machine.quit();
      }
      case PAUSE -> {
        ColoMachine.pause(fault.millis());
        victim.machine.signal("CONT");
        pair.awaitCheckpoints(2);
        run.assertPaired();
        other.assertPaired();
        victim.machine.kill();
        run.takeOver(false, false);
      }
      case KILL_BEFORE_PAIR -> throw new IllegalStateException();
    }
  }

  /** The secondary dies somewhere in the first migration, at the latest when it is one. */
  private void killBeforePair(ProcessFault fault, ColoPair pair, FaultProxy proxy)
      throws Exception {
    ColoMachine machine = primary.machine;
    machine.awaitTicks(0, 1);
    Run run = new Run(machine, Side.PRIMARY, 0);
    pair.configure(machine);
    proxy.arm(fault.at().orElseThrow());
    machine.run("migrate", "{'uri':'tcp:127.0.0.1:%d'}".formatted(proxy.port()));
    machine.awaitThat(
        "fault",
        () -> proxy.happened().isDone() || secondary.machine.eventsSince(0).contains("RESUME"));
    secondary.machine.kill();
    proxy.release();
    machine.awaitThat("end", () -> !run.exits().isEmpty() || run.hasFailed());
    if (run.hasFailed()) {
      run.assertGoesOn();
    } else {
      run.takeOver(false, false);
    }
  }

  private static long tail(ColoMachine machine) {
    return Math.max(0, machine.consoleEnd() - 1000);
  }

  private static void assertNothingIsLeft(Member survivor) throws IOException {
    survivor.machine.awaitThat(
        "nothing left of the pair", () -> survivor.alone.isLeftBy(survivor.footprint()));
    long kibibytes = survivor.footprint().kibibytes();
    if (++survivor.survived == 8) {
      survivor.warm = kibibytes;
    } else if (survivor.survived > 8) {
      assertTrue(
          kibibytes < survivor.warm + GROWTH_KIBIBYTES,
          () ->
              "%d KiB after %d faults, %d after the 8th"
                  .formatted(kibibytes, survivor.survived, survivor.warm));
    }
  }

  /** One side, from before the fault on. */
  private static final class Run {
    private final ColoMachine machine;
    private final Side side;
    private final long known;
    private final int mark;
    private final long consoleEnd;

    /**
     * @param known a tick that the side's state has behind it
     */
    Run(ColoMachine machine, Side side, long known) {
      this.machine = machine;
      this.side = side;
      this.known = known;
      this.mark = machine.mark();
      this.consoleEnd = machine.consoleEnd();
    }

    /** What COLO_EXIT has told. */
    List<String> exits() {
      return machine.eventsSince(mark).stream().filter(e -> e.startsWith("COLO_EXIT")).toList();
    }

    private String exit(String reason) {
      return "COLO_EXIT %s %s".formatted(side == Side.PRIMARY ? "primary" : "secondary", reason);
    }

    boolean hasFailed() {
      try {
        return machine.migrationStatus().equals("failed");
      } catch (IOException | CommandFailed e) {
        throw new IllegalStateException(e);
      }
    }

    void assertPaired() throws Exception {
      assertEquals(List.of(), exits());
      assertEquals("colo", answer("query-migrate").path("status").asText());
    }

    /**
     * The machine is told to take over, and does.
     *
     * @param informed at once, rather than when it has told that COLO has ended
     * @param silent the other side has not gone, but says nothing
     */
    void takeOver(boolean informed, boolean silent) throws Exception {
      if (!informed) {
        machine.await(exit("error"), mark);
      }
      // The primary is never set back; the secondary not after COLO_EXIT.
      long from = side == Side.PRIMARY ? consoleEnd : machine.consoleEnd();
      int told = machine.mark();
      machine.run("x-colo-lost-heartbeat");
      machine.await("RESUME", machine.await("MIGRATION completed", told));
      if (informed && side == Side.SECONDARY) {
        from = machine.consoleEnd();
      }
      List<String> exits = exits();
      assertEquals(1, exits.size(), exits::toString);
      // Where the other side has gone and the manager knows it, either may be known here first.
      boolean mayBeError = !informed || !silent;
      assertTrue(
          informed && exits.getFirst().equals(exit("request"))
              || mayBeError && exits.getFirst().equals(exit("error")),
          exits::toString);
      JsonNode status = answer("query-colo-status");
      assertEquals("none", status.path("mode").asText());
      assertEquals(side.name().toLowerCase(Locale.ROOT), status.path("last-mode").asText());
      assertEquals("request", status.path("reason").asText());
      assertEquals("completed", answer("query-migrate").path("status").asText());
      assertCounts(from);
    }

    /** The guest goes on, though there was no pair. */
    void assertGoesOn() throws Exception {
      assertEquals(List.of(), exits());
      assertCounts(consoleEnd);
    }

    private void assertCounts(long from) throws Exception {
      machine.awaitThat(
          "running", () -> answer("query-status").path("status").asText().equals("running"));
      machine.awaitTicks(machine.consoleEnd(), 2);
      CountedTicks.assertUnbroken(machine.console(from), 0, known);
    }

    /** The answer to a command, which comes soon. */
    private JsonNode answer(String command) {
      long start = System.nanoTime();
      try {
        JsonNode answer = machine.run(command);
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        assertTrue(millis < ANSWER_MILLIS, "%s took %d ms".formatted(command, millis));
        return answer;
      } catch (IOException | CommandFailed e) {
        throw new AssertionError(command, e);
      }
    }
  }

  /** What the machines' processes do just now, for a report. */
  String describe() throws IOException {
    StringBuilder text = new StringBuilder();
    for (Member member : new Member[] {primary, secondary}) {
      if (member != null) {
        text.append(member.machine.describe()).append("alone: ").append(member.alone).append('\n');
        if (member.machine.process().process().isAlive()) {
          text.append("now: ").append(member.footprint()).append('\n');
        }
      }
    }
    return text.toString();
  }

  /** The last survivor and the one that waits end well. */
  void end() throws Exception {
    primary.machine.quit();
    next.join().machine.quit();
  }

  @Override
  public void close() {
    primary.machine.close();
    if (secondary != null) {
      secondary.machine.close();
    }
    next.handle(
            (member, _) -> {
              if (member != null) {
                member.machine.close();
              }
              return null;
            })
        .join();
  }
}
