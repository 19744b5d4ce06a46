package dev.pollux.tests.firmware;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * A floppy of 1.44 MB with files in its root folder (Microsoft, "FAT: General Overview of On-Disk
 * Format", 1.03).
 */
final class Floppy {
  private static final int SECTOR = 512;
  private static final int SECTORS = 2880;
  private static final int FAT_SECTORS = 9;
  private static final int ROOT_ENTRIES = 224;
  private static final int ROOT = 1 + 2 * FAT_SECTORS;
  private static final int DATA = ROOT + ROOT_ENTRIES * 32 / SECTOR;
  private static final int END = 0xfff;

  private final byte[] image = new byte[SECTORS * SECTOR];
  private final ByteBuffer bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
  private int nextCluster = 2;
  private int nextEntry;

  private Floppy() {
    bytes.put(0, new byte[] {(byte) 0xeb, 0x3c, (byte) 0x90});
    bytes.put(3, ascii("POLLUX  "));
    bytes.putShort(11, (short) SECTOR).put(13, (byte) 1).putShort(14, (short) 1).put(16, (byte) 2);
    bytes.putShort(17, (short) ROOT_ENTRIES).putShort(19, (short) SECTORS).put(21, (byte) 0xf0);
    bytes.putShort(22, (short) FAT_SECTORS).putShort(24, (short) 18).putShort(26, (short) 2);
    bytes.put(38, (byte) 0x29).putInt(39, 0x1234_5678);
    bytes.put(43, ascii("POLLUX     FAT12   "));
    bytes.putShort(510, (short) 0xaa55);
    link(0, 0xff0);
    link(1, END);
  }

  /**
   * Makes one.
   *
   * @param files contents by name, 8 characters and 3, padded with spaces
   */
  static byte[] with(Map<String, byte[]> files) {
    Floppy floppy = new Floppy();
    files.forEach(floppy::add);
    return floppy.image;
  }

  private void add(String name, byte[] content) {
    int entry = ROOT * SECTOR + 32 * nextEntry++;
    bytes.put(entry, ascii(name)).put(entry + 11, (byte) 0x20);
    bytes.putShort(entry + 26, (short) nextCluster).putInt(entry + 28, content.length);
    for (int at = 0; at < content.length; at += SECTOR) {
      int cluster = nextCluster++;
      bytes.put((DATA + cluster - 2) * SECTOR, content, at, Math.min(SECTOR, content.length - at));
      link(cluster, at + SECTOR < content.length ? cluster + 1 : END);
    }
  }

  /** Sets an entry of 12 bits in both tables. */
  private void link(int cluster, int next) {
    for (int fat = 0; fat < 2; fat++) {
      int at = (1 + fat * FAT_SECTORS) * SECTOR + cluster * 3 / 2;
      int old = bytes.getShort(at) & 0xffff;
      int now = cluster % 2 == 0 ? old & 0xf000 | next : old & 0x000f | next << 4;
      bytes.putShort(at, (short) now);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
