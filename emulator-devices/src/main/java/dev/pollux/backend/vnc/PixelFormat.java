package dev.pollux.backend.vnc;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteOrder;

/**
 * How a viewer wants its pixels (RFC 6143, 7.4).
 *
 * @param bytes 1, 2 or 4
 */
record PixelFormat(
    int bytes,
    int depth,
    boolean bigEndian,
    int redMax,
    int greenMax,
    int blueMax,
    int redShift,
    int greenShift,
    int blueShift) {
  /** The screen's own. */
  static final PixelFormat USUAL = new PixelFormat(4, 24, false, 255, 255, 255, 16, 8, 0);

  /**
   * Reads one.
   *
   * @throws IOException where it is none that can be had
   */
  static PixelFormat read(DataInputStream in) throws IOException {
    int bits = in.readUnsignedByte();
    int depth = in.readUnsignedByte();
    boolean bigEndian = in.readBoolean();
    boolean trueColor = in.readBoolean();
    PixelFormat format =
        new PixelFormat(
            bits / 8,
            depth,
            bigEndian,
            in.readUnsignedShort(),
            in.readUnsignedShort(),
            in.readUnsignedShort(),
            in.readUnsignedByte(),
            in.readUnsignedByte(),
            in.readUnsignedByte());
    in.skipNBytes(3);
    if (!trueColor || bits != 8 && bits != 16 && bits != 32 || !format.fits(bits)) {
      throw new IOException(
          "asks for pixels of %d bits %s; 8, 16 and 32 bits with true color are possible"
              .formatted(bits, trueColor ? "with odd colors" : "with a color map"));
    }
    return format;
  }

  private boolean fits(int bits) {
    return fits(redMax, redShift, bits)
        && fits(greenMax, greenShift, bits)
        && fits(blueMax, blueShift, bits);
  }

  private static boolean fits(int max, int shift, int bits) {
    return shift < bits && (long) max << shift < 1L << bits;
  }

  void write(DataOutputStream out) throws IOException {
    out.writeByte(bytes * 8);
    out.writeByte(depth);
    out.writeBoolean(bigEndian);
    out.writeBoolean(true);
    out.writeShort(redMax);
    out.writeShort(greenMax);
    out.writeShort(blueMax);
    out.writeByte(redShift);
    out.writeByte(greenShift);
    out.writeByte(blueShift);
    out.write(new byte[3]);
  }

  /** Whether pixels are those of screens. */
  boolean isUsual() {
    return equals(USUAL);
  }

  ByteOrder order() {
    return bigEndian ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
  }

  /** A pixel of the screen in this format. */
  int convert(int rgb) {
    return scale(rgb >> 16, redMax) << redShift
        | scale(rgb >> 8, greenMax) << greenShift
        | scale(rgb, blueMax) << blueShift;
  }

  private static int scale(int value, int max) {
    return ((value & 0xff) * max + 127) / 255;
  }

  /** Appends a converted pixel. */
  void put(Bytes to, int pixel) {
    for (int i = 0; i < bytes; i++) {
      to.put(pixel >>> (bigEndian ? bytes - 1 - i : i) * 8);
    }
  }

  /**
   * Whether ZRLE leaves a byte of each pixel out (7.7.5): the highest, or the lowest where no color
   * is in it.
   */
  boolean isCompact() {
    return bytes == 4 && depth <= 24 && (colors() & 0xff00_0000) == 0
        || bytes == 4 && depth <= 24 && (colors() & 0xff) == 0;
  }

  private int colors() {
    return redMax << redShift | greenMax << greenShift | blueMax << blueShift;
  }

  /** Appends a converted pixel as ZRLE wants it. */
  void putCompact(Bytes to, int pixel) {
    if (!isCompact()) {
      put(to, pixel);
      return;
    }
    int three = (colors() & 0xff00_0000) == 0 ? pixel : pixel >>> 8;
    for (int i = 0; i < 3; i++) {
      to.put(three >>> (bigEndian ? 2 - i : i) * 8);
    }
  }

  /** Appends a pixel of the screen as Tight wants it: red, green, blue where 24 bits are sent. */
  void putTight(Bytes to, int pixel) {
    if (bytes == 4 && depth == 24 && redMax == 255 && greenMax == 255 && blueMax == 255) {
      to.put(pixel >>> redShift);
      to.put(pixel >>> greenShift);
      to.put(pixel >>> blueShift);
    } else {
      put(to, pixel);
    }
  }
}
