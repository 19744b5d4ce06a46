package dev.pollux.devices.storage.scsi;

import dev.pollux.devices.storage.DriveProperties;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What a unit says of itself (SPC-4, 6.4 and 7.8; SBC-3, 6.5).
 *
 * @param cd whether it is a disc drive
 * @param vendor 8 characters
 * @param product 16 characters
 * @param version 4 characters
 * @param serial may be empty
 * @param deviceId may be empty
 * @param wwn 0 for none
 * @param mostUnmap bytes of one UNMAP at most
 * @param mostBytes of one transfer at most
 * @param rotation 0 where it is not said, 1 for no rotation
 */
record ScsiInquiry(
    boolean cd,
    boolean removable,
    String vendor,
    String product,
    String version,
    String serial,
    String deviceId,
    long wwn,
    long mostUnmap,
    long mostBytes,
    int rotation,
    DriveProperties sizes) {
  private static final int VERSION_SPC3 = 5;
  private static final int PAGE_HEADER = 4;

  private int type() {
    return cd ? 5 : 0;
  }

  /** The standard data. */
  byte[] standard() {
    ByteBuffer out = ByteBuffer.allocate(36);
    out.put((byte) type()).put((byte) (removable ? 0x80 : 0)).put((byte) VERSION_SPC3);
    out.put((byte) 0x12).put((byte) 31).put((byte) 0).put((byte) 0).put((byte) 2);
    out.put(text(vendor, 8)).put(text(product, 16)).put(text(version, 4));
    return out.array();
  }

  /** What a target says of a unit that is not there. */
  static byte[] noUnit() {
    byte[] data = new byte[36];
    data[0] = 0x7f;
    data[2] = VERSION_SPC3;
    data[3] = 0x12;
    data[4] = 31;
    return data;
  }

  private static byte[] text(String text, int length) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) ' ');
    byte[] from = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(from, 0, bytes, 0, Math.min(from.length, length));
    return bytes;
  }

  /** A page of vital product data; null where there is none of that number. */
  byte[] page(int number) {
    return switch (number) {
      case 0x00 -> page(number, pages());
      case 0x80 -> serial.isEmpty() ? null : page(number, text(serial, serial.length()));
      case 0x83 -> page(number, identification());
      case 0xb0 -> cd ? null : page(number, limits());
      case 0xb1 -> cd ? null : page(number, characteristics());
      case 0xb2 -> cd ? null : page(number, provisioning());
      default -> null;
    };
  }

  private byte[] page(int number, byte[] content) {
    return ByteBuffer.allocate(PAGE_HEADER + content.length)
        .put((byte) type())
        .put((byte) number)
        .putShort((short) content.length)
        .put(content)
        .array();
  }

  private byte[] pages() {
    ByteBuffer list = ByteBuffer.allocate(6).put((byte) 0);
    if (!serial.isEmpty()) {
      list.put((byte) 0x80);
    }
    list.put((byte) 0x83);
    if (!cd) {
      list.put((byte) 0xb0).put((byte) 0xb1).put((byte) 0xb2);
    }
    return Arrays.copyOf(list.array(), list.position());
  }

  private byte[] identification() {
    ByteBuffer out = ByteBuffer.allocate(4 + 255 + 12);
    if (!deviceId.isEmpty()) {
      byte[] name = deviceId.getBytes(StandardCharsets.US_ASCII);
      int length = Math.min(name.length, 255);
      out.put((byte) 2).put((byte) 0).put((byte) 0).put((byte) length).put(name, 0, length);
    }
    if (wwn != 0) {
      out.put((byte) 1).put((byte) 3).put((byte) 0).put((byte) 8).putLong(wwn);
    }
    return Arrays.copyOf(out.array(), out.position());
  }

  private byte[] limits() {
    int block = (int) sizes.logicalBlock();
    ByteBuffer out = ByteBuffer.allocate(0x3c);
    out.put((byte) 1) // WRITE SAME does not take 0 for "all"
        .put((byte) 0)
        .putShort((short) Math.min(0xffff, sizes.minIo() / block))
        .putInt((int) Math.min(0xffff_ffffL, mostBytes / block))
        .putInt((int) (sizes.optIo() / block))
        .putInt(0)
        .putInt((int) Math.min(0xffff_ffffL, mostUnmap / block))
        .putInt(ScsiDisk.MOST_UNMAPS);
    out.putLong(32, mostBytes / block);
    return out.array();
  }

  private byte[] characteristics() {
    byte[] content = new byte[0x3c];
    content[0] = (byte) (rotation >> 8);
    content[1] = (byte) rotation;
    return content;
  }

  private static byte[] provisioning() {
    return new byte[] {0, (byte) 0xe0, 2, 0}; // UNMAP, WRITE SAME 16 and 10; thin
  }
}
