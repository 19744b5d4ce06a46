package dev.pollux.devices.display;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** What a monitor says of itself (VESA E-EDID standard, release A, structure 1.4). */
public final class Edid {
  public static final int BYTES = 128;

  private static final int DOTS_PER_INCH = 100;
  private static final int HERTZ = 60;

  // Of a detailed timing, as CVT with reduced blanking has it.
  private static final int HORIZONTAL_BLANK = 160;
  private static final int HORIZONTAL_FRONT = 48;
  private static final int HORIZONTAL_SYNC = 32;
  private static final int VERTICAL_BLANK = 35;
  private static final int VERTICAL_FRONT = 3;
  private static final int VERTICAL_SYNC = 6;

  /** What twelve bits hold. */
  private static final int MOST = 4095;

  /** Chromaticity of sRGB: ten bits for each of red, green, blue and white. */
  private static final int[] SRGB = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};

  private static final int RANGE_LIMITS = 0xfd;
  private static final int NAME = 0xfc;

  private Edid() {}

  /**
   * A monitor that is of a size by nature.
   *
   * @param width pixels, as the height; more than 4095 cannot be said
   */
  public static byte[] of(int width, int height) {
    ByteBuffer edid = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    edid.putLong(0x00ff_ffff_ffff_ff00L);
    edid.order(ByteOrder.BIG_ENDIAN)
        .putShort((short) letters("PLX"))
        .order(ByteOrder.LITTLE_ENDIAN);
    edid.putShort((short) 1).putInt(0); // product, serial number
    edid.put((byte) 1).put((byte) (2025 - 1990)); // week and year
    edid.put((byte) 1).put((byte) 4); // version
    edid.put((byte) 0xa5); // digital, 8 bits a color, DisplayPort
    edid.put((byte) centimetres(width)).put((byte) centimetres(height));
    edid.put((byte) 120); // gamma 2.2
    edid.put((byte) 0x06); // sRGB; the first timing is the panel's own
    for (int value : SRGB) {
      edid.put((byte) value);
    }
    edid.put((byte) 0x21).put((byte) 0x08).put((byte) 0); // 640x480, 800x600, 1024x768 at 60 Hz
    for (int i = 0; i < 8; i++) {
      edid.putShort((short) 0x0101); // no standard timing
    }
    timing(edid, Math.min(width, MOST), Math.min(height, MOST));
    descriptor(edid, RANGE_LIMITS).put(new byte[] {50, 125, 30, (byte) 255, 60, 1, 10});
    edid.put("      ".getBytes(StandardCharsets.US_ASCII));
    descriptor(edid, NAME).put("Pollux screen".getBytes(StandardCharsets.US_ASCII));
    descriptor(edid, 0x10).position(BYTES - 2); // nothing
    edid.put((byte) 0); // extensions
    int sum = 0;
    for (byte value : edid.array()) {
      sum += value;
    }
    edid.put((byte) -sum);
    return edid.array();
  }

  /** Five bits a letter. */
  private static int letters(String three) {
    int value = 0;
    for (int i = 0; i < three.length(); i++) {
      value = value << 5 | three.charAt(i) - '@';
    }
    return value;
  }

  private static int centimetres(int pixels) {
    return Math.min(255, pixels * 254 / (DOTS_PER_INCH * 100));
  }

  /** Eighteen bytes. */
  private static void timing(ByteBuffer edid, int width, int height) {
    long clock = (long) (width + HORIZONTAL_BLANK) * (height + VERTICAL_BLANK) * HERTZ / 10_000;
    edid.putShort((short) Math.min(clock, 0xffff));
    pair(edid, width, HORIZONTAL_BLANK);
    pair(edid, height, VERTICAL_BLANK);
    edid.put((byte) HORIZONTAL_FRONT).put((byte) HORIZONTAL_SYNC);
    edid.put((byte) (VERTICAL_FRONT << 4 | VERTICAL_SYNC)).put((byte) 0);
    pair(edid, centimetres(width) * 10, centimetres(height) * 10);
    edid.putShort((short) 0).put((byte) 0x18); // no borders; separate synchronization
  }

  /** The low bytes of two numbers of twelve bits, then the high ones of both. */
  private static void pair(ByteBuffer edid, int first, int second) {
    edid.put((byte) first).put((byte) second).put((byte) (first >> 8 << 4 | second >> 8));
  }

  private static ByteBuffer descriptor(ByteBuffer edid, int kind) {
    return edid.put(new byte[] {0, 0, 0, (byte) kind, 0});
  }
}
