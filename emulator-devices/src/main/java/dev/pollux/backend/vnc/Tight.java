package dev.pollux.backend.vnc;

/**
 * Rectangles of one color, of two, or of pixels, each compressed by zlib without loss ("The RFB
 * Protocol", Tight encoding).
 */
final class Tight implements Encoding {
  static final int NUMBER = 7;

  private static final int FILL = 0x80;
  private static final int FILTER = 0x40;
  private static final int STREAM_OF_TWO = 1;
  private static final int PALETTE = 1;

  /** What is shorter is not compressed. */
  private static final int LEAST = 12;

  private final Zlib pixels = new Zlib();
  private final Zlib bits = new Zlib();
  private final Bytes data = new Bytes();
  private final Bytes compressed = new Bytes();
  private final Palette palette = new Palette();

  @Override
  public int number() {
    return NUMBER;
  }

  @Override
  public void encode(Area area, PixelFormat format, Bytes to) {
    data.clear();
    boolean few = palette.collect(area, 2);
    if (few && palette.size() == 1) {
      to.put(FILL);
      format.putTight(to, palette.color(0));
    } else if (few) {
      to.put(FILTER | STREAM_OF_TWO << 4);
      to.put(PALETTE);
      to.put(1); // colors - 1
      format.putTight(to, palette.color(0));
      format.putTight(to, palette.color(1));
      for (int row = 0; row < area.height(); row++) {
        for (int column = 0; column < area.width(); column += 8) {
          data.put(eight(area, column, row));
        }
      }
      finish(bits, to);
    } else {
      to.put(0);
      for (int row = 0; row < area.height(); row++) {
        for (int column = 0; column < area.width(); column++) {
          format.putTight(data, area.at(column, row));
        }
      }
      finish(pixels, to);
    }
  }

  private int eight(Area area, int column, int row) {
    int value = 0;
    for (int i = 0; i < 8; i++) {
      boolean second = column + i < area.width() && palette.index(area.at(column + i, row)) == 1;
      value = value << 1 | (second ? 1 : 0);
    }
    return value;
  }

  private void finish(Zlib stream, Bytes to) {
    if (data.size() < LEAST) {
      to.put(data.array(), 0, data.size());
      return;
    }
    compressed.clear();
    stream.compress(data, compressed);
    int length = compressed.size();
    if (length < 1 << 7) {
      to.put(length);
    } else if (length < 1 << 14) {
      to.put(length & 0x7f | 0x80);
      to.put(length >> 7);
    } else {
      to.put(length & 0x7f | 0x80);
      to.put(length >> 7 & 0x7f | 0x80);
      to.put(length >> 14);
    }
    to.put(compressed.array(), 0, length);
  }

  @Override
  public void close() {
    pixels.close();
    bits.close();
  }
}
