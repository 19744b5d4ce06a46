package dev.pollux.core.host;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Where a host keeps firmware and option ROMs for virtual machines. */
public final class FirmwareFolders {
  /** Those of Debian's packages, and of other distributions. */
  private static final List<Path> FOLDERS =
      List.of(
          Path.of("/usr/share/seabios"),
          Path.of("/usr/share/qemu"),
          Path.of("/usr/share/qemu-kvm"),
          Path.of("/usr/share/ovmf"),
          Path.of("/usr/share/OVMF"),
          Path.of("/usr/share/edk2/ovmf"),
          Path.of("/usr/share/edk2/x64"),
          Path.of("/usr/lib/ipxe/qemu"),
          Path.of("/usr/lib/ipxe"));

  private FirmwareFolders() {}

  /**
   * The current user's folder for guests: {@code $XDG_CACHE_HOME/pollux/guest}, by default below
   * {@code ~/.cache}.
   */
  public static Path userCache() {
    return UserCache.folder("guest");
  }

  /** Where firmware goes that was fetched for this user. */
  public static Path userFolder() {
    return userCache().resolve("firmware");
  }

  /** A file by its path, or by its name in one of the folders. */
  public static Optional<Path> find(String name) {
    try {
      Path path = Path.of(name);
      if (Files.exists(path)) {
        return Optional.of(path);
      }
      return path.getNameCount() != 1 || path.isAbsolute()
          ? Optional.empty()
          : Stream.concat(Stream.of(userFolder()), FOLDERS.stream())
              .map(folder -> folder.resolve(name))
              .filter(Files::isReadable)
              .findFirst();
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
  }
}
