package dev.pollux.cli.pair.decide;

/** What goes wrong in a simulation, one thing after the other or several at once. */
final class Misfortune {
  private static final int FIRST_OF_DISKS = 14;

  private final SimulatedPair pair;

  /** Longest time between two faults, ms. */
  private final long pause;

  private boolean over;

  Misfortune(SimulatedPair pair, long pause) {
    this.pair = pair;
    this.pause = pause;
    pair.after(pair.between(0, pause), this::strike);
  }

  /** Nothing more goes wrong, and what is broken is mended. */
  void end() {
    over = true;
    pair.register().up = true;
    for (SimulatedHost host : pair.hosts()) {
      host.reachesRegister = true;
      host.hearsPeer = true;
      host.start();
    }
  }

  private void strike() {
    if (over) {
      return;
    }
    SimulatedHost host = pair.hosts().get(pair.choice(2));
    long time = pair.between(50, 7000);
    int kind = pair.choice(16);
    if (kind < FIRST_OF_DISKS) {
      pair.struck(time);
    }
    pair.note("fault %d at %s for %.3f s".formatted(kind, host.name, time / 1e9));
    switch (kind) {
      case 0, 1 -> {
        if (host.machine().isPresent()) {
          host.killMachine();
        }
      }
      case 2 -> {
        host.die();
        pair.after(time, host::start);
      }
      case 3 -> {
        pair.struck(SimulatedPair.millis(15_000));
        pair.hosts().forEach(SimulatedHost::die);
        pair.hosts().forEach(each -> pair.after(pair.between(100, 15_000), each::start));
      }
      case 4 -> host.freeze(time);
      case 5 -> host.freezeAgent(time);
      case 6 -> host.machine().ifPresent(machine -> machine.freeze(time));
      case 7 -> cut(host, true, true, time);
      case 8 -> cut(host, false, true, time); // one direction
      case 9 -> {
        host.reachesRegister = false;
        pair.after(time, () -> host.reachesRegister = true);
      }
      case 10 -> { // alone in the world
        host.reachesRegister = false;
        cut(host, true, true, time);
        pair.after(time, () -> host.reachesRegister = true);
      }
      case 11 -> {
        pair.register().up = false;
        pair.after(time, () -> pair.register().up = true);
      }
      case 12 -> host.machine().ifPresent(SimulatedMachine::unpair);
      case 13 -> wish(host);
      case FIRST_OF_DISKS, 15 -> host.failDisk(time);
      default -> throw new IllegalStateException();
    }
    pair.after(pair.between(0, pause), this::strike);
  }

  private void cut(SimulatedHost host, boolean from, boolean to, long time) {
    SimulatedHost other = host.peer();
    other.hearsPeer &= !from;
    host.hearsPeer &= !to;
    pair.after(
        time,
        () -> {
          host.hearsPeer = true;
          other.hearsPeer = true;
        });
  }

  private void wish(SimulatedHost host) {
    Event.Wish[] wishes = {Event.Wish.PROMOTE, Event.Wish.DEMOTE, Event.Wish.RESYNC};
    host.deliver(new Event.Wanted(wishes[pair.choice(wishes.length)]));
  }
}
