package dev.pollux.backend.vnc;

/**
 * Tiles of 64 by 64 pixels, each of one color, of up to 16, or raw, all compressed in one zlib
 * stream (RFC 6143, 7.7.6).
 */
final class Zrle implements Encoding {
  static final int NUMBER = 16;

  private static final int TILE = 64;
  private static final int RAW = 0;
  private static final int SOLID = 1;
  private static final int MOST_COLORS = 16;

  private final Zlib zlib = new Zlib();
  private final Bytes tiles = new Bytes();
  private final Palette palette = new Palette();

  @Override
  public int number() {
    return NUMBER;
  }

  @Override
  public void encode(Area area, PixelFormat format, Bytes to) {
    tiles.clear();
    for (int row = 0; row < area.height(); row += TILE) {
      for (int column = 0; column < area.width(); column += TILE) {
        tile(area.part(column, row, TILE, TILE), format);
      }
    }
    int lengthAt = to.size();
    to.putInt(0);
    zlib.compress(tiles, to);
    int length = to.size() - lengthAt - 4;
    for (int i = 0; i < 4; i++) {
      to.set(lengthAt + i, length >>> 24 - i * 8);
    }
  }

  private void tile(Area area, PixelFormat format) {
    if (!palette.collect(area, MOST_COLORS)) {
      tiles.put(RAW);
      for (int row = 0; row < area.height(); row++) {
        for (int column = 0; column < area.width(); column++) {
          format.putCompact(tiles, area.at(column, row));
        }
      }
      return;
    }
    int colors = palette.size();
    tiles.put(colors == 1 ? SOLID : colors);
    for (int i = 0; i < colors; i++) {
      format.putCompact(tiles, palette.color(i));
    }
    if (colors > 1) {
      packed(area, colors == 2 ? 1 : colors <= 4 ? 2 : 4);
    }
  }

  /** So many bits for each pixel; a row begins with a byte of its own. */
  private void packed(Area area, int bits) {
    for (int row = 0; row < area.height(); row++) {
      int value = 0;
      int used = 0;
      for (int column = 0; column < area.width(); column++) {
        value = value << bits | palette.index(area.at(column, row));
        used += bits;
        if (used == 8) {
          tiles.put(value);
          value = 0;
          used = 0;
        }
      }
      if (used > 0) {
        tiles.put(value << 8 - used);
      }
    }
  }

  @Override
  public void close() {
    zlib.close();
  }
}
