package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A client of a guest on two hosts keeps its connection, whatever happens to one of them. {@code
 * -Dpollux.hosts.faults=N} faults, {@code -Dpollux.hosts.seed=N} others.
 */
class PairHostsTest {
  private static final int FAULTS = Integer.getInteger("pollux.hosts.faults", 3);
  private static final long SEED = Long.getLong("pollux.hosts.seed", 0);
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final String GUEST =
      """
      #!/bin/sh
      ip addr flush dev eth0; ip addr add 10.77.0.50/24 dev eth0; ip link set eth0 up
      nc -ll -p 7 -e /bin/cat &
      """;

  /**
   * Sends random bytes and checks each that comes back; tells how long each second's worst took.
   */
  private static final String CLIENT =
      """
      import socket,time,random,sys
      def connect():
        while True:
          try:
            s=socket.create_connection((sys.argv[1],7),5); s.settimeout(90)
            s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
            s.sendall(b"hello")
            if s.recv(5): return s
          except OSError: time.sleep(0.2)
      s=connect(); r=random.Random(7); print("connected",flush=True)
      worst=0; told=time.time()
      while True:
        d=r.randbytes(r.randint(1,3000)); t=time.time(); s.sendall(d); h=b""
        while len(h)<len(d):
          m=s.recv(65536)
          if not m: print("CLOSED",flush=True); sys.exit(1)
          h+=m
        if h!=d: print("DIFFERENT",flush=True); sys.exit(1)
        worst=max(worst,time.time()-t)
        if time.time()-told>1: print("worst %.2f" % worst,flush=True); worst=0; told=time.time()
      """;

  @TempDir private Path folder;

  /** What is done to the side that runs the guest. */
  private enum Fault {
    KILL_MACHINE,
    FREEZE_HOST,
    CUT_PEERS,
    CUT_OFF,
    KILL_AGENT,
    CUT_ONE_WAY,
    LOSE_LEASE,
    FREEZE_MACHINE,
    DEMOTE,
    SLOW_LINK,
    RESYNC,
    KILL_COPY,
    FREEZE_COPY
  }

  private Path initrd() throws Exception {
    Path rc = Files.writeString(folder.resolve("rc"), GUEST);
    Files.setPosixFilePermissions(rc, PosixFilePermissions.fromString("rwxr-xr-x"));
    return LinuxGuest.initrd(
        folder, Kernel.CLOUD, Map.of("/etc/rc", rc), "virtio_pci", "virtio_net");
  }

  private static List<String> machine(Path initrd) {
    List<String> machine = new ArrayList<>(LinuxGuest.machine(Kernel.CLOUD, initrd));
    machine.set(machine.indexOf("-m") + 1, "192");
    return machine;
  }

  /** What is to happen, in this order: each kind once, and then whatever comes. */
  private static List<Fault> faults() {
    Random random = new Random(SEED);
    List<Fault> all = List.of(Fault.values());
    List<Fault> faults = new ArrayList<>(all.subList(0, Math.min(FAULTS, all.size())));
    while (faults.size() < FAULTS) {
      faults.add(all.get(random.nextInt(all.size())));
    }
    if (SEED != 0) {
      Collections.shuffle(faults, random);
    }
    return faults;
  }

  @Test
  void connectionOutlivesEitherHost() throws Exception {
    Namespace.needs("python3");
    if (FAULTS > Fault.SLOW_LINK.ordinal()) {
      Namespace.needs("tc");
    }
    try (TwoHosts hosts = new TwoHosts(folder, machine(initrd()))) {
      TwoHosts.Host primary = hosts.awaitPair();
      try (PolluxProcess client = hosts.client("python3", "-c", CLIENT, TwoHosts.GUEST)) {
        client.expect("connected", PATIENCE);
        for (Fault fault : faults()) {
          client.expect("worst", PATIENCE);
          final int before = lines(client);
          final long began = System.nanoTime();
          cause(fault, hosts, primary);
          primary = hosts.awaitPair();
          long again = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
          for (int told = lines(client); lines(client) < told + 2; ) { // the first may be of before
            client.expect("worst", PATIENCE);
          }
          assertTrue(client.process().isAlive(), client.output() + hosts.story());
          System.out.printf(
              "%s: a pair again after %d ms; the client heard nothing for %.2f s at most%n",
              fault, again, worst(client, before));
        }
      }
    }
  }

