package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Image;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.tests.harness.LinuxGuest;
import dev.pollux.tests.harness.PolluxProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A machine without disks gets Linux from the user network's TFTP, by iPXE. */
@Tag("campaign")
@Timeout(300)
class NetworkBootTest {
  private static final String SCRIPT =
      """
      #!ipxe
      kernel vmlinuz initrd=initrd console=ttyS0 quiet from=network
      initrd initrd
      boot
      """;

  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({"e1000,pxe-e1000.rom", "virtio-net-pci,pxe-virtio.rom"})
  void bootsLinux(String card, String rom) throws Exception {
    for (String needed : List.of("bios-256k.bin", rom)) {
      assumeTrue(
          FirmwareFolders.find(needed).isPresent(), "no " + needed + " (pollux guest firmware)");
    }
    Optional<Image> image = GuestImages.ofUser().find(Kernel.CLOUD);
    assumeTrue(image.isPresent(), "no Linux guest (pollux guest linux --kernel cloud)");
    Files.copy(image.get().kernel(), folder.resolve("vmlinuz"));
    Files.copy(image.get().initrd(), folder.resolve("initrd"));
    Files.writeString(folder.resolve("boot.ipxe"), SCRIPT);
    try (LinuxGuest guest =
        LinuxGuest.of(
            PolluxProcess.start(
                "run",
                "-nographic",
                "-m",
                "512",
                "-boot",
                "n",
                "-netdev",
                "user,id=n0,bootfile=boot.ipxe,tftp=" + folder,
                "-device",
                "%s,netdev=n0,romfile=%s".formatted(card, rom)))) {
      guest.awaitShell();
      String commandLine = guest.run("cat /proc/cmdline");
      assertTrue(commandLine.contains("from=network"), commandLine);
    }
  }
}
