package dev.pollux.cli.pair.decide;

import java.util.BitSet;
import java.util.Optional;

/** A host: its agent, which decides, the machine's process, and a disk that outlives both. */
final class SimulatedHost {
  /** A monitor that has not answered for so long is that of a dead process. */
  private static final long PULSE = SimulatedPair.millis(1000);

  private static final long AGENT_PERIOD = SimulatedPair.millis(100);

  final String name;
  private final SimulatedPair pair;
  private final double clockRate;
  private final long clockOffset;

  boolean reachesRegister = true;
  boolean hearsPeer = true;

  /** Writes that the disk has. */
  BitSet disk = new BitSet();

  /** What only the copy's disk has, and a client was told of: this side is to give way. */
  private final BitSet lacking = new BitSet();

  private long diskFailsUntil;

  private boolean up;
  private int life;
  private Decider decider;
  private long hostFrozenUntil;
  private long agentFrozenUntil;
  private long heardPeer = Long.MIN_VALUE / 2;

  /** Name of the disk's generation, which is on it. */
  String generation;

  private Optional<SimulatedMachine> machine = Optional.empty();

  SimulatedHost(SimulatedPair pair, String name) {
    this.pair = pair;
    this.name = name;
    this.clockRate = 1 + (pair.random() - 0.5) * pair.drift();
    this.generation = name;
    this.clockOffset = pair.between(0, 1_000_000);
  }

  SimulatedHost peer() {
    return pair.other(this);
  }

  /** The time by this host's clock. */
  long clock() {
    return clockOffset + (long) (pair.now() * clockRate);
  }

  Optional<SimulatedMachine> machine() {
    return machine;
  }

  Decider decider() {
    return decider;
  }

  boolean isUp() {
    return up;
  }

  boolean isFrozen() {
    return pair.now() < hostFrozenUntil;
  }

  // ---- the disk ----

  boolean diskTakes() {
    return pair.now() >= diskFailsUntil;
  }

  void failDisk(long nanos) {
    diskFailsUntil = Math.max(diskFailsUntil, pair.now() + nanos);
  }

  void lacks(int write) {
    lacking.set(write);
  }

  /** Whether it has that, or has a copy that has it and for which it will give way. */
  boolean has(int write) {
    return disk.get(write) || lacking.get(write);
  }

  boolean has(BitSet writes) {
    BitSet missing = (BitSet) writes.clone();
    missing.andNot(disk);
    missing.andNot(lacking);
    return missing.isEmpty();
  }

  /** It is to run from its own disk alone. */
  void dependOnDisk() {
    if (!lacking.isEmpty()) {
      pair.lose(this, lacking);
      disk.or(lacking);
      lacking.clear();
    }
  }

  // ---- life and faults ----

  void start() {
    if (up) {
      return;
    }
    up = true;
    life++;
    decider = new Decider(name, peer().name, pair.timing(), true, generation, String.valueOf(life));
    tick(life);
  }

  private void tick(int inLife) {
    if (up && life == inLife) {
      deliver(new Event.Tick());
      watch();
      speak();
      pair.after(AGENT_PERIOD, () -> tick(inLife));
    }
  }

  /** The agent, and with it the machine, or the whole host. */
  void die() {
    up = false;
    decider = null;
    machine.ifPresent(SimulatedMachine::die);
    machine = Optional.empty();
  }

  void freeze(long nanos) {
    hostFrozenUntil = Math.max(hostFrozenUntil, pair.now() + nanos);
  }

  void freezeAgent(long nanos) {
    agentFrozenUntil = Math.max(agentFrozenUntil, pair.now() + nanos);
  }

  // ---- the agent ----

  /** Has the agent hear something, when it runs. */
  void deliver(Event event) {
    deliver(event, life);
  }

