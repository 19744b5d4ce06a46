package dev.pollux.core.host;

import java.io.IOException;

/**
 * A stretch of host memory, zero-filled or from a file, that pages of the host back as they are
 * touched. Whoever gets it {@linkplain #close unmaps} it.
 *
 * @param address host address of the first byte
 * @param size bytes
 */
public record HostMapping(long address, long size) implements AutoCloseable {
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
    return map(size, sharing(shared) | Libc.MAP_ANONYMOUS, -1);
  }

  /** Memory with a descriptor, which is closed again. */
  public static HostMapping memfd(long size, boolean shared) throws IOException {
    int fd = Libc.memfd("ram", size);
    try {
      return map(size, sharing(shared), fd);
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
      return map(size, sharing(shared), file.descriptor());
    }
  }

  private static int sharing(boolean shared) {
    return shared ? Libc.MAP_SHARED : Libc.MAP_PRIVATE;
  }

  private static HostMapping map(long size, int flags, int fd) throws IOException {
    return new HostMapping(Libc.map(size, ACCESS, flags | Libc.MAP_NORESERVE, fd), size);
  }

  @Override
  public void close() {
    Libc.unmap(address, size);
  }
}