  /**
   * A frozen host is switched off before its right is over; a side that has only an older state
   * runs the guest when it is told to, and not before.
   */
  @Test
  @Tag("campaign")
  void hostsAreFencedAndStatesForced() throws Exception {
    List<String> words = machine(initrd());
    words.addAll(List.of("--lease-time", "20000"));
    words.addAll(
        List.of(
            "--fence",
            "pids=$(ip netns pids PEER_NAMESPACE) && kill -9 $pids; sleep 0.2;"
                + " test -z \"$(ip netns pids PEER_NAMESPACE)\""));
    try (TwoHosts hosts = new TwoHosts(folder, words)) {
      TwoHosts.Host first = hosts.awaitPair();
      final TwoHosts.Host second = hosts.peer(first);
      long frozen = System.nanoTime();
      first.signal("STOP", true);
      hosts.awaitEvent(second, "failover");
      long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - frozen);
      System.out.printf("fenced and taken over after %d s%n", seconds);
      assertTrue(seconds < 19, () -> "the lease was waited for: " + hosts.story());
      assertTrue(second.agent().output().contains("\"off\": true"), hosts::story);
      hosts.startAgent(first);
      assertEquals(second, hosts.awaitPair());

      first.agent().close(); // from here on it has an older state
      hosts.awaitEnd(second);
      hosts.awaitEvent(second, "alone");
      second.agent().close();
      hosts.startAgent(first);
      TimeUnit.SECONDS.sleep(3);
      hosts.awaitDoing(first, "nothing");
      first.ask("promote-force");
      hosts.awaitDoing(first, "running");
      hosts.startAgent(second);
      assertEquals(first, hosts.awaitPair());
    }
  }

  private static int lines(PolluxProcess client) {
    return (int) client.output().lines().count();
  }

  /** The longest silence that a client has told of since it had told so many lines. */
  private static double worst(PolluxProcess client, int since) {
    return client
        .output()
        .lines()
        .skip(since)
        .filter(line -> line.startsWith("worst "))
        .mapToDouble(line -> Double.parseDouble(line.substring(6)))
        .max()
        .orElse(0);
  }

  private static void cause(Fault fault, TwoHosts hosts, TwoHosts.Host primary) throws Exception {
    switch (fault) {
      case KILL_MACHINE -> {
        primary.signal("KILL", false);
        hosts.awaitEnd(primary);
      }
      case FREEZE_HOST -> {
        primary.signal("STOP", true);
        TimeUnit.SECONDS.sleep(5);
        primary.signal("CONT", true);
        hosts.awaitEnd(primary);
      }
      case FREEZE_MACHINE -> {
        primary.signal("STOP", false);
        hosts.awaitEnd(primary);
      }
      case KILL_AGENT -> {
        primary.agent().close();
        TimeUnit.SECONDS.sleep(1);
        hosts.startAgent(primary);
      }
      case CUT_PEERS -> {
        hosts.setWay(primary, false);
        hosts.setWay(hosts.peer(primary), false);
        hosts.awaitEnd(primary);
        hosts.setWay(primary, true);
        hosts.setWay(hosts.peer(primary), true);
      }
      case CUT_ONE_WAY -> {
        hosts.setWay(primary, false);
        hosts.awaitEnd(primary);
        hosts.setWay(primary, true);
      }
      case CUT_OFF -> {
        hosts.setLink(primary, false);
        hosts.awaitEnd(primary);
        TimeUnit.SECONDS.sleep(4);
        hosts.setLink(primary, true);
        hosts.awaitEnd(primary);
      }
      case LOSE_LEASE -> {
        signalCoordinator(hosts, "STOP");
        TimeUnit.SECONDS.sleep(4);
        signalCoordinator(hosts, "CONT");
      }
      case DEMOTE -> {
        primary.ask("demote");
        hosts.awaitEnd(primary);
      }
      case SLOW_LINK -> {
        hosts.setSlow(primary, true);
        TimeUnit.SECONDS.sleep(4);
        hosts.setSlow(primary, false);
      }
      case RESYNC -> {
        hosts.peer(primary).ask("resync");
        hosts.awaitEnd(primary);
      }
      case KILL_COPY -> {
        hosts.peer(primary).signal("KILL", false);
        hosts.awaitEnd(primary);
      }
      case FREEZE_COPY -> {
        hosts.peer(primary).signal("STOP", true);
        hosts.awaitEnd(primary);
        hosts.peer(primary).signal("CONT", true);
      }
    }
  }

  private static void signalCoordinator(TwoHosts hosts, String name) throws Exception {
    String pid = String.valueOf(hosts.coordinator().process().pid());
    var _ = Namespace.runOnHost(10, "kill", "-" + name, pid);
  }
}
