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
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What an emulator's process sends and where it listens, in a network namespace of its own: its
 * interfaces count every packet, and everything that listens there is the process's. Its guest has
 * a card on a restricted network and one on another, and uses one at a time.
 */
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RestrictedNetworkTest {
  /** The forwarded port of the restricted network. */
  private static final int INSIDE = 8080;

  /** That of the other. */
  private static final int OPEN = 8081;

  /** TCP and UDP to the host and beyond, names, pings, and the same over IPv6, all at once. */
  private static final String ATTEMPTS =
      """
      for target in 10.0.2.2 10.0.3.2 192.0.2.1 127.0.0.1 fec0::2 2001:db8::1; do
        timeout 2 nc -w 1 $target 7 < /dev/null &
        timeout 2 wget -q -O /dev/null http://$target/ &
        timeout 2 wget -q -O /dev/null http://[$target]/ &
        timeout 2 nslookup example.org $target &
      done
      timeout 2 nslookup example.org 10.0.2.3 &
      timeout 2 nslookup example.org 10.0.3.3 &
      timeout 3 ping -c 2 192.0.2.1 &
      timeout 3 ping6 -c 2 2001:db8::1 &
      wait
      """
          .replace("&\n", "& ")
          .replace("do\n", "do ")
          .replace("done\n", "done; ")
          .strip();

  private Namespace world;
  private LinuxGuest guest;

  @BeforeAll
  void make(@TempDir Path folder) throws Exception {
    world = Namespace.create();
    // Everything beyond the host leaves by one interface, whose other end nobody looks at.
    world.shell(
        """
        sysctl -qw net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.dad_transmits=0
        ip link set lo up
        ip link add out0 type veth peer name sink0
        ip link set out0 up; ip link set sink0 up
        ip addr add 192.0.2.9/24 dev out0
        ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 nud permanent dev out0
        ip route add default via 192.0.2.1
        ip -6 addr add 2001:db8::9/64 dev out0 nodad
        ip -6 neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 nud permanent dev out0
        """);
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    guest =
        LinuxGuest.startBy(
                world.starter(),
                Kernel.CLOUD,
                initrd,
                "-nic",
                "user,restrict=on,hostfwd=tcp:127.0.0.1:%d-:80".formatted(INSIDE),
                "-nic",
                "user,net=10.0.3.0/24,hostfwd=tcp:127.0.0.1:%d-:80".formatted(OPEN))
            .awaitShell();
  }

  @AfterAll
  void takeApart() throws IOException {
    if (guest != null) {
      guest.close();
    }
    if (world != null) {
      world.close();
    }
  }

  /** The guest uses one of its cards. */
  private void use(String card, String address) {
    guest.run("ip link set eth0 down; ip link set eth1 down; ip addr flush dev " + card);
    guest.run("ip link set %1$s up; udhcpc -i %1$s -n -q -s /etc/udhcpc".formatted(card));
    String shown = guest.run("ip addr show " + card);
    assertTrue(shown.contains("inet " + address), shown);
    String six =
        guest.run(
            "for i in $(seq 50); do ip addr show %s | grep fec0: | grep -qv tentative && echo has;"
                    .formatted(card)
                + " sleep 0.2; done | head -n 1");
    assertEquals("has", six, "an address of IPv6");
  }

  /**
   * Packets that the interfaces have sent, without the reports of multicast groups (ICMPv6 type
   * 143) with which the kernel greets a new link.
   */
  private long sent() throws Exception {
    String counters =
        """
        cat /sys/class/net/lo/statistics/tx_packets /sys/class/net/out0/statistics/tx_packets
        sed -n 's/^Icmp6OutType143[^0-9]*/-/p' /proc/net/dev_snmp6/out0
        """;
    Namespace.Result read = world.run(10, "sh", "-ec", counters);
    assertEquals(0, read.status(), read.output());
    return read.output().lines().mapToLong(line -> Long.parseLong(line.strip())).sum();
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

  /** The ports of 127.0.0.1 on which something listens; elsewhere nothing may. */
  private List<Integer> ports() throws Exception {
    List<String> all =
        Stream.concat(listeners("tcp").stream(), listeners("tcp6").stream()).toList();
    for (String each : all) {
      assertTrue(each.matches("(0000000000000000FFFF0000)?0100007F:.*"), "listens at " + each);
    }
    return all.stream()
        .map(each -> Integer.parseInt(each.substring(each.indexOf(':') + 1), 16))
        .sorted()
        .toList();
  }

  @Test
  void restrictedGuestSendsNothing() throws Exception {
    Namespace.needs("curl");
    use("eth0", "10.0.2.15/24");
    long before = sent();
    guest.run("(" + ATTEMPTS + ") > /dev/null 2>&1");
    assertEquals(before, sent(), "packets that the host has sent");
    String dropped = guest.monitor("info network");
    assertTrue(dropped.contains("not allowed"), dropped);
    // What is forwarded to it works, and its answers leave by that way alone.
    guest.run("mkdir /www; echo inside > /www/index.html; httpd -p 80 -h /www");
    Namespace.Result page = world.run(20, "curl", "-s", "http://127.0.0.1:" + INSIDE + "/");
    assertEquals("inside", page.output().strip());
  }

  @Test
  void otherGuestSendsAndNothingListensButWhatWasAskedFor() throws Exception {
    use("eth1", "10.0.3.15/24");
    assertEquals(List.of(INSIDE, OPEN), ports());
    assertEquals(List.of(), listeners("udp"));
    assertEquals(List.of(), listeners("udp6"));
    guest.monitor("hostfwd_remove nic1 tcp:127.0.0.1:" + OPEN);
    for (int i = 0; i < 100 && ports().size() > 1; i++) {
      TimeUnit.MILLISECONDS.sleep(50);
    }
    assertEquals(List.of(INSIDE), ports());
    long before = sent();
    guest.run("(" + ATTEMPTS + ") > /dev/null 2>&1");
    assertTrue(sent() > before + 10, "packets before " + before + ", after " + sent());
    assertEquals(List.of(INSIDE), ports(), "after it has sent");
  }
}
