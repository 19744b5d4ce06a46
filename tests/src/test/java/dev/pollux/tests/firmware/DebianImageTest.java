package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.tests.harness.PolluxProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Debian's disk boots to a login, and to a shell, by either firmware and on either machine. */
@Tag("campaign")
class DebianImageTest {
  private static final String NVME =
      " -drive if=none,id=d,file=IMAGE -device nvme,drive=d,serial=S1,bootindex=0";
  private static final String USB =
      " -drive if=none,id=d,file=IMAGE -device qemu-xhci -device usb-storage,drive=d,bootindex=0";
  private static final Duration PATIENCE = Duration.ofMinutes(4);

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pc IMAGE",
        "q35 IMAGE",
        "pc -bios OVMF.fd IMAGE",
        "q35 -bios OVMF.fd IMAGE",
        "q35 -m 1G -nographic" + NVME,
        "pc -m 1G -nographic -bios OVMF.fd" + NVME
      })
  void bootsToAShell(String machine) {
    try (PolluxProcess vm = start(machine)) {
      vm.expect("debian login:", PATIENCE);
      vm.type("root\n");
      vm.expect("root@debian:~#", PATIENCE);
      vm.type("[ -d /sys/firmware/efi ] && echo by-$((1))-UEFI || echo by-$((1))-BIOS\n");
      vm.expect(machine.contains("OVMF") ? "by-1-UEFI" : "by-1-BIOS", PATIENCE);
    }
  }

  private static PolluxProcess start(String machine) {
    Path image = FirmwareFolders.userCache().resolve("debian.qcow2");
    assumeTrue(Files.isReadable(image), "no " + image + " (pollux guest debian)");
    List<String> arguments = new ArrayList<>(List.of("run", "-snapshot", "-machine"));
    arguments.addAll(List.of(machine.replace("IMAGE", image.toString()).split(" ")));
    return PolluxProcess.start(arguments.toArray(String[]::new));
  }

  /** Firmware and GRUB do; Debian's kernel for virtual machines has no driver for USB. */
  @ParameterizedTest
  @ValueSource(strings = {"pc -m 1G -nographic" + USB, "q35 -m 1G -nographic -bios OVMF.fd" + USB})
  void startsItsKernelFromUsb(String machine) {
    try (PolluxProcess vm = start(machine)) {
      vm.expect("Waiting for root file system", PATIENCE);
    }
  }
}
