package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.cli.img.ImgTools;
import dev.pollux.tests.harness.LinuxGuest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A client of a guest on two hosts keeps its connections and what it has on the disk, whatever
 * happens to one of them. {@code -Dpollux.hosts.faults=N} faults, {@code -Dpollux.hosts.seed=N}
 * another order, {@code -Dpollux.hosts.kinds=KILL_COPY,...} these kinds only; {@code
 * -Dpollux.hosts.silence=MS} is more patience with sides that do not speak, where they get little
 * of the processors: a side that is given up by itself is one more fault than a pair is for.
 */
class PairHostsTest {
  private static final int FAULTS = Integer.getInteger("pollux.hosts.faults", 24);
  private static final long SEED = Long.getLong("pollux.hosts.seed", 1);
  private static final String SILENCE = System.getProperty("pollux.hosts.silence", "1000");
  private static final String KINDS = System.getProperty("pollux.hosts.kinds", "");

  @TempDir private Path folder;

  private Path initrd() throws Exception {
    Path rc = Files.writeString(folder.resolve("rc"), PairClient.SERVER);
    Files.setPosixFilePermissions(rc, PosixFilePermissions.fromString("rwxr-xr-x"));
    return LinuxGuest.initrd(
        folder, Kernel.CLOUD, Map.of("/etc/rc", rc), "virtio_pci", "virtio_net", "virtio_blk");
  }

  private static List<String> machine(Path initrd) {
    List<String> machine = new ArrayList<>(LinuxGuest.machine(Kernel.CLOUD, initrd));
    machine.set(machine.indexOf("-m") + 1, "192");
    return machine;
  }

  /** What is to happen, in this order: each kind as often as the others, as far as it goes. */
  private static List<HostFault> faults() {
    List<HostFault> kinds =
        Stream.of(HostFault.values())
            .filter(kind -> KINDS.isEmpty() || List.of(KINDS.split(",")).contains(kind.name()))
            .filter(HostFault::isPossible)
            .toList();
    List<HostFault> faults = new ArrayList<>();
    Random random = new Random(SEED);
    while (faults.size() < FAULTS) {
      List<HostFault> round = new ArrayList<>(kinds);
      Collections.shuffle(round, random);
      faults.addAll(round.subList(0, Math.min(round.size(), FAULTS - faults.size())));
    }
    return faults;
  }

  @Test
  void connectionOutlivesEitherHost() throws Exception {
    Namespace.needs("python3");
    Namespace.needs("tc");
    List<String> words = machine(initrd());
    words.addAll(List.of("-drive", "file=HOST/disk.qcow2,format=qcow2,if=virtio"));
    words.addAll(List.of("--silence", SILENCE));
    try (TwoHosts hosts = new TwoHosts(folder, words, PairHostsTest::makeDisk)) {
      TwoHosts.Host primary = hosts.awaitPair();
      try (PairClient client = new PairClient(hosts)) {
        for (HostFault fault : faults()) {
          client.check();
          primary = suffer(fault, hosts, primary, client);
        }
        client.check();
      }
    }
  }

  /** Its disk can be filled, and only the first side has one to begin from. */
  private static void makeDisk(TwoHosts.Host host) throws Exception {
    host.mount("64m");
    if (host.isFirst()) {
      String disk = host.folder().resolve("disk.qcow2").toString();
      assertEquals(0, ImgTools.run(List.of("create", "-q", "-f", "qcow2", disk, "256M")));
    }
  }

  /** The side that runs the guest then. */
  private static TwoHosts.Host suffer(
      HostFault fault, TwoHosts hosts, TwoHosts.Host primary, PairClient client) throws Exception {
    long before = client.now();
    long began = System.nanoTime();
    try {
      fault.on(hosts, primary, client);
      TwoHosts.Host next = hosts.awaitPair();
      client.check();
      long again = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
      System.out.printf(
          "%s: all well again after %d ms; the client heard nothing for %.2f s at most%n",
          fault, again, client.longestSilence(before));
      return next;
    } catch (AssertionError e) {
      throw new AssertionError("%s, seed %d: %s".formatted(fault, SEED, hosts.story()), e);
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

      first.kill(); // from here on it has an older state
      hosts.awaitEnd(second);
      hosts.awaitEvent(second, "alone");
      second.kill();
      hosts.startAgent(first);
      TimeUnit.SECONDS.sleep(3);
      hosts.awaitDoing(first, "nothing");
      first.ask("promote-force");
      hosts.awaitDoing(first, "running");
      hosts.startAgent(second);
      assertEquals(first, hosts.awaitPair());
    }
  }
}
