package dev.pollux.cli.guest;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Writes an archive in the "newc" cpio format, which a Linux kernel unpacks as its first root file
 * system (kernel documentation, driver-api/early-userspace/buffer-format). All entries belong to
 * root and carry no time, so the same content always gives the same bytes. Not thread-safe.
 */
final class CpioWriter implements AutoCloseable {
  private static final int FILE = 0100000;
  private static final int DIRECTORY = 0040000;
  private static final int SYMLINK = 0120000;
  private static final int CHARACTER_DEVICE = 0020000;

  private final OutputStream out;
  private int nextInode = 1;

  /**
   * @param out receives the archive; closed by {@link #close}
   */
  CpioWriter(OutputStream out) {
    this.out = out;
  }

  /**
   * Adds a regular file.
   *
   * @param name path without a leading slash, its parents added before
   * @param permissions the lower twelve mode bits
   */
  void file(String name, int permissions, byte[] content) throws IOException {
    entry(name, FILE | permissions, 0, 0, content);
  }

  /** Adds a folder with permissions 0755. */
  void directory(String name) throws IOException {
    entry(name, DIRECTORY | 0755, 0, 0, new byte[0]);
  }

  /** Adds a symbolic link. */
  void symlink(String name, String target) throws IOException {
    entry(name, SYMLINK | 0777, 0, 0, target.getBytes(StandardCharsets.UTF_8));
  }

  /** Adds a character device node with permissions 0600. */
  void characterDevice(String name, int major, int minor) throws IOException {
    entry(name, CHARACTER_DEVICE | 0600, major, minor, new byte[0]);
  }

  /** Ends the archive. */
  @Override
  public void close() throws IOException {
    try (out) {
      entry("TRAILER!!!", 0, 0, 0, new byte[0]);
    }
  }

  /** Header, name and content, the last two padded with zeros to a multiple of four bytes. */
  private void entry(String name, int mode, int major, int minor, byte[] content)
      throws IOException {
    byte[] path = (name + '\0').getBytes(StandardCharsets.UTF_8);
    int links = (mode & DIRECTORY) != 0 && (mode & FILE) == 0 ? 2 : 1;
    int[] fields = {
      nextInode++, mode, 0, 0, links, 0, content.length, 0, 0, major, minor, path.length, 0
    };
    StringBuilder header = new StringBuilder("070701");
    for (int field : fields) {
      header.append("%08x".formatted(field));
    }
    out.write(header.toString().getBytes(StandardCharsets.US_ASCII));
    out.write(path);
    pad(header.length() + path.length);
    out.write(content);
    pad(content.length);
  }

  private void pad(int length) throws IOException {
    for (int i = length; i % 4 != 0; i++) {
      out.write(0);
    }
  }
}
