package dev.pollux.devices.display;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.IntStream;

/** What a monitor says of itself (VESA E-EDID standard, release A, structure 1.4). */
public final class Edid {
  public static final int BYTES = 128;

  private static final int DOTS_PER_INCH = 100;

  /** As QEMU's. */
  static final int MILLIHERTZ = 75_000;

  /** Of a detailed timing: 10 kHz, in pixels in 1000 seconds. */
  private static final int CLOCK_UNIT = 10_000_000;

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
   * Modes that a standard timing stands for, the dearest first: at 60 Hz, their shape in two bits.
   */
  private enum Standard {
    W2048_H1152(2048, 1152, 3),
    W1920_H1080(1920, 1080, 3),
    W1920_H1200(1920, 1200, 0),
    W1600_H1200(1600, 1200, 1),
    W1680_H1050(1680, 1050, 0),
    W1440_H900(1440, 900, 0),
    W1280_H1024(1280, 1024, 2),
    W1280_H960(1280, 960, 1),
    W1856_H1392(1856, 1392, 1),
    W1792_H1344(1792, 1344, 1);

    private static final int PLACES = 8;
    private static final int NONE = 0x0101;

    private final int width;
    private final int height;
    private final int shape;

    Standard(int width, int height, int shape) {
      this.width = width;
      this.height = height;
      this.shape = shape;
    }

    /** Two bytes, the lower one first. */
    int code() {
      return width / 8 - 31 | shape << 14;
    }
  }

  /**
   * A monitor.
   *
   * @param width pixels that it has by nature, as the height; more than 4095 cannot be said
   * @param mostWidth pixels of the widest mode that it offers beside that, as the height
   * @param milliHertz pictures in 1000 seconds
   */
  public record Panel(int width, int height, int mostWidth, int mostHeight, int milliHertz) {
    /** One that offers all that there is, 75 pictures in a second. */
    public Panel(int width, int height) {
      this(width, height, MOST, MOST, MILLIHERTZ);
    }

    private boolean offers(int w, int h) {
      return w <= mostWidth && h <= mostHeight;
    }
  }

  /** What a monitor says that offers all that there is. */
  public static byte[] of(int width, int height) {
    return of(new Panel(width, height));
  }

  /** What a monitor says. */
  public static byte[] of(Panel panel) {
    int width = panel.width();
    int height = panel.height();
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
    // Established timings at 60 Hz.
    edid.put((byte) ((panel.offers(640, 480) ? 0x20 : 0) | (panel.offers(800, 600) ? 0x01 : 0)));
    edid.put((byte) (panel.offers(1024, 768) ? 0x08 : 0)).put((byte) 0);
    IntStream.concat(
            Arrays.stream(Standard.values())
                .filter(mode -> panel.offers(mode.width, mode.height))
                .mapToInt(Standard::code),
            IntStream.generate(() -> Standard.NONE))
        .limit(Standard.PLACES)
        .forEach(code -> edid.putShort((short) code));
    timing(edid, Math.min(width, MOST), Math.min(height, MOST), panel.milliHertz());
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
  private static void timing(ByteBuffer edid, int width, int height, int milliHertz) {
    long pixels = (long) (width + HORIZONTAL_BLANK) * (height + VERTICAL_BLANK);
    long clock = pixels * milliHertz / CLOCK_UNIT; // 0 would be no timing
    edid.putShort((short) Math.clamp(clock, 1, 0xffff));
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
