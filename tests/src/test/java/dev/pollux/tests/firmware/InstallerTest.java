package dev.pollux.tests.firmware;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.tests.harness.HostTools;
import dev.pollux.tests.harness.PolluxProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Debian's installer starts from a disc, and a VNC viewer sees its menu and its first question. The
 * files are those of the packages {@code debian-installer-12-netboot-amd64} and {@code -i386};
 * {@code -Dinstaller.folder=} says where else they are.
 */
@Tag("campaign")
class InstallerTest {
  private static final Path IMAGES =
      Path.of(System.getProperty("installer.folder", "/usr/lib/debian-installer/images/12"));

  private static final List<Path> LOADER =
      List.of(
          Path.of("/usr/lib/ISOLINUX/isolinux.bin"),
          Path.of("/usr/lib/syslinux/modules/bios/ldlinux.c32"));

  private static final Duration PATIENCE = Duration.ofMinutes(4);
  private static final long LOOK_NANOS = 200_000_000;
  private static final int RETURN = 0xff0d;

  // Colors of the menu's bar, of the dialogue's background, and of the dialogue.
  private static final int BAR = 0x719bbf;
  private static final int BLUE = 0x0000aa;
  private static final int GREY = 0xaaaaaa;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"amd64", "i386"})
  void installerShowsItself(String architecture) throws IOException {
    Path disc = disc(architecture);
    Path socket = folder.resolve("vnc");
    try (PolluxProcess vm =
            PolluxProcess.start(
                "run", "-m", "1G", "-cdrom", disc.toString(), "-vnc", "unix:" + socket);
        RawViewer viewer = connect(socket)) {
      await(viewer, v -> v.width() == 640 && v.count(128, 184, 384, 16, BAR) > 5000, vm);
      viewer.type(RETURN);
      await(
          viewer, v -> v.width() == 1024 && count(v, BLUE) > 20_000 && count(v, GREY) > 50_000, vm);
    }
  }

  private static int count(RawViewer viewer, int color) {
    return viewer.count(0, 0, viewer.width(), viewer.height(), color);
  }

  private static RawViewer connect(Path socket) throws IOException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        return new RawViewer(socket);
      } catch (IOException e) {
        if (System.nanoTime() > end) {
          throw e;
        }
        LockSupport.parkNanos(LOOK_NANOS);
      }
    }
  }

  private static void await(RawViewer viewer, Predicate<RawViewer> shows, PolluxProcess vm)
      throws IOException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    viewer.update();
    while (!shows.test(viewer)) {
      assertTrue(
          System.nanoTime() < end,
          () -> "a screen of %dx%d: %s".formatted(viewer.width(), viewer.height(), vm.errors()));
      LockSupport.parkNanos(LOOK_NANOS);
      viewer.update();
    }
  }

  /** A disc that ISOLINUX starts, with what the package has for booting by network. */
  private Path disc(String architecture) throws IOException {
    Path files = IMAGES.resolve(architecture).resolve("text");
    assumeTrue(
        Files.isDirectory(files),
        () ->
            "no %s (Debian: apt-get install debian-installer-12-netboot-%s)"
                .formatted(files, architecture));
    for (Path file : LOADER) {
      assumeTrue(Files.isReadable(file), () -> "no " + file + " (Debian: isolinux)");
    }
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/xorriso")), "no xorriso");
    Path tree = folder.resolve("tree");
    Path isolinux = Files.createDirectories(tree.resolve("isolinux"));
    copy(files.resolve("debian-installer"), isolinux.resolve("debian-installer"));
    for (Path file : LOADER) {
      Files.copy(file, isolinux.resolve(file.getFileName()));
    }
    Files.copy(
        isolinux.resolve("debian-installer/" + architecture + "/pxelinux.cfg/default"),
        isolinux.resolve("isolinux.cfg"));
    Path disc = folder.resolve("disc.iso");
    HostTools.run(
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-r",
        "-J",
        "-o",
        disc.toString(),
        "-b",
        "isolinux/isolinux.bin",
        "-c",
        "isolinux/boot.cat",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        tree.toString());
    return disc;
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path each : all.toList()) {
        Files.copy(each, to.resolve(from.relativize(each).toString()));
      }
    }
  }
}
