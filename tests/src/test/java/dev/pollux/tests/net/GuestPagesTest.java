package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A guest's page, over networks that {@link LinuxNetworkTest} does not have. */
@Timeout(300)
class GuestPagesTest {
  private static final String SERVE =
      "mkdir /www; echo 'served by the guest' > /www/index.html; httpd -p 80 -h /www";
  private static final String PAGE = "served by the guest";
  private static final String TAP = "pxpages";

  @TempDir private Path folder;

  private Path initrd() throws Exception {
    return LinuxGuest.initrd(folder, Kernel.GENERIC, "virtio_pci", "virtio_net", "e1000");
  }

  private static void address(LinuxGuest guest, int host) {
    guest.awaitShell();
    guest.run("ip addr flush dev eth0; ip addr add 10.0.9.%d/24 dev eth0".formatted(host));
  }

  @Test
  void overTapWithBothCards() throws Exception {
    Namespace.needs("curl");
    try (Namespace network = Namespace.create()) {
      for (int i = 0; i < 2; i++) {
        network.shell(
            "ip tuntap add %1$s mode tap vnet_hdr; ip addr add 10.0.%2$d.1/24 dev %1$s; ip link set %1$s up"
                .formatted(TAP + i, 8 + i));
      }
      try (LinuxGuest guest =
          LinuxGuest.startBy(
              network.starter(),
              Kernel.GENERIC,
              initrd(),
              "-nic",
              "tap,model=virtio-net-pci,ifname=" + TAP + 0,
              "-nic",
              "tap,model=e1000,ifname=" + TAP + 1)) {
        guest.awaitShell();
        guest.run(
            "for d in /sys/class/net/eth*; do n=${d##*/}; case $(readlink $d/device/driver) in"
                + " *e1000) i=9;; *) i=8;; esac; ip addr flush dev $n;"
                + " ip addr add 10.0.$i.2/24 dev $n; ip link set $n up; done");
        guest.run(SERVE);
        for (int i = 8; i < 10; i++) {
          String url = "http://10.0.%d.2/".formatted(i);
          Namespace.Result page =
              network.run(30, "curl", "-s", "--retry", "5", "--retry-connrefused", url);
          assertEquals(PAGE, page.output().strip(), () -> guest.run("ip addr"));
        }
      }
    }
  }

  @Test
  void betweenTwoGuestsWithBothCards() throws Exception {
    String wire = "stream,addr.type=unix,addr.path=%s,mac=52:54:00:12:34:%02d,model=%s,%s";
    Path path = folder.resolve("wire");
    try (LinuxGuest server =
            LinuxGuest.start(
                Kernel.GENERIC,
                initrd(),
                "-nic",
                wire.formatted(path, 1, "virtio-net-pci", "server=on"));
        LinuxGuest client =
            LinuxGuest.start(
                Kernel.GENERIC,
                initrd(),
                "-nic",
                wire.formatted(path, 2, "e1000", "reconnect-ms=500"))) {
      address(server, 1);
      server.run(SERVE);
      address(client, 2);
      String page = "";
      for (int i = 0; i < 20 && !page.contains(PAGE); i++) {
        page = client.run("timeout 5 wget -q -O - http://10.0.9.1/");
        TimeUnit.MILLISECONDS.sleep(200);
      }
      assertEquals(PAGE, page);
      assertTrue(server.monitor("info network").contains("type=stream"));
    }
  }
}