  private void deliver(Event event, int inLife) {
    if (!up || life != inLife) {
      return;
    }
    long thaw = Math.max(hostFrozenUntil, agentFrozenUntil);
    if (pair.now() < thaw) {
      if (!(event instanceof Event.Tick)) {
        pair.after(thaw - pair.now() + pair.between(0, 5), () -> deliver(event, inLife));
      }
      return;
    }
    long time = clock();
    for (Action action : decider.on(event, time)) {
      pair.note(this, action);
      act(action, inLife);
    }
  }

  /** In their order, each a little later, if the agent lives and is not frozen then. */
  private long nextAction;

  private void act(Action action, int inLife) {
    nextAction = Math.max(nextAction, pair.now()) + pair.between(0, 5);
    pair.after(nextAction - pair.now(), () -> perform(action, inLife));
  }

  private void perform(Action action, int inLife) {
    if (!up || life != inLife) {
      return;
    }
    long thaw = Math.max(hostFrozenUntil, agentFrozenUntil);
    if (pair.now() < thaw) {
      pair.after(thaw - pair.now(), () -> perform(action, inLife));
      return;
    }
    switch (action) {
      case Action.Look _ ->
          pair.register().ask(this, Optional.empty(), said -> deliver(said, inLife));
      case Action.Write(Ledger ledger) ->
          pair.register().ask(this, Optional.of(ledger), said -> deliver(said, inLife));
      case Action.Allow(long until) -> machine.ifPresent(m -> m.allow(until));
      case Action.StartPrimary(long until) -> startMachine(true, until);
      case Action.StartCopy(String fresh) -> {
        generation = fresh;
        disk = new BitSet();
        lacking.clear();
        pair.checkRecord();
        startMachine(false, 0);
      }
      case Action.Pair(String with) -> machine.ifPresent(m -> m.pair(with));
      case Action.Unpair _ -> machine.ifPresent(SimulatedMachine::unpair);
      case Action.GoOnAlone _ -> {
        dependOnDisk();
        machine.ifPresent(SimulatedMachine::goOnAlone);
      }
      case Action.TakeOver _ -> machine.ifPresent(SimulatedMachine::takeOver);
      case Action.Kill _ -> killMachine();
      case Action.Fence _ -> fence();
      case Action.Forward(Event.Wish wish) -> tellPeer(new Event.Wanted(wish));
      case Action.Tell _ -> {}
      case Action.Exit _ -> die();
    }
  }

  private void startMachine(boolean primary, long until) {
    if (primary) {
      dependOnDisk();
    }
    SimulatedMachine fresh = new SimulatedMachine(pair, this, generation, primary, until);
    machine = Optional.of(fresh);
    pair.after(
        pair.between(200, 1500),
        () -> {
          if (fresh.isAlive()) {
            fresh.begin();
            deliver(primary ? new Event.Runs() : new Event.Waits());
          }
        });
  }

  void killMachine() {
    machine.ifPresent(SimulatedMachine::die);
    machine = Optional.empty();
    pair.after(pair.between(1, 50), () -> deliver(new Event.Gone()));
  }

  private void fence() {
    boolean works = pair.chance(0.7);
    pair.after(
        pair.between(50, 800),
        () -> {
          if (works) {
            peer().die();
            pair.after(pair.between(2000, 8000), peer()::start);
          }
          deliver(new Event.FenceEnded(works));
        });
  }

  /** Kills a machine whose monitor does not answer. */
  private void watch() {
    if (!isFrozen()
        && pair.now() >= agentFrozenUntil
        && machine.filter(m -> m.frozenFor() > PULSE).isPresent()) {
      killMachine();
    }
  }

  private void speak() {
    if (isFrozen() || pair.now() < agentFrozenUntil) {
      return;
    }
    tellPeer(decider.says());
    if (pair.now() - heardPeer > SimulatedPair.millis(1000)) {
      deliver(new Event.PeerSilent());
    }
  }

  private void tellPeer(Event event) {
    SimulatedHost to = peer();
    pair.after(
        pair.between(1, 10),
        () -> {
          if (to.hearsPeer) {
            to.heardPeer = pair.now();
            to.deliver(event);
          }
        });
  }
}
