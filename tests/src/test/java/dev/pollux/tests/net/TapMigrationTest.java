package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A Linux guest moves from one port of a bridge to another while a TCP stream comes in: nothing of
 * it is lost, and the bridge has learned the new port.
 */
@Timeout(360)
class TapMigrationTest {
  private static final String ADDRESS = "52:54:00:12:34:77";

  /** Sends numbers to one client until a file is there; prints the sum of what it has sent. */
  private static final String SERVER =
      """
      import socket,hashlib,os,sys,time
      s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
      s.bind(("10.0.9.1",5000)); s.listen()
      c,_=s.accept(); h=hashlib.sha256(); n=0
      while not os.path.exists(sys.argv[1]):
        b=b"".join(b"%015d\\n"%(n+i) for i in range(4096)); n+=4096
        c.sendall(b); h.update(b); time.sleep(0.05)
      c.close(); print(h.hexdigest())
      """;

  @TempDir Path folder;
  private Namespace network;

  @BeforeEach
  void makeBridge() throws Exception {
    network = Namespace.create();
    Namespace.needs("python3");
    Namespace.needs("bridge");
    network.shell(
        "ip link add br0 address 02:00:0a:00:09:01 type bridge; ip addr add 10.0.9.1/24 dev br0; ip"
            + " link set br0 up");
  }

  @AfterEach
  void takeApart() throws IOException {
    network.close();
  }

  @Test
  void streamGoesOn() throws Exception {
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    Path stop = folder.resolve("stop");
    Process server = network.start("python3", "-c", SERVER, stop.toString());
    try (LinuxGuest here = start(initrd, 0)) {
      here.awaitShell();
      here.run("ip addr flush dev eth0; ip addr add 10.0.9.2/24 dev eth0");
      here.run("((nc 10.0.9.1 5000 < /dev/null | sha256sum > /tmp/sum; touch /tmp/ended) &)");
      try (LinuxGuest there = start(initrd, 1, "-incoming", "defer")) {
        migrate();
        String ports = network.run(10, "bridge", "fdb", "show", "br", "br0").output();
        assertTrue(ports.contains(ADDRESS + " dev pxmig1"), ports);
        String port = network.run(10, "ip", "link", "show", "pxmig1").output();
        assertTrue(port.contains("link/ether fe:"), port); // no bridge takes it for its own
        assertEquals("42", there.run("echo $((6 * 7))"));
        TimeUnit.SECONDS.sleep(1);
        Files.createFile(stop);
        BufferedReader printed = server.inputReader(StandardCharsets.US_ASCII);
        String sent = printed.readLine();
        String received =
            there.run(
                "for i in $(seq 100); do [ -e /tmp/ended ] && break; sleep 0.2; done;"
                    + " cat /tmp/sum");
        assertEquals(sent, received.replaceFirst(" .*", ""));
      }
    } finally {
      server.descendants().forEach(ProcessHandle::destroyForcibly);
      server.destroyForcibly();
    }
  }

  /** Starts an emulator whose interface becomes a port of the bridge. */
  private LinuxGuest start(Path initrd, int number, String... more) throws Exception {
    String[] options = new String[more.length + 6];
    options[0] = "-m";
    options[1] = "256";
    options[2] = "-nic";
    options[3] = "tap,ifname=pxmig%d,mac=%s".formatted(number, ADDRESS);
    options[4] = "-qmp";
    options[5] = socket(number) + ",server=on,wait=off";
    System.arraycopy(more, 0, options, 6, more.length);
    LinuxGuest guest = LinuxGuest.start(Kernel.CLOUD, initrd, options);
    String name = "pxmig" + number;
    for (int i = 0; Namespace.runOnHost(10, "ip", "link", "show", name).status() != 0; i++) {
      assertTrue(i < 600, () -> "no " + name + ": " + guest.process().errors());
      TimeUnit.MILLISECONDS.sleep(100);
    }
    Namespace.runOnHost(10, "ip", "link", "set", name, "netns", network.name());
    network.shell("ip link set %1$s master br0; ip link set %1$s up".formatted(name));
    return guest;
  }

  private String socket(int number) {
    return "unix:" + folder.resolve("qmp" + number);
  }

  private void migrate() throws Exception {
    GuestMove.migrate(socket(0), socket(1), folder.resolve("stream"));
  }
}
