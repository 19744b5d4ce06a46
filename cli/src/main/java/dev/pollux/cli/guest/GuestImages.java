package dev.pollux.cli.guest;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.FirmwareFolders;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The Linux guests in the user's cache folder, and how they get there. Several processes may use
 * the cache at once: a file lock serialises the fetching, and a finished file appears under its
 * name in one step.
 */
public final class GuestImages {
  /** Debian's two kernels for x86-64. */
  public enum Kernel {
    /** Small, drivers of virtual machines only. */
    CLOUD("linux-image-cloud-amd64"),
    /** The one that people run on their machines. */
    GENERIC("linux-image-amd64");

    private final String metaPackage;

    Kernel(String metaPackage) {
      this.metaPackage = metaPackage;
    }

    /** The name that users type. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * A guest that is ready to boot.
   *
   * @param kernel a bzImage
   * @param initrd an initramfs whose process 1 gives a shell on the kernel's last console
   * @param version the kernel package and its version
   */
  public record Image(Path kernel, Path initrd, String version) {}

  /** A package with firmware, and what is wanted of it. */
  private record Firmware(String packageName, List<String> files) {
    static final List<Firmware> ALL =
        List.of(
            new Firmware(
                "seabios",
                List.of(
                    "bios-256k.bin",
                    "vgabios-stdvga.bin",
                    "vgabios-virtio.bin",
                    "vgabios-ramfb.bin")),
            new Firmware("ovmf", List.of("OVMF.fd", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")),
            new Firmware("ipxe-qemu", List.of("pxe-e1000.rom", "pxe-virtio.rom")));

    /** In packages. */
    static Pattern path(String file) {
      return Pattern.compile(
          "usr/(share/(seabios|ovmf|OVMF)|lib/ipxe/qemu)/" + Pattern.quote(file));
    }
  }

  private static final Pattern VMLINUZ = Pattern.compile("boot/vmlinuz-.*");
  private static final Pattern BUSYBOX = Pattern.compile("(usr/)?bin/busybox");

  private final Path cache;
  private final Consumer<String> progress;

  /**
   * @param cache folder that holds the guests; made when needed
   * @param progress told in a line what takes time
   */
  public GuestImages(Path cache, Consumer<String> progress) {
    this.cache = cache;
    this.progress = progress;
  }

  /** The current user's guests; says nothing about progress. */
  public static GuestImages ofUser() {
    return new GuestImages(userCache(), line -> {});
  }

  /** The current user's folder. */
  public static Path userCache() {
    return FirmwareFolders.userCache();
  }

  /** The guest, if it has been fetched before. */
  public Optional<Image> find(Kernel kernel) {
    Path vmlinuz = cache.resolve(kernel.label()).resolve("vmlinuz");
    Path version = cache.resolve(kernel.label()).resolve("version");
    Path initrd = cache.resolve("initrd.cpio");
    try {
      return Files.isReadable(vmlinuz) && Files.isReadable(initrd)
          ? Optional.of(new Image(vmlinuz, initrd, Files.readString(version).strip()))
          : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** The modules of a kernel that has been fetched before. */
  public Optional<KernelModules> modules(Kernel kernel) throws IOException {
    Path folder = cache.resolve(kernel.label()).resolve("drivers");
    return Files.isDirectory(folder) ? Optional.of(new KernelModules(folder)) : Optional.empty();
  }

  /** A guest with init made anew: it may be newer than the cache. */
  private Image renewed(Image image) throws IOException {
    writeInitrd(cache.resolve("initrd.cpio"), Map.of());
    return image;
  }

  /** Whether all modules are there that a kernel's guests may want. */
  private boolean hasAllModules(Kernel kernel) throws IOException {
    Path taken =
        cache.resolve(kernel.label()).resolve("drivers").resolve(KernelModules.WANTED_FILE);
    return Files.isReadable(taken)
        && Files.readString(taken).equals(KernelModules.WANTED.pattern());
  }

  /**
   * The guest, fetched now if it is not in the cache.
   *
   * @param refresh fetch again even if it is there
   * @throws ConfigException when the host has no apt, or fetching fails
   * @throws IOException when the cache cannot be written
   */
  public Image get(Kernel kernel, boolean refresh) throws IOException {
    Files.createDirectories(cache);
    try (FileChannel channel =
            FileChannel.open(
                cache.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.lock()) {
      Optional<Image> present = find(kernel);
      boolean usable = present.isPresent() && modules(kernel).isPresent() && !refresh;
      if (lock.isValid() && usable && hasAllModules(kernel)) {
        return renewed(present.get());
      }
      try {
        fetch(kernel, refresh);
      } catch (ConfigException e) {
        if (!usable) {
          throw e;
        }
        progress.accept("keeping what is there, with fewer modules: " + e.getMessage());
        return renewed(present.get());
      }
    }
    return find(kernel).orElseThrow(() -> new IOException("cannot read back " + cache));
  }

  /** As below, without modules. */
  public void writeInitrd(Path file, Map<String, Path> added) throws IOException {
    writeInitrd(file, added, List.of());
  }

  /**
   * SeaBIOS, the BIOS of the standard VGA, and OVMF, fetched now if they are not in the cache.
   *
   * @param refresh fetch again even if they are there
   * @return their folder, where machines look for them
   * @throws ConfigException when the host has no apt, or fetching fails
   */
  public Path firmware(boolean refresh) throws IOException {
    Path folder = Files.createDirectories(cache.resolve("firmware"));
    for (Firmware firmware : Firmware.ALL) {
      boolean complete = firmware.files.stream().map(folder::resolve).allMatch(Files::isReadable);
      if (!complete || refresh) {
        fetch(firmware, folder);
      }
    }
    return folder;
  }

  private void fetch(Firmware firmware, Path folder) throws IOException {
    if (!DebianPackages.available()) {
      throw new ConfigException(
          "guest: this host has no apt-get to fetch firmware with; put %s of %s into %s"
              .formatted(String.join(", ", firmware.files), firmware.packageName, folder));
    }
    Path work = Files.createTempDirectory(cache, "fetch");
    try {
      DebianPackages.Fetched fetched =
          new DebianPackages(cache.resolve("apt"), progress)
              .fetch(firmware.packageName, firmware.packageName, work);
      for (String file : firmware.files) {
        DebianPackages.extract(fetched.file(), Firmware.path(file), work.resolve(file));
        move(work.resolve(file), folder.resolve(file));
      }
    } finally {
      deleteFolder(work);
    }
  }

  /**
   * Writes an initramfs like that of {@link #get}, with more files in it. A program {@code /etc/rc}
   * among them is run before the shell.
   *
   * @param file where to
   * @param added host files and folders by their absolute path in the guest
   * @param modules loaded before anything else, in this order
   * @throws IOException when a file cannot be read or written, or nothing has been fetched yet
   */
  public void writeInitrd(Path file, Map<String, Path> added, List<Path> modules)
      throws IOException {
    Path partial = Files.createTempFile(file.toAbsolutePath().getParent(), ".initrd", ".part");
    try {
      Initramfs.write(partial, cache.resolve("busybox"), added, modules);
      Files.move(
          partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }

  private void fetch(Kernel kernel, boolean refresh) throws IOException {
    if (!DebianPackages.available()) {
      throw new ConfigException(
          "guest: this host has no apt-get to fetch Debian's kernel with; pass a Linux kernel"
              + " (bzImage) and an initramfs of yours instead: pollux run -kernel FILE -initrd FILE"
              + " -append \"console=ttyS0\" -nographic");
    }
    DebianPackages packages = new DebianPackages(cache.resolve("apt"), progress);
    Path work = Files.createTempDirectory(cache, "fetch");
    try {
      Path busybox = cache.resolve("busybox");
      if (refresh || !Files.isReadable(busybox)) {
        DebianPackages.Fetched fetched = packages.fetch("busybox-static", "busybox-static", work);
        DebianPackages.extract(fetched.file(), BUSYBOX, work.resolve("busybox"));
        move(work.resolve("busybox"), busybox);
      }
      writeInitrd(cache.resolve("initrd.cpio"), Map.of());
      DebianPackages.Fetched fetched = packages.fetch(kernel.metaPackage, "linux-image-", work);
      progress.accept("unpacking");
      Path modules = Files.createDirectory(work.resolve("drivers"));
      DebianPackages.extractAll(
          fetched.file(),
          path ->
              VMLINUZ.matcher(path).matches()
                  ? work.resolve("vmlinuz")
                  : KernelModules.WANTED.matcher(path).matches()
                      ? modules.resolve(path.substring(path.lastIndexOf('/') + 1))
                      : null);
      DebianPackages.unpackXz(modules);
      Files.writeString(modules.resolve(KernelModules.WANTED_FILE), KernelModules.WANTED.pattern());
      Path folder = Files.createDirectories(cache.resolve(kernel.label()));
      Files.writeString(
          work.resolve("version"), fetched.entry().name() + " " + fetched.entry().version() + "\n");
      move(work.resolve("version"), folder.resolve("version"));
      move(work.resolve("vmlinuz"), folder.resolve("vmlinuz"));
      if (Files.isDirectory(folder.resolve("drivers"))) {
        move(folder.resolve("drivers"), work.resolve("old"));
      }
      move(modules, folder.resolve("drivers"));
    } finally {
      deleteFolder(work);
    }
  }

  private static void move(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private static void deleteFolder(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> listing = Files.list(folder)) {
      files = listing.toList();
    }
    for (Path file : files) {
      if (Files.isDirectory(file)) {
        deleteFolder(file);
      } else {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }
}
