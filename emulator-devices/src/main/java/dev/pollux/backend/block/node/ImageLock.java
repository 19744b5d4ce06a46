package dev.pollux.backend.block.node;

import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.HostFile;
import java.util.List;

/**
 * Keeps other processes from an image by locks on bytes of its file that belong to the open file
 * (fcntl(2), F_OFD_SETLK). The bytes are those QEMU and qemu-img lock, so that each sees the other:
 * a shared lock on byte 100 + p says "I do p", one on byte 200 + p says "nobody else may do p".
 */
final class ImageLock {
  private static final int DOES = 100;
  private static final int FORBIDS = 200;

  /** What can be done to an image; the number is p. */
  private enum Permission {
    CONSISTENT_READ("consistent read"),
    WRITE("write"),
    WRITE_UNCHANGED("write unchanged"),
    RESIZE("resize");

    private final String words;

    Permission(String words) {
      this.words = words;
    }
  }

  private static final List<Permission> CHANGES = List.of(Permission.WRITE, Permission.RESIZE);

  private final HostFile file;

  /** How many bytes from {@link #DOES} on may be locked; 0 where nothing is. */
  private final int span;

  private ImageLock(HostFile file, int span) {
    this.file = file;
    this.span = span;
  }

  /** Locks, or says in QEMU's words who is in the way. */
  static ImageLock take(HostFile file, String path, boolean readOnly, Locking locking)
      throws ErrnoException {
    if (locking == Locking.OFF) {
      return new ImageLock(file, 0);
    }
    List<Permission> does =
        readOnly
            ? List.of(Permission.CONSISTENT_READ)
            : List.of(Permission.CONSISTENT_READ, Permission.WRITE, Permission.RESIZE);
    List<Permission> forbids = locking == Locking.SHARED ? List.of() : CHANGES;
    ImageLock lock = new ImageLock(file, FORBIDS - DOES + Permission.values().length);
    try {
      lock.announce(DOES, does);
      lock.announce(FORBIDS, forbids);
      refuse(file, path, FORBIDS, does, "Failed to get \"%s\" lock");
      refuse(file, path, DOES, forbids, "Failed to get shared \"%s\" lock");
    } catch (ErrnoException e) {
      lock.release();
      throw e;
    }
    return lock;
  }

  private void announce(int base, List<Permission> permissions) throws ErrnoException {
    for (Permission permission : permissions) {
      if (!file.lock(base + permission.ordinal(), 1, false)) {
        throw new ErrnoException(
            Errno.EAGAIN, "Failed to lock byte " + (base + permission.ordinal()));
      }
    }
  }

  private static void refuse(
      HostFile file, String path, int base, List<Permission> permissions, String words)
      throws ErrnoException {
    for (Permission permission : permissions) {
      if (file.lockedByOther(base + permission.ordinal(), 1)) {
        throw new ErrnoException(
            Errno.EAGAIN,
            words.formatted(permission.words)
                + "\nIs another process using the image ["
                + path
                + "]?");
      }
    }
  }

  void release() {
    if (span > 0) {
      try {
        file.unlock(DOES, span);
      } catch (ErrnoException e) {
        // The file is about to be closed, which lets go of all locks.
      }
    }
  }
}
