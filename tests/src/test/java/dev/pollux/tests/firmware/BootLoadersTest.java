package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.cli.guest.GuestImages;
import dev.pollux.cli.guest.GuestImages.Image;
import dev.pollux.cli.guest.GuestImages.Kernel;
import dev.pollux.core.host.FirmwareFolders;
import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What loaders of Debian's packages start: Linux by systemd-boot, ISOLINUX and GRUB, memtest86+,
 * and Xen with Linux as its first domain. Their files are where the packages put them, or beside
 * the firmware that {@code pollux guest firmware} fetches.
 */
@Tag("campaign")
class BootLoadersTest {
  private static final Duration PATIENCE = Duration.ofMinutes(4);
  private static final Duration A_PASS = Duration.ofMinutes(10);
  private static final String PROMPT = "root@pollux:";

  @TempDir private Path folder;

  /** A file of a package. */
  private static Path file(String path, String debianPackage) {
    Path installed = Path.of(path);
    Optional<Path> found =
        Files.isReadable(installed)
            ? Optional.of(installed)
            : FirmwareFolders.find(installed.getFileName().toString());
    assumeTrue(found.isPresent(), "no %s (Debian: %s)".formatted(path, debianPackage));
    return found.get();
  }

  private static void assumeProgram(String program, String debianPackage) {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin", program)),
        "no %s (Debian: %s)".formatted(program, debianPackage));
  }

  /** A folder with a Linux guest. */
  private Path linux(Kernel kernel) throws IOException {
    Optional<Image> image = GuestImages.ofUser().find(kernel);
    assumeTrue(
        image.isPresent(), "no Linux guest (pollux guest linux --kernel " + kernel.label() + ")");
    Path disc = Files.createDirectories(folder.resolve("disc"));
    Files.copy(image.get().kernel(), disc.resolve("vmlinuz"));
    Files.copy(image.get().initrd(), disc.resolve("initrd"));
    return disc;
  }

  private static void write(Path file, String... lines) throws IOException {
    Files.createDirectories(file.getParent());
    Files.write(file, List.of(lines));
  }

  private static PolluxProcess start(int mebibytes, String... options) {
    List<String> arguments = new ArrayList<>(List.of("run", "-nographic", "-m"));
    arguments.add(Integer.toString(mebibytes));
    arguments.addAll(List.of(options));
    return PolluxProcess.start(arguments.toArray(String[]::new));
  }

  /** The shell is there, and the kernel was started by whom it should. */
  private static void assertStartedBy(String loader, PolluxProcess vm) {
    vm.expect(PROMPT, PATIENCE);
    vm.type("cat /proc/cmdline\n");
    vm.expect("by=" + loader, PATIENCE);
  }

  /** A disc of a folder's files that GRUB boots by these lines. */
  private Path grubDisc(Path disc, String... lines) throws IOException {
    assumeProgram("grub-mkrescue", "grub-common");
    assumeProgram("xorriso", "xorriso");
    Path modules = file("/usr/lib/grub/i386-pc/boot.img", "grub-pc-bin").getParent();
    write(disc.resolve("boot/grub/grub.cfg"), lines);
    Path image = folder.resolve("grub.iso");
    String _ =
        HostTools.run(
            "grub-mkrescue", "-d", modules.toString(), "-o", image.toString(), disc.toString());
    return image;
  }

  @Test
  void systemdBootStartsLinux() throws IOException {
    assumeProgram("mformat", "mtools");
    Path loader =
        file("/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "systemd-boot-efi").toAbsolutePath();
    Path firmware = file("/usr/share/ovmf/OVMF.fd", "ovmf");
    Path files = linux(Kernel.CLOUD);
    Files.createDirectories(files.resolve("EFI/BOOT"));
    Files.copy(loader, files.resolve("EFI/BOOT/BOOTX64.EFI"));
    write(files.resolve("loader/loader.conf"), "default linux", "timeout 0");
    write(
        files.resolve("loader/entries/linux.conf"),
        "title Linux",
        "linux /vmlinuz",
        "initrd /initrd",
        "options console=ttyS0 quiet by=systemd-boot");
    Path image = folder.resolve("esp.img");
    String _ = HostTools.run("truncate", "-s", "64M", image.toString());
    String _ = HostTools.run("mformat", "-i", image.toString(), "-F", "::");
    for (String name : List.of("EFI", "loader", "vmlinuz", "initrd")) {
      String _ =
          HostTools.run(
              "mcopy", "-s", "-i", image.toString(), files.resolve(name).toString(), "::");
    }
    try (PolluxProcess vm =
        start(512, "-bios", firmware.toString(), "-drive", "if=virtio,format=raw,file=" + image)) {
      assertStartedBy("systemd-boot", vm);
    }
  }

  @Test
  void isolinuxStartsLinux() throws IOException {
    assumeProgram("xorriso", "xorriso");
    Path loader = file("/usr/lib/ISOLINUX/isolinux.bin", "isolinux");
    Path module = file("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common");
    Path files = linux(Kernel.CLOUD);
    write(
        files.resolve("isolinux/isolinux.cfg"),
        "serial 0 115200",
        "default linux",
        "label linux",
        "kernel /vmlinuz",
        "append initrd=/initrd console=ttyS0 quiet by=isolinux");
    Files.copy(loader, files.resolve("isolinux/isolinux.bin"));
    Files.copy(module, files.resolve("isolinux/ldlinux.c32"));
    Path image = folder.resolve("isolinux.iso");
    String _ =
        HostTools.run(
            "xorriso",
            "-as",
            "mkisofs",
            "-quiet",
            "-J",
            "-R",
            "-o",
            image.toString(),
            "-b",
            "isolinux/isolinux.bin",
            "-c",
            "isolinux/boot.cat",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-boot-info-table",
            files.toString());
    try (PolluxProcess vm = start(512, "-cdrom", image.toString())) {
      assertStartedBy("isolinux", vm);
    }
  }

  @Test
  void grubStartsLinux() throws IOException {
    Path image =
        grubDisc(
            linux(Kernel.CLOUD),
            "linux /vmlinuz console=ttyS0 quiet by=grub",
            "initrd /initrd",
            "boot");
    try (PolluxProcess vm = start(512, "-cdrom", image.toString())) {
      assertStartedBy("grub", vm);
    }
  }

  /** All tests of the memory once, two of them with minutes of rest. */
  @Test
  void memtestFindsNoErrorInAPass() throws IOException {
    Path files = Files.createDirectories(folder.resolve("disc"));
    Files.copy(file("/boot/memtest86+x64.bin", "memtest86+"), files.resolve("memtest"));
    Path image = grubDisc(files, "linux /memtest console=ttyS0,115200", "boot");
    try (PolluxProcess vm = start(24, "-cdrom", image.toString())) {
      vm.expect("Pass:  1        Errors: 0 ", A_PASS);
    }
  }

  /** The kernel for clouds has no driver of Xen's console. */
  @Test
  void xenStartsLinuxAsItsFirstDomain() throws IOException {
    Path files = linux(Kernel.GENERIC);
    Files.copy(
        file("/boot/xen-4.17-amd64.gz", "xen-hypervisor-4.17-amd64"), files.resolve("xen.gz"));
    Path image =
        grubDisc(
            files,
            "multiboot2 /xen.gz console=com1 com1=115200 dom0_mem=320M",
            "module2 /vmlinuz console=hvc0 quiet by=xen",
            "module2 --nounzip /initrd",
            "boot");
    try (PolluxProcess vm = start(768, "-cdrom", image.toString())) {
      vm.expect("Xen version", PATIENCE);
      assertStartedBy("xen", vm);
      vm.type("echo $(cat /sys/hypervisor/type /sys/hypervisor/guest_type)\n");
      vm.expect("xen PV", PATIENCE);
    }
  }
}
