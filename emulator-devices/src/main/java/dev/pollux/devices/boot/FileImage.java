package dev.pollux.devices.boot;

import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * A file that the guest is started with, mapped: what is replaced by a new file of its name stays
 * as it was. Every access is checked; one beyond the end names what was looked for.
 */
final class FileImage {
  /** More than any kernel or RAM disk for a PC has. */
  private static final long MAX_SIZE = 16L << 30;

  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final String name;
  private final MemorySegment bytes;

  private FileImage(String name, MemorySegment bytes) {
    this.name = name;
    this.bytes = bytes;
  }

  /**
   * Opens a file.
   *
   * @param option how the user named it, for instance {@code -kernel}
   * @throws ConfigException if it is none, empty, or cannot be read
   */
  static FileImage read(String option, String file) {
    String name = option + " " + file;
    try {
      return read(name, Path.of(file));
    } catch (InvalidPathException e) {
      throw new ConfigException(name + ": not a file name", e);
    }
  }

  private static FileImage read(String name, Path path) {
    if (Files.isDirectory(path)) {
      throw new ConfigException(name + ": is a folder; give a file");
    }
    if (!Files.exists(path)) {
      throw new ConfigException(name + ": no such file");
    }
    if (!Files.isRegularFile(path)) {
      throw new ConfigException(name + ": is no ordinary file");
    }
    try (FileChannel channel = FileChannel.open(path)) {
      long size = channel.size();
      if (size == 0) {
        throw new ConfigException(name + ": is empty");
      }
      if (size > MAX_SIZE) {
        throw new ConfigException(name + ": has " + size + " bytes, more than can be loaded");
      }
      return new FileImage(name, channel.map(MapMode.READ_ONLY, 0, size, Arena.ofAuto()));
    } catch (IOException e) {
      throw new ConfigException(name + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** An image that is in memory already. */
  static FileImage of(String name, byte[] content) {
    return new FileImage(
        name,
        Arena.ofAuto()
            .allocate(Math.max(content.length, 1))
            .asSlice(0, content.length)
            .copyFrom(MemorySegment.ofArray(content)));
  }

  /** The option and the file. */
  String name() {
    return name;
  }

  /** Bytes. */
  long size() {
    return bytes.byteSize();
  }

  int u8(String what, long offset) {
    check(what, offset, 1);
    return bytes.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
  }

  int u16(String what, long offset) {
    check(what, offset, 2);
    return bytes.get(U16, offset) & 0xffff;
  }

  /** 32 bits, zero-extended. */
  long u32(String what, long offset) {
    check(what, offset, 4);
    return bytes.get(U32, offset) & 0xffff_ffffL;
  }

  /** 64 bits; the caller treats them as unsigned. */
  long u64(String what, long offset) {
    check(what, offset, 8);
    return bytes.get(U64, offset);
  }

  /** A part of the file. */
  MemorySegment part(String what, long offset, long size) {
    check(what, offset, size);
    return bytes.asSlice(offset, size);
  }

  String text(String what, long offset, int size) {
    return new String(
        part(what, offset, size).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
  }

  /** True where the file has these bytes at the offset. */
  boolean has(long offset, String ascii) {
    return offset <= size() - ascii.length() && text("magic", offset, ascii.length()).equals(ascii);
  }

  private void check(String what, long offset, long length) {
    if (offset < 0 || length < 0 || offset > size() - length) {
      throw error(
          "is truncated or damaged: its %s (offset 0x%x, %s bytes) is not within its %d bytes"
              .formatted(what, offset, Long.toUnsignedString(length), size()));
    }
  }

  /** An error about this file. */
  ConfigException error(String message) {
    return new ConfigException(name + ": " + message);
  }
}
