package dev.pollux.devices.virtio;

import dev.pollux.devices.storage.DriveProperties;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What a virtio disk tells of itself (5.2.4), apart from what changes.
 *
 * @param segments pieces that the data of a request may have
 * @param queues number of them
 * @param mostDiscard sectors of one request
 * @param mostZeroes sectors of one request
 */
record BlkConfig(DriveProperties sizes, int segments, int queues, int mostDiscard, int mostZeroes) {
  static final int BYTES = 60;

  /** Offset of the byte that says whether there is a write cache. */
  static final int WRITE_CACHE = 32;

  private static final int SECTOR = 512;
  private static final int HEADS = 16;
  private static final int TRACK = 63;
  private static final int MOST_CYLINDERS = 16_383;

  /** The bytes of the configuration. */
  byte[] encode(long sectors, boolean writeCache) {
    long cylinders = Math.min(sectors / (HEADS * TRACK), MOST_CYLINDERS);
    int physicalExponent = Long.numberOfTrailingZeros(sizes.physicalBlock() / sizes.logicalBlock());
    ByteBuffer out = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(sectors);
    out.putInt(0); // no largest segment
    out.putInt(segments);
    out.putShort((short) cylinders).put((byte) HEADS).put((byte) TRACK);
    out.putInt((int) sizes.logicalBlock());
    out.put((byte) physicalExponent).put((byte) 0);
    out.putShort((short) (sizes.minIo() / sizes.logicalBlock()));
    out.putInt((int) (sizes.optIo() / sizes.logicalBlock()));
    out.put((byte) (writeCache ? 1 : 0)).put((byte) 0);
    out.putShort((short) queues);
    out.putInt(mostDiscard).putInt(1).putInt((int) (sizes.logicalBlock() / SECTOR));
    out.putInt(mostZeroes).putInt(1).put((byte) 1);
    return out.array();
  }
}
