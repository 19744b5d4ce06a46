package dev.pollux.backend.vnc;

/** Tiles of 16 by 16 pixels, each of one color, of two, or raw (RFC 6143, 7.7.4). */
final class Hextile implements Encoding {
  static final int NUMBER = 5;

  private static final int TILE = 16;
  private static final int RAW = 1;
  private static final int BACKGROUND = 2;
  private static final int FOREGROUND = 4;
  private static final int RECTANGLES = 8;

  private final Raw raw = new Raw();
  private final Palette palette = new Palette();

  @Override
  public int number() {
    return NUMBER;
  }

  @Override
  public void encode(Area area, PixelFormat format, Bytes to) {
    for (int row = 0; row < area.height(); row += TILE) {
      for (int column = 0; column < area.width(); column += TILE) {
        tile(area.part(column, row, TILE, TILE), format, to);
      }
    }
  }

  private void tile(Area area, PixelFormat format, Bytes to) {
    int start = to.size();
    if (palette.collect(area, 2)) {
      boolean two = palette.size() == 2;
      to.put(BACKGROUND | (two ? FOREGROUND | RECTANGLES : 0));
      format.put(to, palette.color(0));
      if (!two) {
        return;
      }
      format.put(to, palette.color(1));
      runs(area, palette.color(1), to);
      if (to.size() - start <= area.width() * area.height() * format.bytes()) {
        return;
      }
    }
    to.truncate(start);
    to.put(RAW);
    raw.encode(area, format, to);
  }

  /** A rectangle of one row for each run of the color. */
  private static void runs(Area area, int color, Bytes to) {
    int count = 0;
    int countAt = to.size();
    to.put(0);
    for (int row = 0; row < area.height(); row++) {
      for (int column = 0; column < area.width(); column++) {
        int first = column;
        while (column < area.width() && area.at(column, row) == color) {
          column++;
        }
        if (column > first) {
          to.put(first << 4 | row);
          to.put(column - first - 1 << 4);
          count++;
        }
      }
    }
    to.set(countAt, count); // at most 8 in each of 16 rows
  }
}
