package dev.pollux.backend.block.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The dirty bitmaps that an image keeps (Bitmaps). They are listed, counted by checks, and stay as
 * they are; those that follow the guest's writes by themselves are marked before the first write,
 * since nobody records it there.
 */
public final class Qcow2Bitmaps {
  private static final int FIXED = 24;
  private static final int IN_USE = 1;
  private static final int AUTO = 2;
  private static final int MOST_DIRECTORY_BYTES = 0x400_0000;
  private static final int MOST_BITMAPS = 65535;

  /**
   * One bitmap.
   *
   * @param entry where its directory entry begins, from the directory's start
   * @param granularity bytes of the disk that a bit stands for
   */
  public record Bitmap(
      String name, int entry, long tableOffset, int tableSize, int flags, long granularity) {
    /** It does not say what was written: the image was not closed, or somebody ignored it. */
    public boolean inUse() {
      return (flags & IN_USE) != 0;
    }

    /** It is to follow writes. */
    public boolean auto() {
      return (flags & AUTO) != 0;
    }
  }

  /** Where the directory lies. */
  record Directory(int count, long bytes, long offset) {}

  private Qcow2Bitmaps() {}

  /** The directory; null where the image has no bitmaps that count. */
  static Directory directory(Qcow2Header header) throws IOException {
    byte[] extension = header.extension(Qcow2Header.EXTENSION_BITMAPS).orElse(null);
    if (extension == null || (header.autoclear() & Qcow2Header.BITMAPS) == 0) {
      return null;
    }
    if (extension.length < FIXED) {
      throw ImageException.invalid("bitmaps_ext: Invalid extension length");
    }
    ByteBuffer in = ByteBuffer.wrap(extension);
    Directory directory = new Directory(in.getInt(0), in.getLong(8), in.getLong(16));
    if (directory.count < 1 || directory.count > MOST_BITMAPS) {
      throw ImageException.invalid("bitmaps_ext: too many dirty bitmaps, or none");
    }
    if (directory.bytes < 1 || directory.bytes > MOST_DIRECTORY_BYTES) {
      throw ImageException.invalid(
          "bitmaps_ext: bitmap directory size (%d) exceeds the maximum".formatted(directory.bytes));
    }
    if (directory.offset < 0 || (directory.offset & header.clusterSize() - 1) != 0) {
      throw ImageException.invalid("bitmaps_ext: invalid bitmap directory offset");
    }
    return directory;
  }

  /** All bitmaps, in order. */
  static List<Bitmap> list(Qcow2File image) throws IOException {
    Directory directory = directory(image.header());
    List<Bitmap> list = new ArrayList<>();
    if (directory == null) {
      return list;
    }
    ByteBuffer in =
        ByteBuffer.wrap(Bytes.read(image.file(), directory.offset, (int) directory.bytes));
    int at = 0;
    for (int i = 0; i < directory.count; i++) {
      if (at > directory.bytes - FIXED) {
        throw ImageException.invalid("bitmap directory ends within entry %d".formatted(i));
      }
      int nameLength = in.getShort(at + 18) & 0xffff;
      int extraLength = in.getInt(at + 20);
      int shift = in.get(at + 17) & 0xff;
      if (extraLength < 0
          || extraLength > directory.bytes - at - FIXED - nameLength
          || shift < 9
          || shift > 31) {
        throw ImageException.invalid("bitmap directory entry %d is broken".formatted(i));
      }
      byte[] name = new byte[nameLength];
      in.get(at + FIXED + extraLength, name);
      list.add(
          new Bitmap(
              new String(name, StandardCharsets.UTF_8),
              at,
              in.getLong(at),
              in.getInt(at + 8),
              in.getInt(at + 12),
              1L << shift));
      at += FIXED + extraLength + nameLength + 7 & -8;
    }
    return list;
  }

  /** Before the first write: bitmaps that should follow it do not, from now on. */
  static void markInUse(Qcow2File image) throws IOException {
    Directory directory = directory(image.header());
    if (directory == null) {
      return;
    }
    boolean marked = false;
    for (Bitmap bitmap : list(image)) {
      if (bitmap.auto() && !bitmap.inUse()) {
        byte[] flags = ByteBuffer.allocate(4).putInt(bitmap.flags | IN_USE).array();
        Bytes.write(image.file(), directory.offset + bitmap.entry + 12, flags, 0, flags.length);
        marked = true;
      }
    }
    if (marked) {
      image.file().flush();
    }
  }
}
