package dev.pollux.tests.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.tests.harness.LinuxGuest;
import java.time.Duration;
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
      guest.type("poweroff -f\n");
      assertEquals(0, guest.process().await(END), guest.process().errors());
      assertEquals("", guest.process().errors());
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
