package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Linux with two processors on a TAP interface with two queues, and on one of a helper's. */
@Timeout(300)
class TapQueuesTest {
  private static final String INTERFACE = "pxqueues";

  private static final String HELPER =
      """
      #!/usr/bin/env python3
      import fcntl,os,socket,struct,sys
      options=dict(a[2:].split("=") for a in sys.argv[1:] if "=" in a)
      assert "--use-vnet" in sys.argv and options["br"] == "brtest", sys.argv
      tap=os.open("/dev/net/tun",os.O_RDWR)
      fcntl.ioctl(tap,0x400454ca,struct.pack("16sH22x",b"pxqueues",0x5002))
      socket.send_fds(socket.socket(fileno=int(options["fd"])),[b"\\0"],[tap])
      """;

  @TempDir private Path folder;
  private Namespace network;

  @BeforeEach
  void make() throws Exception {
    network = Namespace.create();
  }

  @AfterEach
  void takeApart() throws IOException {
    network.close();
  }

  private void plug(LinuxGuest guest) throws Exception {
    for (int i = 0; Namespace.runOnHost(10, "ip", "link", "show", INTERFACE).status() != 0; i++) {
      assertTrue(i < 600, () -> "no interface: " + guest.process().errors());
      TimeUnit.MILLISECONDS.sleep(100);
    }
    Namespace.runOnHost(10, "ip", "link", "set", INTERFACE, "netns", network.name());
    network.shell("ip addr add 10.0.9.1/24 dev %1$s; ip link set %1$s up".formatted(INTERFACE));
    guest.awaitShell();
    guest.run("ip addr flush dev eth0; ip addr add 10.0.9.2/24 dev eth0; ip link set eth0 up");
  }

  private static void assertReaches(LinuxGuest guest) {
    String ping = guest.run("ping -c 3 -i 0.2 -W 5 10.0.9.1");
    assertTrue(ping.contains(" 0% packet loss"), ping);
  }

  @Test
  void twoProcessorsUseTwoQueues() throws Exception {
    Namespace.needs("python3");
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    try (LinuxGuest guest =
        LinuxGuest.start(
            Kernel.CLOUD,
            initrd,
            "-smp",
            "2",
            "-netdev",
            "tap,id=n0,queues=2,ifname=" + INTERFACE,
            "-device",
            "virtio-net-pci,netdev=n0,mq=on,vectors=6,id=net0")) {
      plug(guest);
      assertEquals("rx-0 rx-1 tx-0 tx-1", guest.run("cd /sys/class/net/eth0/queues; echo *; cd"));
      assertReaches(guest);
      Process server =
          network.start(
              "python3",
              "-c",
              "import socket;s=socket.create_server(('10.0.9.1',5000));\n"
                  + "while 1: c,_=s.accept(); [c.sendall(b) for b in"
                  + " iter(lambda:c.recv(65536),b'')]; c.close()");
      try {
        long[] before = interrupts(guest);
        for (int processor = 0; processor < 2; processor++) {
          String echoed =
              guest.run(
                  ("taskset %d sh -c 'head -c 3000000 /dev/urandom > /tmp/out; for i in $(seq 50);"
                          + " do nc 10.0.9.1 5000 < /tmp/out > /tmp/in 2> /dev/null && break; sleep"
                          + " 0.1; done'; cmp /tmp/in /tmp/out && echo same")
                      .formatted(1 << processor));
          assertEquals("same", echoed);
        }
        long[] after = interrupts(guest);
        assertTrue(after[0] > before[0] + 20, "queue 0: " + before[0] + " to " + after[0]);
        assertTrue(after[1] > before[1] + 20, "queue 1: " + before[1] + " to " + after[1]);
        String shown = guest.monitor("info network");
        assertTrue(shown.contains("ifname=%s,queues=2".formatted(INTERFACE)), shown);
      } finally {
        server.descendants().forEach(ProcessHandle::destroyForcibly);
        server.destroyForcibly();
      }
    }
  }

  /** Of the receive queues. */
  private static long[] interrupts(LinuxGuest guest) {
    String text = guest.run("cat /proc/interrupts");
    long[] counts = new long[2];
    for (int i = 0; i < counts.length; i++) {
      Matcher line =
          Pattern.compile("\\s+\\d+:\\s+(\\d+)\\s+(\\d+)\\s+.*-input\\." + i).matcher(text);
      assertTrue(line.find(), text);
      counts[i] = Long.parseLong(line.group(1)) + Long.parseLong(line.group(2));
    }
    return counts;
  }

  @Test
  void helperOpensAnInterface() throws Exception {
    Namespace.needs("python3");
    Path helper = Files.writeString(folder.resolve("helper"), HELPER);
    Files.setPosixFilePermissions(helper, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path initrd = LinuxGuest.initrd(folder, Kernel.CLOUD, "virtio_pci", "virtio_net");
    String nic = "bridge,br=brtest,model=virtio-net-pci,helper=" + helper;
    try (LinuxGuest guest = LinuxGuest.start(Kernel.CLOUD, initrd, "-nic", nic)) {
      plug(guest);
      assertReaches(guest);
    }
  }
}
