package dev.pollux.cli.pair.decide;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * A machine's process. Its guest writes to its disk and tells a client; where it has a copy, only
 * what the copy has, too.
 */
final class SimulatedMachine {
  /** The connection counts as dead after so long. */
  private static final long SILENCE = SimulatedPair.millis(1000);

  private static final long LOOK = SimulatedPair.millis(100);

  private final String generation;
  private final SimulatedPair pair;
  private final SimulatedHost host;
  private boolean alive = true;
  private boolean primary;

  /** It has begun: a primary's guest runs, another waits. */
  private boolean begun;

  private long until;
  private long frozenSince = -1;
  private long frozenUntil;

  /** The other side's, while this one believes in the connection; null without one. */
  private SimulatedMachine partner;

  /** Output leaves only with the other side's consent, until this side is told to go on alone. */
  private boolean holding;

  private long silentSince = -1;
  private final List<Integer> held = new ArrayList<>();

  SimulatedMachine(
      SimulatedPair pair, SimulatedHost host, String generation, boolean primary, long until) {
    this.pair = pair;
    this.host = host;
    this.generation = generation;
    this.primary = primary;
    this.until = until;
  }

  boolean isAlive() {
    return alive;
  }

  void begin() {
    begun = true;
    look();
  }

  void die() {
    alive = false;
  }

  void freeze(long nanos) {
    if (frozenFor() == 0) {
      frozenSince = pair.now();
    }
    frozenUntil = Math.max(frozenUntil, pair.now() + nanos);
  }

  /** For how long it has stood still. */
  long frozenFor() {
    return pair.now() < frozenUntil ? pair.now() - frozenSince : 0;
  }

  private boolean moves() {
    return alive && begun && frozenFor() == 0 && !host.isFrozen();
  }

  /** Its output leaves now. */
  boolean speaks() {
    return primary && moves() && host.clock() < until;
  }

  /** It has a copy, and both know. */
  boolean isPaired() {
    return holding && partner != null;
  }

  void allow(long end) {
    until = Math.max(until, end);
  }

  // ---- the guest ----

  /** The guest writes, and would tell of it. */
  void write(int number) {
    if (!speaks()) {
      return;
    }
    boolean written = host.diskTakes();
    if (written) {
      host.disk.set(number);
    }
    if (!holding) {
      if (written) { // otherwise the guest knows
        pair.acknowledge(host, number);
      }
    } else if (partner != null && partner.partner == this && partner.moves() && linked()) {
      mirror(number, written);
    } else if (written) {
      held.add(number);
    }
  }

  private void mirror(int number, boolean written) {
    if (partner.host.diskTakes()) {
      partner.host.disk.set(number);
      if (!written) {
        host.lacks(number);
        host.deliver(new Event.DiskFails());
      }
      pair.acknowledge(host, number);
    } else if (written) {
      held.add(number);
      unpair();
    }
  }

  private boolean linked() {
    return host.hearsPeer && host.peer().hearsPeer;
  }

  // ---- the pair ----

  /** The disks are copied for some time, then the memory. */
  void pair(String with) {
    pair.after(
        pair.between(100, 2000),
        () -> {
          SimulatedMachine to = host.peer().machine().orElse(null);
          boolean possible =
              moves()
                  && to != null
                  && to.generation.equals(with)
                  && !to.primary
                  && to.moves()
                  && linked();
          if (!possible) {
            host.deliver(new Event.Broken());
            return;
          }
          partner = to;
          to.partner = this;
          holding = true;
          to.host.disk = (BitSet) host.disk.clone();
          later(new Event.Paired(with));
          to.later(new Event.Paired(with));
        });
  }

  private void later(Event event) {
    pair.after(
        pair.between(1, 100),
        () -> {
          if (alive) {
            host.deliver(event);
          }
        });
  }

  /** Watches the connection, as long as there is one. */
  private void look() {
    if (!alive) {
      return;
    }
    if (partner != null && moves()) {
      boolean dead = linked() && (!partner.alive || partner.partner != this);
      boolean silent = !linked() || !partner.moves();
      if (!silent) {
        silentSince = -1;
      } else if (silentSince < 0) {
        silentSince = pair.now();
      }
      if (dead || silentSince >= 0 && pair.now() - silentSince > SILENCE) {
        unpair();
      }
    }
    pair.after(LOOK, this::look);
  }

  void unpair() {
    if (partner != null) {
      partner = null;
      silentSince = -1;
      later(new Event.Broken());
    }
  }

  void goOnAlone() {
    partner = null;
    holding = false;
    if (speaks()) {
      held.forEach(number -> pair.acknowledge(host, number));
    }
    held.clear();
  }

  void takeOver() {
    partner = null;
    holding = false;
    primary = true;
  }
}
