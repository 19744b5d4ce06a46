package dev.pollux.devices.storage.scsi;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;

/** Mode pages (SPC-4, 7.5; SBC-3, 6.4; MMC-6, 7). */
final class ScsiModes {
  private static final int RECOVERY = 0x01;
  private static final int CACHING = 0x08;
  private static final int CAPABILITIES = 0x2a;
  private static final int ALL = 0x3f;
  private static final int WRITE_CACHE = 4;
  private static final int DESCRIPTOR = 8;

  private ScsiModes() {}

  /**
   * A page, or all of them; null where there is none of that number.
   *
   * @param changeable give what can be changed rather than what is
   */
  static byte[] pages(int page, boolean cd, boolean cache, boolean locked, boolean changeable) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (page == RECOVERY || page == ALL) {
      byte[] data = new byte[12];
      data[0] = RECOVERY;
      data[1] = 10;
      data[2] = (byte) (changeable ? 0 : 0x80); // writes are relocated
      out.writeBytes(data);
    }
    if (!cd && (page == CACHING || page == ALL)) {
      byte[] data = new byte[20];
      data[0] = CACHING;
      data[1] = 18;
      data[2] = (byte) (changeable || cache ? WRITE_CACHE : 0);
      out.writeBytes(data);
    }
    if (cd && (page == CAPABILITIES || page == ALL)) {
      out.writeBytes(capabilities(locked, changeable));
    }
    return out.size() == 0 ? null : out.toByteArray();
  }

  private static byte[] capabilities(boolean locked, boolean changeable) {
    byte[] page = new byte[22];
    page[0] = CAPABILITIES;
    page[1] = 20;
    if (!changeable) {
      page[2] = 0x3b; // reads CD-R, CD-RW, DVD-ROM, DVD-R
      page[4] = 0x70;
      page[5] = 3 << 5;
      page[6] = (byte) (1 << 5 | 1 << 3 | 1 | (locked ? 2 : 0)); // tray, eject, lock
      page[8] = 706 >> 8;
      page[9] = (byte) 706;
      page[14] = 706 >> 8;
      page[15] = (byte) 706;
    }
    return page;
  }

  /**
   * Pages behind their header.
   *
   * @param specific the device-specific parameter
   * @param ten the long header
   * @param blocks for a block descriptor; negative for none
   */
  static byte[] data(byte[] pages, int specific, boolean ten, long blocks, int blockBytes) {
    int descriptor = blocks < 0 ? 0 : DESCRIPTOR;
    ByteBuffer out = ByteBuffer.allocate((ten ? 8 : 4) + descriptor + pages.length);
    if (ten) {
      out.putShort((short) (out.capacity() - 2)).put((byte) 0).put((byte) specific);
      out.putShort((short) 0).putShort((short) descriptor);
    } else {
      out.put((byte) (out.capacity() - 1)).put((byte) 0).put((byte) specific);
      out.put((byte) descriptor);
    }
    if (descriptor > 0) {
      out.putInt((int) Math.min(blocks, 0xff_ffff)).putInt(blockBytes);
    }
    return out.put(pages).array();
  }

  /**
   * What a MODE SELECT says of the write cache.
   *
   * @param header bytes of the header
   * @return null if the list is none, or changes what cannot be changed
   */
  static Boolean selectedCache(byte[] list, int header) {
    if (list.length < header) {
      return null;
    }
    ByteBuffer in = ByteBuffer.wrap(list);
    int descriptor = header == 4 ? in.get(3) & 0xff : in.getShort(6) & 0xffff;
    int at = header + descriptor;
    Boolean cache = null;
    while (at + 2 <= list.length) {
      int length = in.get(at + 1) & 0xff;
      if (at + 2 + length > list.length) {
        return null;
      }
      if ((in.get(at) & 0x3f) == CACHING && length >= 1) {
        cache = (in.get(at + 2) & WRITE_CACHE) != 0;
      }
      at += 2 + length;
    }
    return cache;
  }
}
