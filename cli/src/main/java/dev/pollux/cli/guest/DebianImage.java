package dev.pollux.cli.guest;

import dev.pollux.cli.img.ImgTools;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A disk with Debian as clouds have it: systemd, the kernel for virtual machines, GRUB for BIOS and
 * UEFI, consoles on the screen and the first serial port. Made of Debian's packages by mmdebstrap,
 * which needs no root.
 *
 * <pre>
 *   0     partition table, GRUB for BIOS
 *   1M    partition 1: EFI system partition, with GRUB for UEFI
 *   17M   partition 2: root file system (ext4)
 * </pre>
 */
public final class DebianImage {
  private static final String SUITE = "bookworm";
  private static final List<String> TOOLS = List.of("mmdebstrap", "mke2fs");
  private static final String PACKAGES =
      "systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,grub-common,grub-pc-bin,"
          + "grub-efi-amd64-bin,dosfstools,mtools,e2fsprogs,iproute2,iputils-ping,less,nano";

  private static final long MIB = 1 << 20;
  private static final long ESP = MIB;
  private static final long ROOT = 17 * MIB;
  private static final long SIZE = 3072 * MIB;

  private static final int SECTOR = 512;
  private static final int TABLE = 446;
  private static final int ENTRY = 16;
  private static final int TYPE_ESP = 0xef;
  private static final int TYPE_LINUX = 0x83;
  private static final int ACTIVE = 0x80;
  private static final long TIMEOUT_MINUTES = 30;

  private final Consumer<String> progress;

  /**
   * @param progress told in a line what takes time
   */
  public DebianImage(Consumer<String> progress) {
    this.progress = progress;
  }

  /**
   * Makes the image; takes a minute or two.
   *
   * @param file a qcow2 image; it appears when it is complete
   * @throws ConfigException when the host lacks a tool, or packages cannot be fetched
   */
  public void make(Path file) throws IOException {
    List<String> missing = TOOLS.stream().filter(tool -> !isThere(tool)).toList();
    if (!missing.isEmpty()) {
      throw new ConfigException(
          "guest: this host has no %s to make the image with (Debian, Ubuntu: apt-get install"
                  .formatted(String.join(" and no ", missing))
              + " mmdebstrap e2fsprogs); any disk image for PCs does as well: pollux run IMAGE");
    }
    // Not in the cache: mmdebstrap's user may be one to whom the home folder is closed.
    Path work = Files.createTempDirectory(Path.of("/var/tmp"), "pollux-debian");
    try {
      Path disk = work.resolve("disk.raw");
      try (RandomAccessFile raw = new RandomAccessFile(disk.toFile(), "rw")) {
        raw.setLength(SIZE);
      }
      Files.setPosixFilePermissions(disk, PosixFilePermissions.fromString("rw-rw-rw-"));
      fill(work, disk);
      writePartitionTable(disk);
      progress.accept("writing " + file);
      Path partial = file.resolveSibling(file.getFileName() + ".part");
      int status =
          ImgTools.run(
              List.of("convert", "-f", "raw", "-O", "qcow2", disk.toString(), partial.toString()));
      if (status != 0) {
        throw new IOException("%s cannot be written".formatted(partial));
      }
      Files.move(
          partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      try (Stream<Path> files = Files.list(work)) {
        for (Path each : files.toList()) {
          Files.delete(each);
        }
      }
      Files.delete(work);
    }
  }

  private static boolean isThere(String tool) {
    String path = System.getenv().getOrDefault("PATH", "") + ":/usr/sbin:/sbin";
    return Stream.of(path.split(":"))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder.isEmpty() ? "." : folder, tool)));
  }

  /** Has mmdebstrap install Debian, and its hook write it to the disk. */
  private void fill(Path work, Path disk) throws IOException {
    Path hook = work.resolve("hook");
    try (InputStream script = DebianImage.class.getResourceAsStream("debian-image.sh")) {
      Files.copy(script, hook);
    }
    Files.setPosixFilePermissions(hook, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path log = Files.createFile(work.resolve("log"));
    // As /tmp, and closed to readers: the hook makes a folder here, nobody replaces what is here.
    Files.setAttribute(work, "unix:mode", 01733);
    progress.accept("installing Debian %s with mmdebstrap (a minute or two)".formatted(SUITE));
    ProcessBuilder builder =
        new ProcessBuilder(
                "mmdebstrap",
                "--variant=minbase",
                "--format=null",
                "--quiet",
                "--include=" + PACKAGES,
                "--customize-hook=" + hook,
                SUITE,
                "/dev/null",
                "http://deb.debian.org/debian")
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    Map<String, String> environment = builder.environment();
    environment.merge("PATH", "/usr/sbin:/sbin", (old, more) -> old + ":" + more);
    environment.put("LC_ALL", "C");
    environment.put("POLLUX_DISK", disk.toString());
    environment.put("POLLUX_ESP", Long.toString(ESP));
    environment.put("POLLUX_ROOT", Long.toString(ROOT));
    environment.put("POLLUX_ROOT_KIB", Long.toString(SIZE - ROOT >> 10));
    Process process = builder.start();
    try {
      if (!process.waitFor(TIMEOUT_MINUTES, TimeUnit.MINUTES)) {
        throw new ConfigException(
            "guest: mmdebstrap is not done within %d minutes".formatted(TIMEOUT_MINUTES));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ConfigException("guest: interrupted");
    } finally {
      process.destroy();
    }
    if (process.exitValue() != 0) {
      throw new ConfigException("guest: mmdebstrap failed: " + lastError(log));
    }
  }

  private static String lastError(Path log) throws IOException {
    try (Stream<String> lines = Files.lines(log)) {
      return lines
          .filter(
              line -> !line.isBlank() && !line.startsWith("I: ") && !line.startsWith("E: setup"))
          .reduce((first, second) -> second)
          .orElse("it says nothing");
    }
  }

  private static void writePartitionTable(Path disk) throws IOException {
    ByteBuffer table = ByteBuffer.allocate(SECTOR - TABLE).order(ByteOrder.LITTLE_ENDIAN);
    put(table, 0, 0, TYPE_ESP, ESP, ROOT);
    put(table, 1, ACTIVE, TYPE_LINUX, ROOT, SIZE);
    table.putShort(SECTOR - TABLE - 2, (short) 0xaa55);
    try (RandomAccessFile raw = new RandomAccessFile(disk.toFile(), "rw")) {
      raw.seek(TABLE);
      raw.write(table.array());
    }
  }

  /** An entry of the table; cylinders, heads and sectors say "look at the numbers of blocks". */
  private static void put(ByteBuffer table, int number, int flags, int type, long start, long end) {
    int at = number * ENTRY;
    table.put(at, new byte[] {(byte) flags, (byte) 0xfe, -1, -1, (byte) type, (byte) 0xfe, -1, -1});
    table.putInt(at + 8, (int) (start / SECTOR)).putInt(at + 12, (int) ((end - start) / SECTOR));
  }
}
