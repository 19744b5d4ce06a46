package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What an emulator's process sends and where it listens, in a network namespace of its own: its
 * interfaces count every packet, and everything that listens there is the process's.
 */
@Timeout(300)
class RestrictedNetworkTest {
  private static final int PORT = 8080;

  /** TCP and UDP to the host and beyond, names, pings, and the same over IPv6. */
  private static final String ATTEMPTS =
      """
      for target in 10.0.2.2 192.0.2.1 127.0.0.1 fec0::2 2001:db8::1; do
        timeout 2 nc -w 1 $target 7 < /dev/null
        timeout 2 wget -q -O /dev/null http://$target/ || timeout 2 wget -q -O /dev/null http://[$target]/
        timeout 2 nslookup example.org $target
      done
      timeout 2 nslookup example.org 10.0.2.3
      timeout 3 ping -c 2 192.0.2.1
      timeout 3 ping6 -c 2 2001:db8::1
      """
          .replace("\n", "; ")
          .replace("do; ", "do ");

  @TempDir private Path folder;
  private Namespace world;

  @BeforeEach
  void make() throws Exception {
    world = Namespace.create();
    // Everything beyond the host leaves by one interface, whose other end nobody looks at.
    world.shell(
        """
        sysctl -qw net.ipv6.conf.default.router_solicitations=0
        ip link set lo up
        ip link add out0 type veth peer name sink0
        ip link set out0 up; ip link set sink0 up
        ip addr add 192.0.2.9/24 dev out0
        ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 nud permanent dev out0
        ip route add default via 192.0.2.1
        ip -6 addr add 2001:db8::9/64 dev out0 nodad
        ip -6 neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 nud permanent dev out0
        """);
  }

  @AfterEach
  void takeApart() throws IOException {
    world.close();
  }

  private LinuxGuest start(String options) throws IOException {
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    String nic = "user,hostfwd=tcp:127.0.0.1:%d-:80%s".formatted(PORT, options);
    return LinuxGuest.startBy(world.starter(), Kernel.CLOUD, initrd, "-nic", nic).awaitShell();
  }

  /** Packets that the interfaces have sent, but for what the kernel itself says on a new link. */
  private long sent() throws Exception {
    long sum = 0;
    for (String each : List.of("lo", "out0")) {
      String path = "/sys/class/net/%s/statistics/tx_packets".formatted(each);
      sum += Long.parseLong(world.run(10, "cat", path).output().strip());
    }
    return sum;
  }

  /** Waits until the kernel has said what it says on a new link. */
  private long quiet() throws Exception {
    long last = -1;
    for (long now = sent(); now != last; now = sent()) {
      last = now;
      TimeUnit.SECONDS.sleep(6);
    }
    return last;
  }

  private List<String> listeners(String protocol) throws Exception {
    String listening = protocol.startsWith("tcp") ? "0A" : "07";
    return world
        .run(10, "cat", "/proc/net/" + protocol)
        .output()
        .lines()
        .map(line -> line.strip().split("\\s+", -1))
        .filter(words -> words.length > 3 && words[3].equals(listening))
        .map(words -> words[1])
        .toList();
  }

  @Test
  void restrictedGuestSendsNothing() throws Exception {
    try (LinuxGuest guest = start(",restrict=on")) {
      assertTrue(guest.run("ip addr show eth0").contains("inet 10.0.2.15/24"));
      long before = quiet();
      guest.run("(" + ATTEMPTS + ") > /dev/null 2>&1");
      assertEquals(before, sent(), "packets that the host has sent");
      String dropped = guest.monitor("info network");
      assertTrue(dropped.contains("not allowed"), dropped);
      // What is forwarded to it works, and its answers leave by that way alone.
      guest.run("mkdir /www; echo inside > /www/index.html; httpd -p 80 -h /www");
      Namespace.needs("curl");
      Namespace.Result page = world.run(20, "curl", "-s", "http://127.0.0.1:" + PORT + "/");
      assertEquals("inside", page.output().strip());
    }
  }

  @Test
  void otherGuestSendsAndNothingListensButWhatWasAskedFor() throws Exception {
    try (LinuxGuest guest = start("")) {
      assertTrue(guest.run("ip addr show eth0").contains("inet 10.0.2.15/24"));
      String local = "0100007F:%04X".formatted(PORT);
      List<String> tcp =
          Stream.concat(listeners("tcp").stream(), listeners("tcp6").stream()).toList();
      assertEquals(1, tcp.size(), tcp::toString);
      assertTrue(
          tcp.getFirst().equals(local) || tcp.getFirst().equals("0000000000000000FFFF0000" + local),
          tcp::toString);
      assertEquals(List.of(), listeners("udp"));
      assertEquals(List.of(), listeners("udp6"));
      guest.monitor("hostfwd_remove tcp:127.0.0.1:" + PORT);
      for (int i = 0; i < 100 && !listeners("tcp6").isEmpty(); i++) {
        TimeUnit.MILLISECONDS.sleep(50);
      }
      assertEquals(List.of(), listeners("tcp"));
      assertEquals(List.of(), listeners("tcp6"));
      long before = quiet();
      guest.run("(" + ATTEMPTS + ") > /dev/null 2>&1");
      assertTrue(sent() > before + 10, "packets before " + before + ", after " + sent());
      assertEquals(List.of(), listeners("tcp6"), "after it has sent");
    }
  }
}
