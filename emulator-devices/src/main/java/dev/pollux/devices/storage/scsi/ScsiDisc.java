package dev.pollux.devices.storage.scsi;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What a drive says of a disc of data, of one track (MMC-6, 6).
 *
 * @param blocks of 2048 bytes
 * @param present whether there is one
 */
record ScsiDisc(long blocks, boolean present) {
  /** Blocks a second of an audio disc, by which addresses are minutes, seconds and frames. */
  private static final int FRAMES = 75;

  private static final int LEAD_IN = 150;

  /** What a CD of 80 minutes holds; more is a DVD. */
  private static final int CD_BLOCKS = 80 * 60 * FRAMES;

  /** The answer to a command; null where a field of it is not served. */
  byte[] answer(int code, ByteBuffer cdb) {
    return switch (code) {
      case 0x43 -> contents(cdb);
      case 0x51 -> information();
      case 0xbd -> new byte[] {0, 0, 0, 0, 0, 1, 0, 0};
      default -> null;
    };
  }

  /** GET CONFIGURATION: the profiles, and features that all drives have. */
  byte[] configuration() {
    boolean dvd = blocks > CD_BLOCKS;
    int profile = !present ? 0 : dvd ? 0x10 : 0x08;
    ByteBuffer out = ByteBuffer.allocate(40);
    out.putInt(36).putShort((short) 0).putShort((short) profile);
    out.putShort((short) 0).put((byte) 3).put((byte) 8);
    out.putShort((short) 0x10).put((byte) (profile == 0x10 ? 1 : 0)).put((byte) 0);
    out.putShort((short) 0x08).put((byte) (profile == 0x08 ? 1 : 0)).put((byte) 0);
    out.putShort((short) 1).put((byte) 0x0b).put((byte) 8).putInt(1).putInt(1 << 24);
    out.putShort((short) 3).put((byte) 3).put((byte) 4).put((byte) 0x39);
    return out.array();
  }

  private static byte[] information() {
    byte[] data = new byte[34];
    data[1] = 32;
    data[2] = 0xe; // complete, and so is its last session
    Arrays.fill(data, 3, 7, (byte) 1);
    data[7] = 0x20;
    Arrays.fill(data, 16, 24, (byte) -1);
    return data;
  }

  private byte[] contents(ByteBuffer cdb) {
    boolean msf = (cdb.get(1) & 2) != 0;
    int track = cdb.get(6) & 0xff;
    int format = (cdb.get(2) & 0xf) == 0 ? cdb.get(9) >> 6 & 3 : cdb.get(2) & 0xf;
    if (format > 1 || format == 0 && track > 1 && track != 0xaa) {
      return null;
    }
    ByteBuffer out = ByteBuffer.allocate(20);
    out.putShort((short) 0).put((byte) 1).put((byte) 1);
    if (format == 1 || track <= 1) {
      entry(out, 1, 0, msf);
    }
    if (format == 0) {
      entry(out, 0xaa, blocks, msf);
    }
    out.putShort(0, (short) (out.position() - 2));
    return Arrays.copyOf(out.array(), out.position());
  }

  private static void entry(ByteBuffer out, int track, long block, boolean msf) {
    out.put((byte) 0).put((byte) 0x14).put((byte) track).put((byte) 0);
    if (msf) {
      long frames = block + LEAD_IN;
      out.put((byte) 0)
          .put((byte) Math.min(0xff, frames / FRAMES / 60))
          .put((byte) (frames / FRAMES % 60))
          .put((byte) (frames % FRAMES));
    } else {
      out.putInt((int) block);
    }
  }
}
