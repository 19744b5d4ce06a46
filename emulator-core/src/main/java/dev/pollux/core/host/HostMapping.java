package dev.pollux.core.host;

import java.io.IOException;

/**
 * A stretch of host memory, zero-filled or from a file, that pages of the host back as they are
 * touched. Whoever gets it {@linkplain #close unmaps} it.
 *
 * @param address host address of the first byte
 * @param size bytes
 * @param shared whether others may see it, children of the process or who has the file
 */
public record HostMapping(long address, long size, boolean shared) implements AutoCloseable {
  private static final int ACCESS = Libc.PROT_READ | Libc.PROT_WRITE;

  /** Memory of this process. */
  public static HostMapping anonymous(long size) throws IOException {
    return anonymous(size, false);
  }

  /**
   * Memory of this process.
   *
   * @param shared children of the process share it
   */
  public static HostMapping anonymous(long size, boolean shared) throws IOException {
    return map(size, shared, Libc.MAP_ANONYMOUS, -1);
  }

  /** Memory with a descriptor, which is closed again. */
  public static HostMapping memfd(long size, boolean shared) throws IOException {
    int fd = Libc.memfd("ram", size);
    try {
      return map(size, shared, 0, fd);
    } finally {
      Libc.close(fd);
    }
  }

  /**
   * A file, made or lengthened where need be.
   *
   * @param shared what is written here goes to the file
   */
  public static HostMapping file(String path, long size, boolean shared) throws IOException {
    try (HostFile file = HostFile.open(path, HostFile.O_RDWR | HostFile.O_CREAT)) {
      if (file.length() < size) {
        file.truncate(size);
      }
      return map(size, shared, 0, file.descriptor());
    }
  }

  private static HostMapping map(long size, boolean shared, int flags, int fd) throws IOException {
    int all = flags | Libc.MAP_NORESERVE | (shared ? Libc.MAP_SHARED : Libc.MAP_PRIVATE);
    return new HostMapping(Libc.map(size, ACCESS, all, fd), size, shared);
  }

  /**
   * Gives whole pages back to the host; they read as zeros afterwards, or as the file that is
   * mapped without being shared. Where the host cannot take them nothing changes.
   */
  public void discard(long offset, long length) {
    Libc.advise(address + offset, length, shared ? Libc.MADV_REMOVE : Libc.MADV_DONTNEED);
  }

  @Override
  public void close() {
    Libc.unmap(address, size);
  }
}
