package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.cli.img.ImgTools;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a client was told is on a disk is there when the other host goes on, and when both hosts
 * have died.
 */
class PairHostsDiskTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /** Serves a program that writes each line that comes to the disk, flushes, and says it again. */
  private static final String GUEST =
      """
      #!/bin/sh
      ip addr flush dev eth0; ip addr add 10.77.0.50/24 dev eth0; ip link set eth0 up
      cat > /tmp/keep <<'END'
      #!/bin/sh
      while read n; do
        printf %08d $n | dd of=/dev/vda bs=4096 seek=$((n%64)) conv=fsync,notrunc 2>/dev/null
        echo $n
      done
      END
      cat > /tmp/told <<'END'
      #!/bin/sh
      i=0; while [ $i -lt 64 ]; do
        dd if=/dev/vda bs=4096 skip=$i count=1 iflag=direct 2>/dev/null | head -c 8 | tr '\\000' 0
        echo; i=$((i+1)); done | sort | tail -1
      END
      cat > /tmp/grow <<'END'
      #!/bin/sh
      dd if=/dev/urandom of=/dev/vda bs=65536 seek=100 count=300 conv=fsync,notrunc 2>/dev/null
      echo $? is the end.
      END
      chmod +x /tmp/keep /tmp/told /tmp/grow
      nc -ll -p 7 -e /tmp/keep &
      nc -ll -p 8 -e /tmp/told &
      nc -ll -p 9 -e /tmp/grow &
      """;

  /**
   * Has numbers kept for some seconds from the first; then, or when it hears nothing, tells the
   * last.
   */
  private static final String CLIENT =
      """
      import socket,time,sys
      end=0; n=int(sys.argv[3]); kept=n
      def connect():
        while True:
          try:
            s=socket.create_connection((sys.argv[1],7),3); s.settimeout(20); return s
          except OSError: time.sleep(0.2)
      s=connect(); f=s.makefile()
      try:
        while not end or time.time()<end:
          s.sendall(b"%d\\n" % (n+1)); line=f.readline()
          if not line: break
          n+=1; assert int(line)==n; kept=n
          if not end: end=time.time()+float(sys.argv[2]); print("first.",flush=True)
      except (OSError,KeyboardInterrupt): pass
      print("kept %d." % kept,flush=True)
      """;

  /** Has the disk written where it was empty; tells how that ended. */
  private static final String GROWER =
      """
      import socket,time,sys
      while True:
        try:
          s=socket.create_connection((sys.argv[1],9),3); break
        except OSError: time.sleep(0.2)
      s.settimeout(100); print(s.makefile().readline(),flush=True)
      """;

  private static final String ASKER =
      """
      import socket,time,sys
      while True:
        try:
          s=socket.create_connection((sys.argv[1],8),3); s.settimeout(20)
          text=s.makefile().read().strip()
          if text: print("disk %d." % int(text),flush=True); break
        except OSError: pass
        time.sleep(0.5)
      """;

  @TempDir private Path folder;

  @Test
  void diskOutlivesEitherHostAndBoth() throws Exception {
    Namespace.needs("python3");
    try (TwoHosts hosts = new TwoHosts(folder, machine(), PairHostsDiskTest::makeDisk)) {
      final TwoHosts.Host first = hosts.awaitPair();
      PolluxProcess client = client(hosts, 8, 0);
      client.expect("first.", PATIENCE);
      TimeUnit.SECONDS.sleep(3);
      first.signal("KILL", false);
      hosts.awaitEnd(first);
      long kept = number(client, "kept ");
      assertTrue(kept > 5, client.output());
      assertEquals(kept, onDisk(hosts));
      hosts.awaitPair();
      // Both die in the middle of it, and come back in the other order.
      client = client(hosts, 30, kept);
      client.expect("first.", PATIENCE);
      TimeUnit.SECONDS.sleep(2);
      for (TwoHosts.Host host : hosts.hosts()) {
        host.kill();
      }
      String pid = String.valueOf(client.process().pid());
      var _ = Namespace.runOnHost(10, "kill", "-INT", pid);
      kept = number(client, "kept ");
      for (TwoHosts.Host host : hosts.hosts().reversed()) {
        hosts.startAgent(host);
        TimeUnit.MILLISECONDS.sleep(500);
      }
      hosts.awaitPair();
      long found = onDisk(hosts);
      assertTrue(found == kept || found == kept + 1, "told " + kept + ", on the disk " + found);
    }
  }

  /** The guest goes on with one disk, and again with two when there is room. */
  @Test
  @Tag("campaign")
  void aFullDiskEndsThePairAndNotTheGuest() throws Exception {
    Namespace.needs("python3");
    try (TwoHosts hosts = new TwoHosts(folder, machine(), PairHostsDiskTest::makeSmallDisk)) {
      final TwoHosts.Host full = hosts.hosts().get(1);
      if (hosts.awaitPair() == full) {
        full.ask("demote");
        hosts.awaitEnd(full);
      }
      final TwoHosts.Host primary = hosts.awaitPair();
      assertNotSame(full, primary);
      try (PolluxProcess client = hosts.client("python3", "-c", GROWER, TwoHosts.GUEST)) {
        client.expect("0 is the end.", PATIENCE);
      }
      hosts.awaitEnd(primary);
      hosts.awaitEvent(primary, "alone");
      String why = "a write has not reached the other side's disk: No space left on device";
      assertTrue(primary.agent().output().contains(why), hosts::story);
      String small = full.folder().toString();
      var _ = Namespace.runOnHost(10, "mount", "-o", "remount,size=96m", small);
      assertSame(primary, hosts.awaitPair());
      assertEquals(0, onDisk(hosts));
    }
  }

  private static void makeSmallDisk(TwoHosts.Host host) throws Exception {
    makeDisk(host);
    if (!host.isFirst()) {
      host.mount("12m");
    }
  }

  private List<String> machine() throws Exception {
    Path rc = Files.writeString(folder.resolve("rc"), GUEST);
    Files.setPosixFilePermissions(rc, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path initrd =
        LinuxGuest.initrd(
            folder, Kernel.CLOUD, Map.of("/etc/rc", rc), "virtio_pci", "virtio_net", "virtio_blk");
    List<String> machine = new ArrayList<>(LinuxGuest.machine(Kernel.CLOUD, initrd));
    machine.set(machine.indexOf("-m") + 1, "192");
    machine.addAll(List.of("-drive", "file=HOST/disk.qcow2,format=qcow2,if=virtio"));
    return machine;
  }

  private static void makeDisk(TwoHosts.Host host) throws Exception {
    if (host.isFirst()) {
      String disk = host.folder().resolve("disk.qcow2").toString();
      assertEquals(0, ImgTools.run(List.of("create", "-q", "-f", "qcow2", disk, "32M")));
    }
  }

  private static PolluxProcess client(TwoHosts hosts, int seconds, long from) {
    return hosts.client(
        "python3", "-c", CLIENT, TwoHosts.GUEST, String.valueOf(seconds), String.valueOf(from));
  }

  private static long onDisk(TwoHosts hosts) {
    return number(hosts.client("python3", "-c", ASKER, TwoHosts.GUEST), "disk ");
  }

  private static long number(PolluxProcess client, String word) {
    try (client) {
      client.expect(word, PATIENCE);
      return Long.parseLong(client.expect(".", PATIENCE));
    }
  }
}
