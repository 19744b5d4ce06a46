package dev.pollux.cli.guest;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/**
 * Reads the entries of a tar archive one after the other (POSIX ustar, and GNU's long names). Not
 * thread-safe.
 *
 * <pre>
 * while (tar.next()) {
 *   if (tar.name().startsWith("boot/")) { byte[] content = tar.content(); }
 * }
 * </pre>
 */
final class TarReader {
  private static final int BLOCK = 512;
  private static final int LARGEST_CONTENT = 1 << 30;

  private final InputStream in;
  private String name = "";
  private char type;
  private long remaining;
  private long padding;

  TarReader(InputStream in) {
    this.in = in;
  }

  /**
   * Goes to the next entry.
   *
   * @return false at the archive's end
   */
  boolean next() throws IOException {
    String longName = null;
    while (true) {
      in.skipNBytes(remaining + padding);
      byte[] header = in.readNBytes(BLOCK);
      if (header.length < BLOCK || header[0] == 0) {
        remaining = 0;
        padding = 0;
        return false;
      }
      remaining = octal(header, 124, 12);
      padding = -remaining & (BLOCK - 1);
      type = (char) header[156];
      if (type == 'L') {
        longName = text(content(), 0, LARGEST_CONTENT);
        continue;
      }
      String prefix = text(header, 345, 155);
      String plain = text(header, 0, 100);
      name = longName != null ? longName : prefix.isEmpty() ? plain : prefix + "/" + plain;
      name = name.startsWith("./") ? name.substring(2) : name;
      return true;
    }
  }

  /** The entry's path, without a leading {@code ./}. */
  String name() {
    return name;
  }

  /** Whether the entry is a regular file. */
  boolean isFile() {
    return type == '0' || type == 0;
  }

  /** The entry's whole content; to be called once per entry. */
  byte[] content() throws IOException {
    if (remaining > LARGEST_CONTENT) {
      throw new IOException("entry of " + remaining + " bytes in a tar archive");
    }
    byte[] content = in.readNBytes((int) remaining);
    if (content.length < remaining) {
      throw new EOFException("tar archive ends within " + name);
    }
    remaining = 0;
    return content;
  }

  private static long octal(byte[] header, int offset, int length) throws IOException {
    String digits = text(header, offset, length).strip();
    try {
      return digits.isEmpty() ? 0 : Long.parseUnsignedLong(digits, 8);
    } catch (NumberFormatException e) {
      throw new IOException("not a tar archive", e);
    }
  }

  private static String text(byte[] bytes, int offset, int length) {
    int end = offset;
    while (end < bytes.length && end - offset < length && bytes[end] != 0) {
      end++;
    }
    return new String(bytes, offset, end - offset, StandardCharsets.UTF_8);
  }
}
