package dev.pollux.cli.pair.decide;

import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;

/**
 * Two hosts, a coordination service and a client in a time of their own, and what must hold after
 * every step. The seed says what happens.
 */
final class SimulatedPair {
  private static final int STORY = 60;

  /** So long after a fault its consequences may last. */
  private static final long RECOVERY = millis(10_000);

  private record Task(long time, long number, Runnable work) {}

  /** What must not be has been. */
  static final class Violation extends AssertionError {
    private static final long serialVersionUID = 1;

    Violation(String message) {
      super(message);
    }
  }

  private final long seed;
  private final Random random;
  private final Timing timing;
  private final PriorityQueue<Task> tasks =
      new PriorityQueue<>(
          (x, y) ->
              x.time != y.time ? Long.compare(x.time, y.time) : Long.compare(x.number, y.number));
  private final SimulatedRegister register = new SimulatedRegister(this);
  private final List<SimulatedHost> hosts;
  private final BitSet acknowledged = new BitSet();
  private final Deque<String> story = new ArrayDeque<>();
  private long now;
  private long counter;
  private int writes;
  private long lastAcknowledged;
  private long steps;
  private long takeovers;

  /** The last fault other than of a disk was over then. */
  private long wholeSince;

  private final double drift;

  /**
   * @param drift by so much, as a fraction, the clocks of the hosts run apart at most
   */
  SimulatedPair(long seed, Timing timing, double drift) {
    this.drift = drift;
    this.seed = seed;
    this.random = new Random(seed);
    this.timing = timing;
    hosts = List.of(new SimulatedHost(this, "a"), new SimulatedHost(this, "b"));
    hosts.forEach(host -> after(between(0, 3000), host::start));
    client();
  }

  static long millis(long n) {
    return n * 1_000_000;
  }

  // ---- time and chance ----

  long now() {
    return now;
  }

  Timing timing() {
    return timing;
  }

  SimulatedRegister register() {
    return register;
  }

  List<SimulatedHost> hosts() {
    return hosts;
  }

  SimulatedHost other(SimulatedHost host) {
    return hosts.get(host.equals(hosts.getFirst()) ? 1 : 0);
  }

  double drift() {
    return drift;
  }

  double random() {
    return random.nextDouble();
  }

  boolean chance(double probability) {
    return random.nextDouble() < probability;
  }

  /** Nanoseconds, given milliseconds. */
  long between(long least, long most) {
    return millis(least) + (long) (random.nextDouble() * millis(most - least));
  }

  int choice(int count) {
    return random.nextInt(count);
  }

  void after(long nanos, Runnable work) {
    tasks.add(new Task(now + nanos, counter++, work));
  }

  /** Lets time pass. */
  void run(long nanos) {
    long end = now + nanos;
    while (!tasks.isEmpty() && tasks.peek().time <= end) {
      Task task = tasks.remove();
      now = task.time;
      steps++;
      task.work.run();
      checkSpeakers();
    }
    now = end;
  }

  long steps() {
    return steps;
  }

  long takeovers() {
    return takeovers;
  }

  int acknowledgedWrites() {
    return acknowledged.cardinality();
  }

  private void client() {
    int number = writes++;
    hosts.forEach(host -> host.machine().ifPresent(machine -> machine.write(number)));
    after(between(20, 100), this::client);
  }

  // ---- what must hold ----

  void note(SimulatedHost host, Action action) {
    if (action instanceof Action.TakeOver) {
      takeovers++;
    }
    note(host.name + " " + action);
  }

  void note(String what) {
    if (story.size() == STORY) {
      story.removeFirst();
    }
    story.addLast("%10.4f %s".formatted(now / 1e9, what));
  }

  private Violation violation(String what) {
    return new Violation(
        "seed %d, at %.4f s: %s; the record is %s%n%s"
            .formatted(seed, now / 1e9, what, register.ledger(), String.join("\n", story)));
  }

  private void checkSpeakers() {
    if (hosts.stream().allMatch(host -> host.machine().filter(m -> m.speaks()).isPresent())) {
      throw violation("two primaries whose output leaves");
    }
  }

  /** Something other than a disk goes wrong for some time. */
  void struck(long nanos) {
    wholeSince = Math.max(wholeSince, now + nanos);
  }

  /**
   * A side is to go on without what its disk has not taken and its copy's has. That may be only
   * where more than the disk has failed meanwhile: the copy, or the way to it or to the record.
   */
  void lose(SimulatedHost host, BitSet lacking) {
    if (now - wholeSince > RECOVERY) {
      throw violation("%s goes on without %s, which its copy has".formatted(host.name, lacking));
    }
  }

  /** A client hears of a write. */
  void acknowledge(SimulatedHost from, int number) {
    lastAcknowledged = now;
    acknowledged.set(number);
    if (register.ledger().filter(ledger -> ledger.isHolder(from.name)).isEmpty()) {
      throw violation("output of %s, which has not the right".formatted(from.name));
    }
    for (SimulatedHost host : hosts) {
      if (register.ledger().get().isInSync(host.name, host.generation) && !host.has(number)) {
        throw violation("%s does not have write %d".formatted(host.name, number));
      }
    }
  }

  /** Whoever may take over has everything that a client was told of. */
  void checkRecord() {
    register
        .ledger()
        .ifPresent(
            ledger -> {
              note("record " + ledger);
              for (SimulatedHost host : hosts) {
                if (ledger.isInSync(host.name, host.generation) && !host.has(acknowledged)) {
                  throw violation("%s may take over without all writes".formatted(host.name));
                }
              }
            });
  }

  /** Nothing is broken any more: there is to be a pair soon, and a client that is served. */
  void checkProgress(long within) {
    long end = now + within;
    while (now < end) {
      run(millis(500));
      boolean whole =
          hosts.stream().anyMatch(h -> h.decider() != null && h.decider().isProtected());
      if (whole && now - lastAcknowledged < millis(400)) {
        return;
      }
    }
    throw violation("no pair within %d s".formatted(within / millis(1000)));
  }
}
