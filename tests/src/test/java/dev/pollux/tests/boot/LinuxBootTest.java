package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.host.HostCpu;
import dev.pollux.tests.harness.LinuxGuest;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Debian's kernels boot to a shell, which works and ends the machine in every way there is. */
class LinuxBootTest {
  private static final Duration END = Duration.ofMinutes(1);

  @Test
  void cloudKernelGivesAShellAndPowersOff() {
    try (LinuxGuest guest = LinuxGuest.start(Kernel.CLOUD).awaitShell()) {
      assertEquals("42", guest.run("echo $((6 * 7))"));
      assertTrue(guest.run("uname -r").contains("cloud"));
      assertEquals("/dev/ttyS0", guest.run("tty"));
      // Arithmetic of the guest's own programs: the digest of a text is known.
      assertEquals(
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -",
          guest.run("printf abc | sha256sum"));
      assertEquals("", guest.run("dmesg | grep -E 'BUG|Oops|WARNING|soft lockup|unstable'"));
      // The kernel takes what the processor offers, and says what it uses.
      assertEquals("1", guest.run("grep -c -w la57 /proc/cpuinfo"));
      assertEquals("1", guest.run("grep -c -w ospke /proc/cpuinfo"));
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
      assertEquals("", guest.process().errors());
    }
  }

  @Test
  void bootsInSoLittleRoomThatCodeIsDroppedAgainAndAgain() {
    assumeTrue(HostCpu.isX86(), "generated code runs on x86-64 hosts only");
    try (LinuxGuest guest =
        LinuxGuest.start(Kernel.CLOUD, "-accel", "jit,tb-size=6").awaitShell()) {
      assertEquals(
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -",
          guest.run("printf abc | sha256sum"));
      String info = guest.monitor("info jit");
      Matcher room = Pattern.compile("code \\d+ KiB of (\\d+)\n").matcher(info);
      assertTrue(room.find() && room.group(1).equals("6144"), info);
      Matcher dropped = Pattern.compile("all dropped (\\d+) times").matcher(info);
      assertTrue(dropped.find() && Integer.parseInt(dropped.group(1)) >= 3, info);
      assertEquals("", guest.run("dmesg | grep -E 'BUG|Oops|WARNING|soft lockup|unstable'"));
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
    }
  }

  @Test
  void controlCReachesTheGuestsJob() {
    try (LinuxGuest guest = LinuxGuest.start(Kernel.CLOUD).awaitShell()) {
      // The job itself says that it is in the foreground.
      guest.type("sh -c \"echo st''art; exec sleep 1000\"\n");
      guest.process().expect("start\r\n", END);
      guest.type("\003");
      assertEquals("on", guest.run("echo on"));
      guest.process().process().destroy();
      assertEquals(0, guest.process().await(END), "ended by SIGTERM");
    }
  }

  @Test
  void genericKernelGivesAShellAndReboots() {
    try (LinuxGuest guest = LinuxGuest.start(Kernel.GENERIC).awaitShell()) {
      assertTrue(guest.run("uname -r").endsWith("amd64"));
      long seconds = Long.parseLong(guest.run("a=$(date +%s); sleep 2; echo $(($(date +%s) - a))"));
      assertTrue(seconds >= 2 && seconds <= 4, () -> "sleep 2 took " + seconds + " s");
      guest.type("reboot -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
    }
  }
}
