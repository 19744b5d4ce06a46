package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;

/**
 * What is done to a pair on two hosts, mostly to the side that runs the guest. Each returns when
 * the pair is none any more, or has been left alone again; then a pair is to come of it by itself.
 */
enum HostFault {
  KILL_MACHINE(
      (hosts, primary, _) -> {
        primary.signal("KILL", false);
        hosts.awaitEnd(primary);
      }),

  /** It comes back when another runs the guest already. */
  FREEZE_HOST(
      (hosts, primary, _) -> {
        primary.signal("STOP", true);
        hosts.awaitDoing(hosts.peer(primary), "running");
        pause(500);
        primary.signal("CONT", true);
        hosts.awaitEnd(primary);
      }),

  CUT_PEERS(
      (hosts, primary, _) -> {
        hosts.setWay(primary, false);
        hosts.setWay(hosts.peer(primary), false);
        hosts.awaitEnd(primary);
        hosts.setWay(primary, true);
        hosts.setWay(hosts.peer(primary), true);
      }),

  /** From the other host, the record and its clients. */
  CUT_OFF(
      (hosts, primary, _) -> {
        hosts.setLink(primary, false);
        hosts.awaitEnd(primary);
        hosts.awaitDoing(hosts.peer(primary), "running");
        pause(500);
        hosts.setLink(primary, true);
        hosts.awaitEnd(primary);
      }),

  KILL_AGENT(
      (hosts, primary, _) -> {
        primary.kill();
        pause(300);
        hosts.startAgent(primary);
      }),

  CUT_ONE_WAY(
      (hosts, primary, _) -> {
        hosts.setWay(primary, false);
        hosts.awaitEnd(primary);
        hosts.setWay(primary, true);
      }),

  CUT_OTHER_WAY(
      (hosts, primary, _) -> {
        hosts.setWay(hosts.peer(primary), false);
        hosts.awaitEnd(primary);
        hosts.setWay(hosts.peer(primary), true);
      }),

  /** For longer than it lasts without being renewed. */
  LOSE_LEASE(
      (hosts, _, _) -> {
        hosts.signalCoordinator("STOP");
        pause(2500);
        hosts.signalCoordinator("CONT");
      }),

  KILL_COORDINATOR((hosts, _, _) -> hosts.restartCoordinator()),

  FREEZE_MACHINE(
      (hosts, primary, _) -> {
        primary.signal("STOP", false);
        hosts.awaitEnd(primary);
      }),

  DEMOTE(
      (hosts, primary, _) -> {
        primary.ask("demote");
        hosts.awaitEnd(primary);
      }),

  /** Nothing is lost by it: this side has a copy. */
  PROMOTE(
      (hosts, primary, _) -> {
        hosts.peer(primary).ask("promote-force");
        hosts.awaitEnd(primary);
      }),

  SLOW_LINK(
      (hosts, primary, _) -> {
        hosts.setSlow(primary, true);
        pause(2500);
        hosts.setSlow(primary, false);
      }),

  RESYNC(
      (hosts, primary, _) -> {
        hosts.peer(primary).ask("resync");
        hosts.awaitEnd(primary);
      }),

  KILL_COPY(
      (hosts, primary, _) -> {
        hosts.peer(primary).signal("KILL", false);
        hosts.awaitEnd(primary);
      }),

  FREEZE_COPY(
      (hosts, primary, _) -> {
        hosts.peer(primary).signal("STOP", true);
        hosts.awaitEnd(primary);
        hosts.peer(primary).signal("CONT", true);
      }),

  KILL_COPYING_AGENT(
      (hosts, primary, _) -> {
        hosts.peer(primary).kill();
        hosts.awaitEnd(primary);
        hosts.startAgent(hosts.peer(primary));
      }),

  /** The guest's write is on the other disk: that side goes on. */
  FILL_DISK((hosts, primary, client) -> fill(primary, hosts, primary, client)),

  /** The guest's write is on this disk: this side goes on alone. */
  FILL_COPYS_DISK((hosts, primary, client) -> fill(hosts.peer(primary), hosts, primary, client)),

  /** By hours and days on either side: it goes on as it was, nothing of it goes by that clock. */
  CLOCK_STEPS(
      (hosts, primary, _) -> {
        primary.clock().step();
        hosts.peer(primary).clock().step();
        assertTrue(primary.isProtected(), hosts::story);
      });

  /** What causes it. */
  private interface Cause {
    void of(TwoHosts hosts, TwoHosts.Host primary, PairClient client) throws Exception;
  }

  @SuppressWarnings("ImmutableEnumChecker") // lambdas without state
  private final Cause cause;

  HostFault(Cause cause) {
    this.cause = cause;
  }

  /**
   * Causes it.
   *
   * @param primary the side that runs the guest
   * @param client of the guest
   */
  void on(TwoHosts hosts, TwoHosts.Host primary, PairClient client) throws Exception {
    cause.of(hosts, primary, client);
  }

  /** Whether this machine has what it takes; says so where it has not. */
  boolean isPossible() {
    boolean possible = this != CLOCK_STEPS || HostClock.canBeStepped();
    if (!possible) {
      System.out.println(this + ": left out, there is no libfaketime (package faketime)");
    }
    return possible;
  }

  private static void pause(long millis) throws InterruptedException {
    TimeUnit.MILLISECONDS.sleep(millis);
  }

  private static void fill(
      TwoHosts.Host host, TwoHosts hosts, TwoHosts.Host primary, PairClient client)
      throws Exception {
    host.fill();
    client.grow();
    hosts.awaitEnd(primary);
    host.free();
  }
}
