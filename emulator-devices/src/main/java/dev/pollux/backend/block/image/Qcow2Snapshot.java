package dev.pollux.backend.block.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * An internal snapshot (Snapshots).
 *
 * @param vmStateBytes size of the machine's state
 * @param seconds when it was taken, in Unix time
 * @param nanos rest of it
 * @param vmClockNanos guest time then
 * @param icount instructions executed, or -1
 * @param size of the disk in bytes
 */
public record Qcow2Snapshot(
    String id,
    String name,
    long vmStateBytes,
    long seconds,
    long nanos,
    long vmClockNanos,
    long icount,
    long size,
    long l1Offset,
    int l1Size) {
  private static final int FIXED = 40;
  private static final int MOST_TABLE_BYTES = 64 << 20;
  private static final int MOST_EXTRA = 1024;
  private static final int MOST_L1_BYTES = 0x200_0000;

  /** All snapshots of an image, in order. */
  static List<Qcow2Snapshot> list(Qcow2File image) throws IOException {
    Qcow2Header header = image.header();
    List<Qcow2Snapshot> list = new ArrayList<>();
    long at = header.snapshotsOffset();
    for (int i = 0; i < header.snapshots(); i++) {
      ByteBuffer fixed = ByteBuffer.wrap(Bytes.read(image.file(), at, FIXED));
      int idLength = fixed.getShort(12) & 0xffff;
      int nameLength = fixed.getShort(14) & 0xffff;
      int extraLength = fixed.getInt(36);
      if (extraLength < 0 || extraLength > MOST_EXTRA) {
        throw ImageException.invalid(
            "Too much extra metadata in snapshot table entry %d".formatted(i));
      }
      int total = FIXED + extraLength + idLength + nameLength;
      ByteBuffer all = ByteBuffer.wrap(Bytes.read(image.file(), at, total));
      list.add(of(all, header.size(), extraLength, idLength, nameLength));
      at += total + 7 & -8L;
      if (at - header.snapshotsOffset() > MOST_TABLE_BYTES) {
        throw ImageException.invalid("Snapshot table is too large");
      }
    }
    return list;
  }

  private static Qcow2Snapshot of(
      ByteBuffer in, long diskSize, int extraLength, int idLength, int nameLength)
      throws IOException {
    int l1Size = in.getInt(8);
    if (l1Size < 0 || l1Size > MOST_L1_BYTES / 8) {
      throw ImageException.invalid("Snapshot L1 table too large");
    }
    int extra = FIXED;
    return new Qcow2Snapshot(
        text(in, extra + extraLength, idLength),
        text(in, extra + extraLength + idLength, nameLength),
        extraLength >= 8 ? in.getLong(extra) : in.getInt(32) & 0xffff_ffffL,
        in.getInt(16) & 0xffff_ffffL,
        in.getInt(20) & 0xffff_ffffL,
        in.getLong(24),
        extraLength >= 24 ? in.getLong(extra + 16) : -1,
        extraLength >= 16 ? in.getLong(extra + 8) : diskSize,
        in.getLong(0),
        l1Size);
  }

  private static String text(ByteBuffer in, int at, int length) {
    byte[] bytes = new byte[length];
    in.get(at, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
